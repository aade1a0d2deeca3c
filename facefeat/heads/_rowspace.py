"""More features than rows: a training set in an orthonormal basis of its rows.

Heads that depend on the inner products of the scaled rows alone give the same in any coordinates that keep those. A
basis of the training rows has far fewer numbers than there are features; whatever lies outside of it is one number
more, its length, which is all that lengths and distances need.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._covariance import WithinPersons
from facefeat.heads._rows import LARGE
from facefeat.heads._scaling import SignedRoot
from facefeat.heads._space import Space

MOST_ROWS = 4096  # of a table; with more, finding a basis takes longer than it saves

_NUMBERS = 2**19  # of a block of columns: in float64 it fits beside the processor
_DOUBTFUL = 1e-6  # of the variance over all rows
_TINY = 1e-12  # of the largest eigenvalue: what rounding leaves of none


class Vectors:
    """A table, and what is the same of it whichever of its rows train.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        It may be mapped from a file, and is read in blocks.
    """

    def __init__(self, X: NDArray[Any]) -> None:
        self.X = X
        self._lock = Lock()  # folds are worked on side by side
        self._columns: dict[bool, Columns] = {}

    def columns(self, root: bool) -> Columns:
        """Return the columns of the table, made once, with or without square roots."""
        with self._lock:
            if root not in self._columns:
                self._columns[root] = Columns(self.X, root)
            return self._columns[root]

    @property
    def is_large(self) -> bool:
        """Whether the table is one that heads should read in parts rather than hold."""
        return self.X.nbytes > LARGE and len(self.X) > MOST_ROWS

    def space(self, y: NDArray[Any], train: NDArray[np.int64], root: bool = True) -> Space:
        """Return the coordinates of a training set: a basis of its rows where that is narrower, else the features.

        Raises
        ------
        ValueError
            See ``Space``.
        """
        if len(train) < self.X.shape[1] and len(self.X) <= MOST_ROWS:
            return RowSpace(self, y, train, root)
        return Space(self.X, y, train, root)


class Columns:
    """Those columns of a table that vary, before they are scaled; a flattened layer has many that do not.

    Attributes
    ----------
    varying : ndarray of shape (n_features,), bool
    fixed : ndarray of shape (n_fixed,)
        The one value of each of the others.
    blocks : list of ndarray of shape (n, some)
        The columns that vary, in order, each less its ``centre``.
    centres, sums, squares : list of ndarray of shape (some,), float64
        Of each block: about the means over all rows, and what is left of its columns, summed, and its squares.
    """

    def __init__(self, X: NDArray[Any], root: bool) -> None:
        step = SignedRoot()
        varying, fixed = [], []
        self.blocks: list[NDArray[Any]] = []
        self.centres: list[NDArray[np.float64]] = []
        self.sums: list[NDArray[np.float64]] = []
        self.squares: list[NDArray[np.float64]] = []
        width = max(1, _NUMBERS // len(X))
        for start in range(0, X.shape[1], width):
            block = X[:, start : start + width]
            varying.append(block.max(axis=0) != block.min(axis=0))
            block = np.asarray(step.transform(block) if root else block, np.result_type(X.dtype, np.float32))
            fixed.append(block[0, ~varying[-1]])
            block = block[:, varying[-1]]
            centre = block.mean(axis=0)
            block -= centre
            exact = block.astype(np.float64)
            self.blocks.append(block)
            self.centres.append(centre.astype(np.float64))
            self.sums.append(exact.sum(axis=0))
            self.squares.append(np.square(exact).sum(axis=0))
        self.varying, self.fixed = np.concatenate(varying), np.concatenate(fixed)


class RowSpace(Space):
    """A training set in an orthonormal basis of its rows, and one coordinate for the length outside.

    The basis is known by the inner products of the rows; its vectors are never written out.

    Parameters
    ----------
    vectors : Vectors
    y, train, root
        See ``Space``.
    """

    def __init__(self, vectors: Vectors, y: NDArray[Any], train: NDArray[np.int64], root: bool = True) -> None:
        self._vectors, self._others = vectors, np.setdiff1d(np.arange(len(vectors.X)), train)
        super().__init__(vectors.X, y, train, root)

    def _fit(self) -> None:
        """Learn the scaling and the inner products of all rows of the table, a block of columns at a time."""
        n, self._columns = len(self.X), self._vectors.columns("root" in self.scaling.named_steps)
        numbers = range(len(self._columns.blocks))
        self._shifts, self._variances, self._scales = zip(*(self._moments(number) for number in numbers), strict=True)
        products, room = np.zeros((n, n)), np.empty(max(block.size for block in self._columns.blocks))
        for number, part in enumerate(self._columns.blocks):
            block = self._scaled_block(number, room[: part.size].reshape(part.shape))
            products += block @ block.T
        if not np.isfinite(np.trace(products)) or not np.isfinite(self._columns.fixed).all():
            raise ValueError("The vectors are not all finite numbers, or cannot be scaled.")
        self._set_scaling()
        self._products = products
        self._find_basis(products[np.ix_(self.train, self.train)])

    def _moments(self, number: int) -> tuple[NDArray[np.float64], ...]:
        """Return where the mean of the training rows lies in a block, their variance, and what they are scaled by.

        The rows that do not train are fewer, and are taken out of what is known of all. Where little is left of the
        variance then, rounding would be much of it: those columns are looked at again.
        """
        columns, n = self._columns, len(self.train)
        apart = columns.blocks[number][self._others].astype(np.float64)
        shift = (columns.sums[number] - apart.sum(axis=0)) / n
        variance = (columns.squares[number] - np.square(apart).sum(axis=0)) / n - shift**2
        again = variance <= _DOUBTFUL * columns.squares[number] / n
        own = columns.blocks[number][np.ix_(self.train, again)].astype(np.float64)
        shift[again], variance[again] = own.mean(axis=0), own.var(axis=0)
        # What scikit-learn's StandardScaler takes for constant.
        mean, eps = columns.centres[number] + shift, np.finfo(np.float64).eps
        constant = variance <= n * eps * variance + (n * mean * eps) ** 2
        return shift, variance, np.where(constant, 1.0, np.sqrt(variance))

    def _scaled_block(self, number: int, room: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale a block of all rows, in memory that was used before: fresh memory costs more than the scaling."""
        np.copyto(room, self._columns.blocks[number])
        room -= self._shifts[number]
        room *= 1 / self._scales[number]
        return room

    def _set_scaling(self) -> None:
        for step in self.scaling:
            step.n_features_in_ = self.n_features
        scaler = self.scaling[-1]
        scaler.n_samples_seen_ = np.float64(len(self.train))
        means = np.concatenate(self._columns.centres) + np.concatenate(self._shifts)
        scaler.mean_ = self._spread(means[None], self._columns.fixed)[0]
        scaler.var_ = self._spread(np.concatenate(self._variances)[None])[0]
        scaler.scale_ = self._spread(np.concatenate(self._scales)[None], 1.0)[0]

    def _spread(self, values: NDArray[np.float64], others: NDArray[Any] | float = 0.0) -> NDArray[np.float64]:
        """Put numbers of the columns that vary among those of the others."""
        found = np.empty((len(values), self.n_features))
        found[:, self._columns.varying], found[:, ~self._columns.varying] = values, others
        return found

    def _find_basis(self, products: NDArray[np.float64]) -> None:
        values, vectors = np.linalg.eigh(products)
        kept = values > values[-1] * _TINY
        values, vectors = values[kept], vectors[:, kept]
        self._coordinates = _widened(vectors * np.sqrt(values), np.zeros(len(vectors)))
        self.width = self._coordinates.shape[1]
        self._weights = np.zeros((len(self.X), len(values)))  # of the rows in each vector of the basis
        self._weights[self.train] = vectors / np.sqrt(values)

    @property
    def variance(self) -> float:
        """Of all numbers of the scaled features together, as scikit-learn's SVC takes it."""
        return float(np.mean(np.sum(self._coordinates**2, axis=1)) / self.n_features)  # their mean is 0

    def coordinates(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the coordinates of any rows of the table, shape (len(rows), width)."""
        inside = self._products[rows] @ self._weights
        outside = self._products[rows, rows] - np.einsum("nd,nd->n", inside, inside)
        return _widened(inside, np.sqrt(np.maximum(outside, 0)))

    def in_features(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give vectors of these coordinates as scaled features, shape (n_vectors, n_features)."""
        weights = vectors[:, :-1] @ self._weights.T
        rooms = (np.empty(block.shape) for block in self._columns.blocks)
        parts = [weights @ self._scaled_block(number, room) for number, room in enumerate(rooms)]
        return self._spread(np.concatenate(parts, axis=1))

    @property
    def streamed(self) -> NDArray[np.float64]:
        """The coordinates of the training rows; they are few numbers."""
        found: NDArray[np.float64] = self.rows
        return found

    def exceeds(self, vectors: NDArray[np.float64], bound: float) -> bool:
        """Tell whether vectors of these coordinates, given as scaled features, have a number larger in size."""
        if np.linalg.norm(vectors) > bound * np.sqrt(len(vectors) * self.n_features):
            return True  # the mean square alone is larger
        weights = (vectors[:, :-1] @ self._weights.T).astype(self._columns.blocks[0].dtype)
        total = weights.sum(axis=1)[:, None]
        for block, shift, scale in zip(self._columns.blocks, self._shifts, self._scales, strict=True):
            found = weights @ block
            found -= total * shift.astype(found.dtype)
            if (np.abs(found, out=found) > (bound * scale).astype(found.dtype)).any():
                return True
        return False

    def _rows(self) -> NDArray[np.float64]:
        return self._coordinates

    def _within(self) -> WithinPersons:
        return WithinPersons.of(self._coordinates, self.index, self.n_features)


def _widened(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([inside, outside[:, None]], axis=1)
