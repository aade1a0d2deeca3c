"""ResNet-50 without its top: residual blocks, trained on ImageNet.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385. The
network and its preprocessing are those of ``keras.applications.resnet``, which has the biases of the first release.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facefeat.engines.network import Engine, Network, Run
from facefeat.features.backbone import keras_network
from facefeat.features.backbones import _applications
from facefeat.features.backbones._tensors import Named, convolution, normalisation
from facefeat.features.official import Official, find
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors, Weights

SUMMARY = "ResNet-50, ImageNet, without its top"
LICENCE = "weights: Kaiming He, MIT"
LAYERS = ("pool1_pool", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out")
# Not measured: strides 8, 16 and 32 as VGG16's block3_pool to block5_pool, of which the middle ones tell people best.
DEFAULT_LAYERS = ("conv3_block4_out", "conv4_block6_out", "conv5_block3_out")
HEAD_LAYER = "conv3_block4_out+conv4_block6_out"
DEFAULT_SIZE = 96
POOLINGS = ("grid2", "avg", "max", "flatten")
WEIGHTS = ("keras",)

# Residual blocks: how many, and how many filters their middle has; they end with four times as many.
BLOCKS = ((3, 64), (4, 128), (6, 256), (3, 512))
BGR_MEAN = (103.939, 116.779, 123.68)  # of ImageNet, subtracted after the channels were turned round
OFFICIAL = {
    "keras": Official(
        "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        bytes=94_765_736,
        md5="4d473c1dd8becc155b73f8504c6f6626",
    )
}


def shapes() -> Named:
    """Return the shape of each tensor, in the network's order."""
    found = {**convolution("conv1_conv", 7, 3, 64), **normalisation("conv1_bn", 64)}
    channels = 64
    for stage, (n, filters) in enumerate(BLOCKS, 2):
        for block in range(1, n + 1):
            found |= _block(f"conv{stage}_block{block}_", channels, filters, block == 1)
            channels = 4 * filters
    return found


def _block(prefix: str, channels: int, filters: int, projected: bool) -> Named:
    """Name a block's tensors; a projected shortcut stands beside the last convolution, as Keras orders layers."""
    found = {**convolution(f"{prefix}1_conv", 1, channels, filters), **normalisation(f"{prefix}1_bn", filters)}
    found |= {**convolution(f"{prefix}2_conv", 3, filters, filters), **normalisation(f"{prefix}2_bn", filters)}
    shortcut = convolution(f"{prefix}0_conv", 1, channels, 4 * filters) if projected else {}
    found |= {**shortcut, **convolution(f"{prefix}3_conv", 1, filters, 4 * filters)}
    shortcut = normalisation(f"{prefix}0_bn", 4 * filters) if projected else {}
    return {**found, **shortcut, **normalisation(f"{prefix}3_bn", 4 * filters)}


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
    """Build the Keras model, raw RGB in, one row a layer out; see ``facefeat.features.backbones._applications.build``."""
    return _applications.build(recipe, tensors, "ResNet50", _prepared)


def _prepared(keras: Any, rgb: Any) -> Any:
    return keras.ops.flip(rgb, axis=-1) - np.array(BGR_MEAN, np.float32)
