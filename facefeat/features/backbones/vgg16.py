"""VGG16 without its top: configuration D of Simonyan and Zisserman, trained on ImageNet.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015, arXiv:1409.1556. Layer names and preprocessing are those of ``keras.applications.vgg16``.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import numpy as np

from facefeat.engines.network import Engine, Network, Run
from facefeat.errors import DamagedFile, StorageError
from facefeat.features.backbone import keras_network, pooled
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors, Weights, digest, from_file

SUMMARY = "VGG16, ImageNet, convolutions only"
LICENCE = "weights: Visual Geometry Group, University of Oxford, CC BY 4.0"
LAYERS = tuple(f"block{block}_pool" for block in range(1, 6))
DEFAULT_LAYERS = ("block3_pool", "block4_pool", "block5_pool")
HEAD_LAYER = "block3_pool+block4_pool"
DEFAULT_SIZE = 80
POOLINGS = ("grid2", "avg", "max", "flatten")
WEIGHTS = ("imagenet", "keras")

# Blocks of 3 x 3 convolutions: how many, and how many filters.
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
BGR_MEAN = (103.939, 116.779, 123.68)  # of ImageNet, subtracted after the channels were turned round

# The carried file: the published tensors rounded to float16, hashed as float32 again.
CARRIED = "vgg16_imagenet.npz"
CARRIED_SHA256 = "b436d216aaced47ce93513eba2f17a8ed7efe26c68eaa1a88f16821abbbc35f6"

# Keras' official file, with the published float32 tensors.
OFFICIAL_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
OFFICIAL_MD5 = "6d6bbae143d832006294945121d1f1fc"
OFFICIAL_SHA256 = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"
OFFICIAL_MEGABYTES = 59


def shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor, in the network's order, kernel before bias."""
    found: dict[str, tuple[int, ...]] = {}
    channels = 3
    for block, (n, filters) in enumerate(BLOCKS, 1):
        for i in range(1, n + 1):
            found[f"block{block}_conv{i}/kernel"] = (3, 3, channels, filters)
            found[f"block{block}_conv{i}/bias"] = (filters,)
            channels = filters
    return found


def weights(source: str = "imagenet") -> Weights:
    """Find the weights.

    Parameters
    ----------
    source : {'imagenet', 'keras'} or path
        ``'imagenet'``: carried by the package, in float16. ``'keras'``: the official file, downloaded
        once into the cache folder. Else a file of the user's.

    Returns
    -------
    Weights

    Raises
    ------
    StorageError
        If the official file cannot be downloaded.
    DamagedFile
        If what was downloaded is not the published network.
    """
    if source == "imagenet":
        return Weights("imagenet", CARRIED_SHA256, _carried)
    if source == "keras":
        official = from_file(_download(), shapes())
        if official.sha256 != OFFICIAL_SHA256:
            raise DamagedFile(f"The file from {OFFICIAL_URL} does not hold the published VGG16.")
        return Weights("keras", official.sha256, official.read)
    return from_file(source, shapes())


def load(recipe: Recipe, weights: Weights, engine: Engine, batch_size: int) -> Run:
    """Make the network ready; see ``facefeat.features.backbone.Backbone``."""
    return engine.load(network(recipe, weights, batch_size))


def network(recipe: Recipe, weights: Weights, batch_size: int) -> Network:
    """Describe the network; see ``facefeat.features.backbone.Backbone``."""
    return keras_network(recipe, lambda: build(recipe, weights.read()), batch_size)


def build(recipe: Recipe, tensors: Tensors) -> Any:
    """Build the Keras model: raw RGB in, one row a layer out.

    Parameters
    ----------
    recipe : Recipe
        Its layers, pooling and input size.
    tensors : dict of str to ndarray

    Returns
    -------
    keras.Model
        Input of shape (n, size, size, 3), 0 to 255, RGB; one output of shape (n, d) a layer. What lies
        behind the last layer is not built.
    """
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    layers = keras.layers
    inputs = keras.Input((recipe.input_size, recipe.input_size, 3), name="rgb")
    x = keras.ops.flip(inputs, axis=-1) - np.array(BGR_MEAN, np.float32)
    outputs = []
    for block, (n, filters) in enumerate(BLOCKS, 1):
        for i in range(1, n + 1):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv{i}")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        if f"block{block}_pool" in recipe.layers:
            outputs.append(pooled(x, recipe.pooling))
        if f"block{block}_pool" == recipe.layers[-1]:
            break
    model = keras.Model(inputs, outputs)
    for layer in model.layers:
        if f"{layer.name}/kernel" in tensors:
            layer.set_weights([tensors[f"{layer.name}/kernel"], tensors[f"{layer.name}/bias"]])
    return model


def _carried() -> Tensors:
    with as_file(files(__package__) / CARRIED) as path, np.load(path, allow_pickle=False) as arrays:
        tensors = {name: arrays[name].astype(np.float32) for name in shapes()}
    if digest(tensors.values()) != CARRIED_SHA256:
        raise DamagedFile(f"The package's own {CARRIED} is damaged; install facefeat again.")
    return tensors


def _download() -> str:
    from facefeat.engines.keras import import_keras
    from facefeat.engines.openvino import cache_folder

    name = OFFICIAL_URL.rpartition("/")[2]
    try:
        path: str = import_keras().utils.get_file(
            name, OFFICIAL_URL, file_hash=OFFICIAL_MD5, cache_dir=cache_folder(), cache_subdir="weights"
        )
    except Exception as error:  # urllib, sockets and Keras each raise their own
        raise StorageError(
            f"{OFFICIAL_URL} ({OFFICIAL_MEGABYTES} MB, MD5 {OFFICIAL_MD5}) cannot be downloaded. Fetch it elsewhere "
            f"and put it at {cache_folder() / 'weights' / name}, or give it as --weights FILE."
        ) from error
    return path
