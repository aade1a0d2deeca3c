"""A toy without weights: the face itself, shrunk. For tests, examples and as a floor for comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.engines.network import Engine, Run
from facefeat.errors import UsageError
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Weights

SUMMARY = "the face shrunk to a few grey cells; no weights, for tests"
LICENCE = "no weights"
LAYERS = ("grey4", "grey8", "grey16")
DEFAULT_LAYERS = ("grey8", "grey16")
HEAD_LAYER = "grey8"
DEFAULT_SIZE = 32
POOLINGS = ("avg", "max")
WEIGHTS = ("none",)

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def weights(source: str = "none") -> Weights:
    """Return the weights there are: none."""
    if source != "none":
        raise UsageError(f"The backbone thumb has no weights; '{source}' was given.")
    return Weights("none", "", dict)


def load(recipe: Recipe, weights: Weights, engine: Engine, batch_size: int) -> Run:
    """Make the toy ready; see ``facefeat.features.backbone.Backbone``."""

    def run(faces: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        grey = faces.astype(np.float32) @ _LUMA / np.float32(255)
        return tuple(_cells(grey, int(layer.removeprefix("grey")), recipe.pooling) for layer in recipe.layers)

    return run


def _cells(grey: NDArray[np.float32], n: int, pooling: str) -> NDArray[np.float32]:
    """Reduce (n_faces, size, size) to (n_faces, n * n), by the mean or maximum of each cell."""
    reduce = np.maximum if pooling == "max" else np.add
    edges = np.arange(n) * grey.shape[1] // n
    cells = reduce.reduceat(reduce.reduceat(grey, edges, axis=1), edges, axis=2)
    if pooling == "avg":
        sides = np.diff(edges, append=grey.shape[1]).astype(np.float32)
        cells = cells / (sides[:, None] * sides[None, :])
    return np.ascontiguousarray(cells.reshape(len(grey), -1), np.float32)
