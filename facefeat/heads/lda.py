"""Linear discriminant analysis with a shrunk within-person covariance."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from facefeat.heads._scaling import TRUSTED as _SCALING
from facefeat.heads._scaling import scaled

SUMMARY = "linear discriminant analysis, shrunk covariance (the strongest on few pictures)"
GRID: dict[str, list[Any]] = {"shrinkage": ["auto", 0.1, 0.5]}
TRUSTED = (*_SCALING, "facefeat.heads.lda.ShrunkLDA")

_TINY = 1e-10


def build(shrinkage: float | str = "auto", root: bool = True) -> Any:
    """Build the head.

    Parameters
    ----------
    shrinkage : float from 0 to 1 or 'auto', default='auto'
        ``'auto'`` is Ledoit and Wolf's.
    root : bool, default=True
        Take square roots before scaling.

    Returns
    -------
    Pipeline
    """
    return scaled(ShrunkLDA(shrinkage=shrinkage), root)


class ShrunkLDA(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Linear discriminant analysis on the pooled within-class covariance, shrunk towards its mean variance.

    scikit-learn's own shrinks each class's covariance by itself, which is not defined for a class of
    one picture and fails to factor for classes of two; here the deviations of all classes are pooled
    first. Where there are more features than rows the solution is found in the space of the rows: the
    same numbers, and no matrix of features by features.

    Parameters
    ----------
    shrinkage : float from 0 to 1 or 'auto', default='auto'
        ``'auto'`` is the estimate of O. Ledoit and M. Wolf, "A well-conditioned estimator for
        large-dimensional covariance matrices", J. Multivariate Analysis 88, 2004.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), float64
    intercept_ : ndarray of shape (n_classes,), float64
    shrinkage_ : float
        What was used.
    """

    def __init__(self, shrinkage: float | str = "auto") -> None:
        self.shrinkage = shrinkage

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn means, covariance and the linear rule.

        Parameters
        ----------
        X : array-like of shape (n_images, n_features)
        y : array-like of shape (n_images,)

        Returns
        -------
        self
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        self.classes_, index = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("At least two classes are needed; there is 1 class.")
        means = class_means(X, index, len(self.classes_))
        whitening = WithinWhitening.of(X - means[index], self.shrinkage)
        self.shrinkage_ = whitening.shrinkage
        self.coef_ = whitening.apply_inverse(means)
        self.intercept_ = -0.5 * np.einsum("kd,kd->k", means, self.coef_)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the discriminants, shape (n_images, n_classes); differences of two are log odds.

        As in scikit-learn, two classes give one column's difference, of shape (n_images,).
        """
        scores = self._discriminants(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the posterior of each class under equal priors, shape (n_images, n_classes)."""
        probabilities: NDArray[np.float64] = softmax(self._discriminants(X), axis=1)
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of the largest discriminant, shape (n_images,)."""
        best: NDArray[Any] = self.classes_[self._discriminants(X).argmax(axis=1)]
        return best

    def _discriminants(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        scores: NDArray[np.float64] = X @ self.coef_.T + self.intercept_
        return scores


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

    def _scaled(self, X: NDArray[np.float64], along: NDArray[np.float64], rest: float) -> NDArray[np.float64]:
        parts = X @ self.directions.T
        return X * rest + (parts * (along - rest)) @ self.directions


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
