"""A training set, scaled once, in coordinates in which several heads are fitted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._covariance import WithinPersons
from facefeat.heads._rows import Table, blocks, taken
from facefeat.heads._scaling import scaled

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


class Space:
    """A training set in shared coordinates: here the scaled features themselves.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        A table, which may be mapped from a file; it is read in blocks.
    y : ndarray of shape (n,)
    train : ndarray of shape (n_images,)
        Rows that train.
    root : bool, default=True
        Whether square roots are taken before scaling.

    Attributes
    ----------
    labels : ndarray of shape (n_images,)
    classes : ndarray of shape (n_classes,)
    index : ndarray of shape (n_images,)
        Into ``classes``.
    n_features, width : int
        Numbers of a vector, and of its coordinates.
    scaling : Pipeline
        Fitted: the steps before the classifier.
    seconds : float
        What it took to make the space.
    ends : dict of str to ndarray
        Where an iterative fit ended, by the kind of fit; with other knobs it starts there again.

    Raises
    ------
    ValueError
        If numbers are not finite, before or after scaling.
    """

    def __init__(self, X: NDArray[Any], y: NDArray[Any], train: NDArray[np.int64], root: bool = True) -> None:
        started = time.perf_counter()
        self.X, self.y, self.train = X, y, train
        self.labels = y[train]
        self.classes, self.index = np.unique(self.labels, return_inverse=True)
        self.n_features = self.width = X.shape[1]
        self._made: dict[str, tuple[Any, float]] = {}
        self.ends: dict[str, NDArray[Any]] = {}
        self.begin()
        self.scaling: Pipeline = scaled(None, root)[:-1]
        with np.errstate(all="ignore"):  # numbers may be of any size; what comes of them is looked at
            self._fit()
        self.seconds = time.perf_counter() - started

    def _fit(self) -> None:
        """Learn the scaling, block by block."""
        root, scale = self.scaling[:-1], self.scaling[-1]
        for block in blocks(len(self.train), self.n_features):
            rows = taken(self.X, self.train[block])
            if not np.isfinite(rows).all():
                raise ValueError("The vectors are not all finite numbers.")
            scale.partial_fit(root.fit_transform(rows) if len(root) else rows)
        if not np.isfinite(scale.scale_).all():
            raise ValueError("The vectors cannot be scaled.")

    @property
    def rows(self) -> NDArray[Any]:
        """Coordinates of the training rows, shape (n_images, width)."""
        rows: NDArray[Any] = self._once(self._rows)
        return rows

    @property
    def streamed(self) -> Table:
        """The same rows, scaled block by block as they are asked for, where nobody holds them yet."""
        return self._made["_rows"][0] if "_rows" in self._made else _Scaled(self)

    @property
    def within(self) -> WithinPersons:
        """How pictures of one person differ, in these coordinates."""
        within: WithinPersons = self._once(self._within)
        return within

    @property
    def variance(self) -> float:
        """Of all numbers of the scaled features together, as scikit-learn's SVC takes it."""
        return float(np.var(self.rows, dtype=np.float64))

    def coordinates(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the coordinates of any rows of the table, shape (len(rows), width)."""
        return self.scaled(rows)

    def scaled(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return rows of the table after scaling, shape (len(rows), n_features)."""
        found: NDArray[Any] = self.scaling.transform(taken(self.X, rows))
        return found

    def in_features(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give vectors of these coordinates as scaled features, shape (n_vectors, n_features)."""
        return vectors

    def exceeds(self, vectors: NDArray[np.float64], bound: float) -> bool:
        """Tell whether vectors of these coordinates, given as scaled features, have a number larger in size."""
        return bool(np.abs(vectors).max() > bound)

    def _rows(self) -> NDArray[Any]:
        first = self.scaled(self.train[:1])
        rows = np.empty((len(self.train), self.n_features), first.dtype)
        for block in blocks(*rows.shape):
            rows[block] = self.scaled(self.train[block])
        return rows

    def _within(self) -> WithinPersons:
        return WithinPersons.of(self.streamed, self.index)

    def begin(self) -> None:
        """Begin to count what another head uses."""
        self._mine: set[str] = set()
        self._used: set[str] = set()

    def borrowed(self) -> float:
        """Return the seconds of the work, done for others before, that was used since ``begin``."""
        return self.seconds + sum(self._made[name][1] for name in self._used - self._mine)

    def _once(self, make: Callable[[], Any]) -> Any:
        """Return what is made once for all heads."""
        name = make.__name__
        if name not in self._made:
            started = time.perf_counter()
            value = make()
            self._made[name] = value, time.perf_counter() - started
            self._mine.add(name)
        self._used.add(name)
        return self._made[name][0]


class _Scaled:
    """The scaled training rows of a space, made as they are asked for."""

    def __init__(self, space: Space) -> None:
        self.space, self.shape = space, (len(space.train), space.n_features)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        return self.space.scaled(self.space.train[rows])
