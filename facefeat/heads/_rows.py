"""Rows, whole or block by block, and what the heads that facefeat wrote itself do with them first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefeat.features.store import sealed

_NUMBERS = 2**21  # of a block: 16 MB in float64
LARGE = 2**28  # bytes of a table, from which on what was read of it is let go of


class Table(Protocol):
    """An array of shape (n_rows, width), or what makes its rows when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and numbers in each."""

    def __getitem__(self, rows: slice | NDArray[np.int64], /) -> NDArray[Any]:
        """Return some rows."""


def blocks(n_rows: int, width: int, numbers: int | None = None) -> Iterator[slice]:
    """Cut rows into blocks of bounded memory, in order."""
    size = max(1, (numbers or _NUMBERS) // max(width, 1))
    yield from (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


def taken(table: NDArray[Any], rows: slice | NDArray[np.int64]) -> NDArray[Any]:
    """Copy rows of a table that may be mapped from a file; a large one does not stay in memory for it.

    Parameters
    ----------
    table : ndarray of shape (n_rows, width)
    rows : slice or ndarray of int64

    Returns
    -------
    ndarray of shape (n_taken, width)
    """
    found = np.array(table[rows])
    if table.nbytes > LARGE:
        sealed.release(table)
    return found


def training_rows(estimator: Any, X: ArrayLike, y: ArrayLike, dtype: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Check the training rows of a classifier, and set its ``classes_`` and ``n_features_in_``.

    Parameters
    ----------
    estimator : classifier
    X : array-like of shape (n_images, n_features)
    y : array-like of shape (n_images,)
    dtype : type or list of type
        Of the rows returned; the first of a list, unless they have one of the others.

    Returns
    -------
    rows : ndarray of shape (n_images, n_features)
    index : ndarray of shape (n_images,)
        Into ``classes_``.

    Raises
    ------
    ValueError
        Rows that are not finite or do not fit their labels, or fewer than two classes.
    """
    from sklearn.utils.validation import validate_data

    rows, labels = validate_data(estimator, X, y, dtype=dtype)
    estimator.classes_, index = np.unique(labels, return_inverse=True)
    require_two(estimator.classes_)
    return rows, index


def require_two(classes: NDArray[Any]) -> None:
    """Require two classes or more.

    Raises
    ------
    ValueError
    """
    if len(classes) < 2:
        raise ValueError("At least two classes are needed; there is 1 class.")
