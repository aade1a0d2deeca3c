"""dlib's network made for faces: a residual network of 29 convolutions, 128 numbers a face.

Davis King trained it by a metric loss on some three million photographs of 7,485 people, so that the Euclidean
distance of two vectors tells whether they are of one person (dlib.net, ``dnn_face_recognition_ex.cpp``, where its
layers are listed). It takes chips of 150 pixels with a quarter of the face's side around it;
``facefeat.data.faces.DLIB`` places them. Its weights come with the package ``face_recognition_models``, whose own module
is never imported. They are read here and run by facefeat's engines: dlib itself takes many times as long, on one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.engines.network import Engine, Network, Run
from facefeat.errors import DamagedFile, ForeignFile, InputError, MissingExtra
from facefeat.features.backbone import keras_network
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors, Weights, digest

SUMMARY = "dlib's ResNet, made for faces; needs the extra 'dlib'"
LICENCE = "weights: Davis King, CC0 1.0"
LAYERS = ("descriptor",)
DEFAULT_LAYERS = LAYERS
HEAD_LAYER = "descriptor"
DEFAULT_SIZE = 150
SIZES = (150,)
POOLINGS = ("avg",)
WEIGHTS = ("resnet_v1",)
FACES = {"template": "dlib", "margin": 0.0}
MADE_FOR_FACES = True

# Levels of residual blocks: filters, how many blocks, and whether the first of them halves the sides.
LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
NUMBERS = 128
RGB_MEAN, RANGE = (122.782, 117.001, 104.298), 256  # what dlib's input layer takes off, and divides by

# The file that the package carries.
CARRIER, VERSION = "face_recognition_models", "0.3.0"
FILE = "dlib_face_recognition_resnet_model_v1.dat"
SHA256 = (
    "fcaa7c8107fe387b0d4c9e3260173bbe3f74e542f5d69cd223a2be3d2114b47a"  # over its tensors, as ``read`` returns them
)


def convolutions() -> Iterator[tuple[int, int, int]]:
    """Yield filters, side of the kernel and stride of each convolution, in the network's order."""
    yield LEVELS[0][0], 7, 2
    for filters, n, halves in LEVELS:
        for block in range(n):
            yield filters, 3, 2 if halves and not block else 1
            yield filters, 3, 1


def weights(source: str = "resnet_v1") -> Weights:
    """Find the weights.

    Parameters
    ----------
    source : {'resnet_v1'} or path
        ``'resnet_v1'``: from the package ``face_recognition_models``. Else a file of the user's, as dlib writes it.

    Returns
    -------
    Weights

    Raises
    ------
    MissingExtra
        If the package is not installed.
    InputError
        If there is no such file.
    ForeignFile
        If it is another network, or none.
    DamagedFile
        If it holds a number that is not finite.
    """
    if source == "resnet_v1":
        path = _carried()
        return Weights(source, SHA256, lambda: _published(path))
    path = Path(source)
    if not path.is_file():
        raise InputError(f"There is no weights file {path}; the backbone dlib knows resnet_v1, or a file like {FILE}.")
    tensors = read(path)
    return Weights("file", digest(tensors.values()), lambda: tensors, "dlib, tensors in order")


def load(recipe: Recipe, weights: Weights, engine: Engine, batch_size: int) -> Run:
    """Make the network ready; see ``facefeat.features.backbone.Backbone``."""
    return engine.load(network(recipe, weights, batch_size))


def network(recipe: Recipe, weights: Weights, batch_size: int) -> Network:
    """Describe the network; see ``facefeat.features.backbone.Backbone``."""
    return keras_network(recipe, lambda: build(recipe, weights.read()), batch_size)


