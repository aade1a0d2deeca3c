"""MobileNetV2 without its top: small and quick, trained on ImageNet.

M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
CVPR 2018, arXiv:1801.04381. The network is that of ``keras.applications.mobilenet_v2``, of width 1.0.
"""

from __future__ import annotations

from typing import Any

from facefeat.engines.network import Engine, Network, Run
from facefeat.features.backbone import keras_network
from facefeat.features.backbones import _applications
from facefeat.features.backbones._tensors import Named, convolution, depthwise, normalisation
from facefeat.features.official import Official, find
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors, Weights

SUMMARY = "MobileNetV2, ImageNet, without its top; a sixth of VGG16's weights"
LICENCE = "weights: Google, Apache 2.0"
# The last map of each size, widened for the step to the next; they have passed a ReLU, as VGG16's pooled ones have.
LAYERS = ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu", "out_relu")
# Not measured: strides 8, 16 and 32 as VGG16's block3_pool to block5_pool, of which the middle ones tell people best.
DEFAULT_LAYERS = ("block_6_expand_relu", "block_13_expand_relu", "out_relu")
HEAD_LAYER = "block_6_expand_relu+block_13_expand_relu"
DEFAULT_SIZE = 96
POOLINGS = ("grid2", "avg", "max", "flatten")
WEIGHTS = ("keras",)

# Inverted residual blocks: how many, and how many filters each ends with. All but the first widen six times.
BLOCKS = ((1, 16), (2, 24), (3, 32), (4, 64), (3, 96), (3, 160), (1, 320))
EXPANSION = 6
OFFICIAL = {  # nobody publishes a hash of it; its size is known
    "keras": Official(
        "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        bytes=9_406_464,
    )
}


def shapes() -> Named:
    """Return the shape of each tensor, in the network's order."""
    found = {**convolution("Conv1", 3, 3, 32, bias=False), **normalisation("bn_Conv1", 32)}
    channels, number = 32, 0
    for n, filters in BLOCKS:
        for _ in range(n):
            found |= _block(f"block_{number}_" if number else "expanded_conv_", channels, filters, bool(number))
            channels, number = filters, number + 1
    return {**found, **convolution("Conv_1", 1, channels, 1280, bias=False), **normalisation("Conv_1_bn", 1280)}


def _block(prefix: str, channels: int, filters: int, widened: bool) -> Named:
    wide = channels * EXPANSION if widened else channels
    found: Named = {}
    if widened:
        found |= convolution(f"{prefix}expand", 1, channels, wide, bias=False)
        found |= normalisation(f"{prefix}expand_BN", wide)
    found |= {**depthwise(f"{prefix}depthwise", 3, wide), **normalisation(f"{prefix}depthwise_BN", wide)}
    found |= convolution(f"{prefix}project", 1, wide, filters, bias=False)
    return {**found, **normalisation(f"{prefix}project_BN", filters)}


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
    return _applications.build(recipe, tensors, "MobileNetV2", lambda keras, rgb: rgb / 127.5 - 1.0)
