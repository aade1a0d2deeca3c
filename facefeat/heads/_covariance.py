"""The covariance within persons, shrunk so that it can be inverted however few pictures there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._fitted import check_array, is_positive
from facefeat.heads._rows import Table, blocks

TRUSTED = ("facefeat.heads._covariance.WithinWhitening",)

_TINY = 1e-10
_NOTHING = 1e-18  # of all squares: what rounding leaves where rows are alike


def class_means(rows: Table, index: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the mean of each class's rows, shape (n_classes, width); every class has a row."""
    counts = np.bincount(index)
    sums = np.zeros((len(counts), rows.shape[1]))
    for block in blocks(*rows.shape):
        # np.add.at adds the same in the same order, and takes forty times as long
        for who, row in zip(index[block].tolist(), rows[block].astype(np.float64, copy=False), strict=True):
            sums[who] += row
    return sums / counts[:, None]


@dataclass(frozen=True)
class WithinPersons:
    """How pictures of one person differ: means, and the covariance around them by its eigenvectors.

    Attributes
    ----------
    means : ndarray of shape (n_classes, width), float64
    values : ndarray of shape (n_directions,), float64
        Eigenvalues of the covariance; none where pictures of one person do not differ.
    directions : ndarray of shape (n_directions, width), float64
        Orthonormal.
    fourth : float
        Sum over the rows of the fourth power of the distance from their mean.
    n_images, n_features : int
        Rows, and numbers of a vector, which may be more than the width of rows in other coordinates.
    """

    means: NDArray[np.float64]
    values: NDArray[np.float64]
    directions: NDArray[np.float64]
    fourth: float
    n_images: int
    n_features: int

    @classmethod
    def of(cls, rows: Table, index: NDArray[np.intp], n_features: int | None = None) -> WithinPersons:
        """Decompose the covariance of rows around the mean of their class.

        Parameters
        ----------
        rows : array or Table of shape (n_images, width)
        index : ndarray of shape (n_images,)
            Class of each row; every class from 0 has one.
        n_features : int, optional
            See above; the width, unless given.

        Returns
        -------
        WithinPersons
        """
        n, width = rows.shape
        d = n_features or width
        means = class_means(rows, index)
        values, directions, fourth = (_of_rows if width > n else _of_features)(rows, index, means)
        between = np.bincount(index) @ np.einsum("kd,kd->k", means, means) / n
        if values.sum() <= _NOTHING * (values.sum() + between):  # one picture a person, or the same again
            values = values[:0]
        elif d > n:  # no more directions than rows can have
            values = values[values > values[-1] * _TINY]
        return cls(means, values, directions[len(directions) - len(values) :], fourth, n, d)

    def whitening(self, shrinkage: float | str = "auto") -> WithinWhitening:
        """Shrink the covariance towards its mean variance, and invert it.

        Parameters
        ----------
        shrinkage : float or 'auto'
            ``'auto'`` is Ledoit and Wolf's. Without any difference the identity is the answer to all.

        Returns
        -------
        WithinWhitening
        """
        amount = self._ledoit_wolf() if shrinkage == "auto" else float(shrinkage)
        if not len(self.values):
            return WithinWhitening(self.directions, self.values, 1.0, 1.0)
        mean = self.values.sum() / self.n_features
        floor = mean * _TINY  # constant features: an inverse must exist without any shrinkage too
        variances = np.maximum((1 - amount) * self.values + amount * mean, floor)
        return WithinWhitening(self.directions, variances, max(amount * mean, floor), amount)

    def _ledoit_wolf(self) -> float:
        """Estimate the best shrinkage, from 0 to 1."""
        n, squares = self.n_images, float(np.sum(self.values**2))
        # Squared distance of the covariance from its shrunk target, and how far it is expected to be off itself.
        spread = squares - self.values.sum() ** 2 / self.n_features
        noise = (self.fourth / n - squares) / n
        return float(np.clip(noise / spread, 0, 1)) if spread > 0 else 1.0


_Parts = tuple[NDArray[np.float64], NDArray[np.float64], float]


def _of_features(rows: Table, index: NDArray[np.intp], means: NDArray[np.float64]) -> _Parts:
    """Return eigenvalues, eigenvectors and fourth powers from the covariance of the features."""
    n, width = rows.shape
    scatter, fourth = np.zeros((width, width)), 0.0
    for block in blocks(n, width):
        deviations = rows[block] - means[index[block]]
        scatter += deviations.T @ deviations
        fourth += _fourth(deviations)
    values, vectors = np.linalg.eigh(scatter / n)
    return values, vectors.T, fourth


def _of_rows(rows: Table, index: NDArray[np.intp], means: NDArray[np.float64]) -> _Parts:
    """Return the same from the inner products of the rows, of which there are fewer than features."""
    n = len(index)
    deviations = rows[:n] - means[index]
    values, vectors = np.linalg.eigh(deviations @ deviations.T / n)
    kept = values > values[-1] * _TINY
    values = values[kept]
    return values, (vectors[:, kept] / np.sqrt(values * n)).T @ deviations, _fourth(deviations)


def _fourth(deviations: NDArray[np.float64]) -> float:
    return float(np.sum(np.einsum("nd,nd->n", deviations, deviations) ** 2))


class WithinWhitening:
    """The inverse of a shrunk covariance, kept as its leading directions and one variance for the rest.

    Attributes
    ----------
    directions : ndarray of shape (n_directions, n_features), float64
        Orthonormal.
    variances : ndarray of shape (n_directions,), float64
        Along the directions, shrunk.
    rest : float
        Variance along everything else.
    shrinkage : float
    """

    def __init__(
        self, directions: NDArray[np.float64], variances: NDArray[np.float64], rest: float, shrinkage: float
    ) -> None:
        self.directions, self.variances, self.rest, self.shrinkage = directions, variances, rest, shrinkage

    def apply_inverse(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Multiply rows by the inverse covariance."""
        return self._scaled(X, 1 / self.variances, 1 / self.rest)

    def whiten(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Multiply rows by the inverse root of the covariance: within a class all directions vary alike."""
        return self._scaled(X, self.variances**-0.5, self.rest**-0.5)

    def unwhiten(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Undo ``whiten``."""
        return self._scaled(X, self.variances**0.5, self.rest**0.5)

    def check(self, width: int) -> None:
        """Check attributes that come from a file.

        Raises
        ------
        ValueError
        """
        n = len(self.variances) if isinstance(self.variances, np.ndarray) and self.variances.ndim else -1
        variances = check_array(self.variances, (n,), "variances")
        check_array(self.directions, (n, width), "directions")
        if not is_positive(self.rest) or not (variances > 0).all():
            raise ValueError("its variances are not above zero")

    def _scaled(self, X: NDArray[np.float64], along: NDArray[np.float64], rest: float) -> NDArray[np.float64]:
        parts = X @ self.directions.T
        scaled: NDArray[np.float64] = X * rest + (parts * (along - rest)) @ self.directions
        return scaled
