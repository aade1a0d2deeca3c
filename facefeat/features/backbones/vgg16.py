"""VGG16 without its top: configuration D of Simonyan and Zisserman, trained on ImageNet.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015, arXiv:1409.1556. Layer names and preprocessing are those of ``keras.applications.vgg16``.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files
from typing import Any

import numpy as np

from facefeat.engines.network import Engine, Network, Run
from facefeat.errors import DamagedFile
from facefeat.features.backbone import keras_network
from facefeat.features.backbones import _vgg
from facefeat.features.backbones._tensors import Named
from facefeat.features.official import Official, find
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors, Weights, digest

SUMMARY = "VGG16, ImageNet, convolutions only"
LICENCE = _vgg.LICENCE
LAYERS = _vgg.LAYERS
DEFAULT_LAYERS = ("block3_pool", "block4_pool", "block5_pool")
HEAD_LAYER = "block3_pool+block4_pool"
DEFAULT_SIZE = 80
POOLINGS = ("grid2", "avg", "max", "flatten")
WEIGHTS = ("imagenet", "keras")
UNFREEZE = _vgg.UNFREEZE

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))

# Subtracted, blue first. O. M. Parkhi, A. Vedaldi, A. Zisserman, "Deep Face Recognition", BMVC 2015, trained the same
# network on faces, less the mean of theirs.
PREPROCESSINGS = {"imagenet": _vgg.BGR_MEAN, "vggface": (93.5940, 104.7624, 129.1863)}
# What their layers are called, block1_conv1 being conv1_1.
VGGFACE = {f"conv{b}_{i}": f"block{b}_conv{i}" for b, (n, _) in enumerate(BLOCKS, 1) for i in range(1, n + 1)}

# The carried file: the published tensors rounded to float16, hashed as float32 again.
CARRIED = "vgg16_imagenet.npz"
CARRIED_SHA256 = "b436d216aaced47ce93513eba2f17a8ed7efe26c68eaa1a88f16821abbbc35f6"

# Keras' official file, with the published float32 tensors.
OFFICIAL = {
    "keras": Official(
        "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        bytes=58_889_256,
        md5="6d6bbae143d832006294945121d1f1fc",
        sha256="d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd",
    )
}


def shapes() -> Named:
    """Return the shape of each tensor, in the network's order, kernel before bias."""
    return _vgg.shapes(BLOCKS)


def weights(source: str = "imagenet") -> Weights:
    """Find the weights.

    Parameters
    ----------
    source : {'imagenet', 'keras'} or path
        ``'imagenet'``: carried by the package, in float16. ``'keras'``: the official file, downloaded
        once into the cache folder. Else a file of the user's, whose layers may have the names of VGGFace's.

    Returns
    -------
    Weights

    Raises
    ------
    FacefeatError
        As ``facefeat.features.official.find``.
    """
    if source == "imagenet":
        return Weights("imagenet", CARRIED_SHA256, _carried)
    found = find(source, OFFICIAL, shapes(), VGGFACE)
    return replace(found, preprocess="vggface") if found.renamed else found


def load(recipe: Recipe, weights: Weights, engine: Engine, batch_size: int) -> Run:
    """Make the network ready; see ``facefeat.features.backbone.Backbone``."""
    return engine.load(network(recipe, weights, batch_size))


def network(recipe: Recipe, weights: Weights, batch_size: int) -> Network:
    """Describe the network; see ``facefeat.features.backbone.Backbone``."""
    return keras_network(recipe, lambda: build(recipe, weights.read()), batch_size)


def build(recipe: Recipe, tensors: Tensors) -> Any:
    """Build the Keras model, raw RGB in, one row a layer out; see ``facefeat.features.backbones._vgg.build``."""
    return _vgg.build(recipe, tensors, BLOCKS, PREPROCESSINGS[recipe.preprocess or "imagenet"])


def _carried() -> Tensors:
    with as_file(files(__package__) / CARRIED) as path, np.load(path, allow_pickle=False) as arrays:
        tensors = {name: arrays[name].astype(np.float32) for name in shapes()}
    if digest(tensors.values()) != CARRIED_SHA256:
        raise DamagedFile(f"The package's own {CARRIED} is damaged; install facefeat again.")
    return tensors