def build(recipe: Recipe, tensors: Tensors) -> Any:
    """Build the Keras model: raw RGB in, the descriptor out.

    Each convolution takes in the affine layer behind it. Where a block halves the sides, its input is averaged by
    twos, and the smaller of the two that are added is filled with zeros, in sides and channels, as dlib does.

    Parameters
    ----------
    recipe : Recipe
        There is one layer, and one size.
    tensors : dict of str to ndarray
        As ``read`` returns them.

    Returns
    -------
    keras.Model
        Input of shape (n, 150, 150, 3), 0 to 255, RGB; output of shape (n, 128).
    """
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    layers, numbers = keras.layers, iter(range(1, 1 + sum(1 for _ in convolutions())))

    def convolved(x: Any, filters: int, side: int, stride: int) -> Any:
        name = f"conv{next(numbers)}"
        layer = layers.Conv2D(filters, side, stride, "same" if stride == 1 else "valid", name=name)
        y = layer(x)
        gamma, kernel, bias = (tensors[f"{name}/{part}"] for part in ("gamma", "kernel", "bias"))
        layer.set_weights([kernel * gamma, bias * gamma + tensors[f"{name}/beta"]])
        return y

    def residual(x: Any, filters: int, stride: int) -> Any:
        y = layers.ReLU()(convolved(x, filters, 3, stride))
        y = convolved(y, filters, 3, 1)
        if stride == 2:
            x = layers.AveragePooling2D(2)(x)
            x = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, filters - x.shape[-1])))
            y = layers.ZeroPadding2D(((0, x.shape[1] - y.shape[1]), (0, x.shape[2] - y.shape[2])))(y)
        return layers.ReLU()(layers.Add()([x, y]))

    inputs = keras.Input((DEFAULT_SIZE, DEFAULT_SIZE, 3), name="rgb")
    (filters, side, stride), *_ = convolutions()
    x = convolved((inputs - np.array(RGB_MEAN, np.float32)) / RANGE, filters, side, stride)
    x = layers.MaxPooling2D(3, 2)(layers.ReLU()(x))
    for filters, n, halves in LEVELS:
        for block in range(n):
            x = residual(x, filters, 2 if halves and not block else 1)
    pooled = layers.GlobalAveragePooling2D(dtype="float32")(x)
    last = layers.Dense(NUMBERS, use_bias=False, dtype="float32", name="descriptor")
    model = keras.Model(inputs, [last(pooled)])
    last.set_weights([tensors["descriptor/kernel"]])
    return model


def read(path: Path) -> Tensors:
    """Read the network's tensors from a file that dlib wrote.

    Layers stand in the network's order, each as its name and its tensor: of a convolution the filters, then their
    biases; of an affine layer the factors, then what is added.

    Returns
    -------
    dict of str to ndarray, float32
        ``conv1/kernel`` of shape (7, 7, 3, 32), ``conv1/bias``, ``conv1/gamma``, ``conv1/beta``, ``conv2/kernel`` and so
        on; ``descriptor/kernel`` of shape (256, 128).

    Raises
    ------
    ForeignFile
        If the layers are not those of this network.
    DamagedFile
        If a number is not finite.
    """
    data, at, channels = path.read_bytes(), 0, 3
    tensors: Tensors = {}
    try:
        for i, (filters, side, _) in enumerate(convolutions(), 1):
            kernels, at = _tensor(data, b"con_4", at)
            affine, at = _tensor(data, b"affine_", at)
            filled = kernels[:-filters].reshape(filters, channels, side, side)
            gamma, beta = affine.reshape(2, filters)
            parts = {"kernel": filled.transpose(2, 3, 1, 0), "bias": kernels[-filters:], "gamma": gamma, "beta": beta}
            tensors |= {f"conv{i}/{part}": array for part, array in parts.items()}
            channels = filters
        matrix, at = _tensor(data, b"fc_2", at, skip=2)
        tensors["descriptor/kernel"] = matrix.reshape(channels, NUMBERS)
    except (ValueError, IndexError) as error:
        raise ForeignFile(f"{path} does not hold the layers of {FILE}, as dlib writes them.") from error
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise DamagedFile(f"{path} holds numbers that are not finite.")
    return tensors


def _tensor(data: bytes, layer: bytes, at: int, skip: int = 0) -> tuple[NDArray[np.float32], int]:
    """Return the numbers of the next layer of that name, and where they end; ``skip`` integers stand before them."""
    marker = bytes([1, len(layer)]) + layer
    (*_, a, b, c, d), at = _integers(data, data.index(marker, at) + len(marker), skip + 5)
    n = prod((a, b, c, d))
    return np.frombuffer(data, "<f4", n, at).astype(np.float32), at + 4 * n


def _integers(data: bytes, at: int, n: int) -> tuple[list[int], int]:
    """Read integers as dlib writes them: how many bytes, then those, the lowest first."""
    found = []
    for _ in range(n):
        end = at + 1 + data[at]
        found.append(int.from_bytes(data[at + 1 : end], "little"))
        at = end
    return found, at


def _carried() -> Path:
    spec = find_spec(CARRIER)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("dlib", "The backbone dlib")
    return Path(spec.submodule_search_locations[0]) / "models" / FILE


def _published(path: Path) -> Tensors:
    try:
        tensors = read(path)
    except (OSError, ForeignFile, DamagedFile):
        tensors = {}
    if digest(tensors.values()) != SHA256:
        raise DamagedFile(
            f"{path} is damaged; install it again with: pip install --force-reinstall {CARRIER}=={VERSION}"
        )
    return tensors
