"""EfficientNet-B0 without its top, trained on ImageNet.

M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
arXiv:1905.11946. The network is that of ``keras.applications.efficientnet``; its preprocessing are layers of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facefeat.engines.network import Engine, Network, Run
from facefeat.features.backbone import keras_network
from facefeat.features.backbones import _applications
from facefeat.features.backbones._tensors import Named, convolution, depthwise, normalisation
from facefeat.features.official import Official, find
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors, Weights

SUMMARY = "EfficientNet-B0, ImageNet, without its top; a quarter of VGG16's weights"
LICENCE = "weights: Google, Apache 2.0"
# The last map of each size, widened for the step to the next.
LAYERS = (
    "block2a_expand_activation",
    "block3a_expand_activation",
    "block4a_expand_activation",
    "block6a_expand_activation",
    "top_activation",
)
# Not measured: strides 8, 16 and 32 as VGG16's block3_pool to block5_pool, of which the middle ones tell people best.
DEFAULT_LAYERS = ("block4a_expand_activation", "block6a_expand_activation", "top_activation")
HEAD_LAYER = "block4a_expand_activation+block6a_expand_activation"
DEFAULT_SIZE = 96
POOLINGS = ("grid2", "avg", "max", "flatten")
WEIGHTS = ("keras",)

# Inverted residual blocks: how many, the side of their kernel, and how many filters each ends with.
BLOCKS = ((1, 3, 16), (2, 3, 24), (2, 5, 40), (3, 3, 80), (3, 5, 112), (4, 5, 192), (1, 3, 320))
EXPANSION = 6  # of all stages but the first
SQUEEZE = 4
RGB_DEVIATION = (0.229, 0.224, 0.225)  # of ImageNet
OFFICIAL = {
    "keras": Official(
        "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
        bytes=16_705_208,
        md5="50bc09e76180e00e4465e1a485ddc09d",
    )
}


def shapes() -> Named:
    """Return the shape of each tensor, in the network's order."""
    found: Named = {"normalization/mean": (3,), "normalization/variance": (3,)}
    found |= {**convolution("stem_conv", 3, 3, 32, bias=False), **normalisation("stem_bn", 32)}
    channels = 32
    for stage, (n, size, filters) in enumerate(BLOCKS, 1):
        for letter in "abcd"[:n]:
            found |= _block(f"block{stage}{letter}_", size, channels, filters, stage > 1)
            channels = filters
    return {**found, **convolution("top_conv", 1, channels, 1280, bias=False), **normalisation("top_bn", 1280)}


def _block(prefix: str, size: int, channels: int, filters: int, widened: bool) -> Named:
    wide = channels * EXPANSION if widened else channels
    found: Named = {}
    if widened:
        found |= convolution(f"{prefix}expand_conv", 1, channels, wide, bias=False)
        found |= normalisation(f"{prefix}expand_bn", wide)
    found |= {**depthwise(f"{prefix}dwconv", size, wide), **normalisation(f"{prefix}bn", wide)}
    found |= convolution(f"{prefix}se_reduce", 1, wide, channels // SQUEEZE)
    found |= convolution(f"{prefix}se_expand", 1, channels // SQUEEZE, wide)
    found |= convolution(f"{prefix}project_conv", 1, wide, filters, bias=False)
    return {**found, **normalisation(f"{prefix}project_bn", filters)}


def weights(source: str = "keras") -> Weights:
    """Find the weights: ``'keras'``, the official file, fetched once; else a file of the user's.

    Raises
    ------
    FacefeatError
        As ``facefeat.features.official.find``.
    """
    return find(source, OFFICIAL, shapes())


def load(recipe: Recipe, weights: Weights, engine: Engine, batch_size: int) -> Run:
    """Make the network ready; see ``facefeat.features.backbone.Backbone``."""
    return engine.load(network(recipe, weights, batch_size))


def network(recipe: Recipe, weights: Weights, batch_size: int) -> Network:
    """Describe the network; see ``facefeat.features.backbone.Backbone``."""
    return keras_network(recipe, lambda: build(recipe, weights.read()), batch_size)


def build(recipe: Recipe, tensors: Tensors) -> Any:
    """Build the Keras model, raw RGB in, one row a layer out; see ``facefeat.features.backbones._applications.build``.

    The published file holds ImageNet's deviations where its squares belong, and Keras divides by their roots once more
    where it loads that file. A variance multiplied by the deviation is the same.
    """
    variance = tensors["normalization/variance"] * np.array(RGB_DEVIATION, np.float32)
    changed = {**tensors, "normalization/variance": variance}
    return _applications.build(recipe, changed, "EfficientNetB0", lambda keras, rgb: rgb)
