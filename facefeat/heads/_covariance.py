"""The covariance within persons, shrunk so that it can be inverted however few pictures there are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._fitted import check_array, is_positive

TRUSTED = ("facefeat.heads._covariance.WithinWhitening",)

_TINY = 1e-10


def class_means(X: NDArray[np.float64], index: NDArray[np.intp], n_classes: int) -> NDArray[np.float64]:
    """Return the mean of each class's rows, shape (n_classes, n_features)."""
    sums = np.zeros((n_classes, X.shape[1]))
    np.add.at(sums, index, X)
    return sums / np.bincount(index, minlength=n_classes)[:, None]


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

    @classmethod
    def of(cls, deviations: NDArray[np.float64], shrinkage: float | str = "auto") -> WithinWhitening:
        """Estimate the covariance of deviations from the class means.

        Parameters
        ----------
        deviations : ndarray of shape (n_images, n_features), float64
            All zero, as for one picture a class, gives the identity.
        shrinkage : float or 'auto'

        Returns
        -------
        WithinWhitening
        """
        n, d = deviations.shape
        if not np.any(deviations):
            return cls(np.empty((0, d)), np.empty(0), 1.0, 1.0)
        if d <= n:
            values, vectors = np.linalg.eigh(deviations.T @ deviations / n)
            directions = vectors.T
        else:
            values, vectors = np.linalg.eigh(deviations @ deviations.T / n)
            keep = values > values[-1] * _TINY
            values = values[keep]
            directions = (vectors[:, keep] / np.sqrt(values * n)).T @ deviations
        amount = ledoit_wolf(deviations, values) if shrinkage == "auto" else float(shrinkage)
        mean = values.sum() / d
        floor = mean * _TINY  # constant features: an inverse must exist without any shrinkage too
        variances = np.maximum((1 - amount) * values + amount * mean, floor)
        return cls(directions, variances, max(amount * mean, floor), amount)

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


def ledoit_wolf(deviations: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Estimate the best shrinkage, from centred rows and the eigenvalues of their covariance.

    Parameters
    ----------
    deviations : ndarray of shape (n_images, n_features), float64
    values : ndarray of shape (n_values,), float64
        Eigenvalues of ``deviations.T @ deviations / n_images``; zeros may be left out.

    Returns
    -------
    float
        From 0 to 1.
    """
    n, d = deviations.shape
    squares = float(np.sum(values**2))
    spread = squares - values.sum() ** 2 / d  # squared distance of the covariance from its shrunk target
    fourth = float(np.sum(np.einsum("nd,nd->n", deviations, deviations) ** 2))
    noise = (fourth / n - squares) / n  # how far the covariance itself is expected to be off
    return float(np.clip(noise / spread, 0, 1)) if spread > 0 else 1.0
