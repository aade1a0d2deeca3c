"""Fitted steps as Keras layers, for a model that is written for other programs.

Matrices become weights of ``Dense`` layers and rows of numbers become constants; all are layers and operations of
Keras' own, so that whoever reads the network needs nothing of facefeat's. Everything is float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from facefeat.heads._covariance import WithinWhitening


def dense(rows: Any, kernel: ArrayLike, bias: ArrayLike | None = None, activation: str | None = None) -> Any:
    """Multiply by a kernel of shape (n_in, n_out), and add a bias of shape (n_out,)."""
    from facefeat.engines.keras import import_keras

    kernel = np.asarray(kernel, np.float32)
    layer = import_keras().layers.Dense(kernel.shape[1], activation, use_bias=bias is not None, dtype="float32")
    return weighted(layer, rows, [kernel] if bias is None else [kernel, np.asarray(bias, np.float32)])


def weighted(layer: Any, inputs: Any, weights: list[NDArray[np.float32]]) -> Any:
    """Apply a layer of these weights."""
    layer.build(inputs.shape)
    layer.set_weights(weights)
    return layer(inputs)


def row(numbers: ArrayLike) -> NDArray[np.float32]:
    """Make a constant."""
    return np.asarray(numbers, np.float32)


def scaled_rows(pipeline: Any, rows: Any) -> Any:
    """Apply the steps that ``_scaling.scaled`` puts before a classifier, rounding as they do."""
    from facefeat.engines.keras import import_keras

    steps = dict(pipeline.steps)
    if "root" in steps:
        ops = import_keras().ops
        rows = ops.sign(rows) * ops.sqrt(ops.abs(rows))
    return (rows - row(steps["scale"].mean_)) / row(steps["scale"].scale_)


def unit(rows: Any) -> Any:
    """Divide rows by their lengths, but for those of none."""
    from facefeat.engines.keras import import_keras

    return import_keras().layers.UnitNormalization(dtype="float32")(rows)


def whitened(whitening: WithinWhitening, rows: Any) -> Any:
    """Multiply rows by the inverse root of the covariance within persons."""
    rest = whitening.rest**-0.5
    if not len(whitening.variances):
        return rows * row(rest)
    along = (whitening.variances**-0.5 - rest)[:, None] * whitening.directions
    return rows * row(rest) + dense(dense(rows, whitening.directions.T), along)
