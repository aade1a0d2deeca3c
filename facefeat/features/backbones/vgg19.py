"""VGG19 without its top: configuration E of Simonyan and Zisserman, trained on ImageNet.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015, arXiv:1409.1556. Layer names and preprocessing are those of ``keras.applications.vgg19``.
"""

from __future__ import annotations

from typing import Any

from facefeat.engines.network import Engine, Network, Run
from facefeat.features.backbone import keras_network
from facefeat.features.backbones import _vgg
from facefeat.features.backbones._tensors import Named
from facefeat.features.official import Official, find
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors, Weights

SUMMARY = "VGG19, ImageNet, convolutions only"
LICENCE = _vgg.LICENCE
LAYERS = _vgg.LAYERS
UNFREEZE = _vgg.UNFREEZE
# Not measured: by VGG16, which it is but for one convolution more in each of the last three blocks.
DEFAULT_LAYERS = ("block3_pool", "block4_pool", "block5_pool")
HEAD_LAYER = "block3_pool+block4_pool"
DEFAULT_SIZE = 80
POOLINGS = ("grid2", "avg", "max", "flatten")
WEIGHTS = ("keras",)

BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
OFFICIAL = {
    "keras": Official(
        "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        bytes=80_134_624,
        md5="253f8cb515780f3b799900260a226db6",
    )
}


def shapes() -> Named:
    """Return the shape of each tensor, in the network's order, kernel before bias."""
    return _vgg.shapes(BLOCKS)


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
    """Build the Keras model, raw RGB in, one row a layer out; see ``facefeat.features.backbones._vgg.build``."""
    return _vgg.build(recipe, tensors, BLOCKS)
