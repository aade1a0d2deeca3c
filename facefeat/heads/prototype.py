"""Nearest class mean by cosine, in a space where all directions vary alike within a person."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from facefeat.heads._covariance import TRUSTED as _COVARIANCE
from facefeat.heads._covariance import WithinWhitening, class_means
from facefeat.heads._rows import training_rows
from facefeat.heads._scaling import TRUSTED as _SCALING
from facefeat.heads._scaling import scaled

SUMMARY = "nearest class mean, cosine in a whitened space"
RANK = 20
GRID: dict[str, list[Any]] = {"whiten": [True, False]}
TRUSTED = (*_SCALING, *_COVARIANCE, "facefeat.heads.prototype.PrototypeClassifier")


def build(whiten: bool = True, root: bool = True) -> Any:
    """Build the head.

    Parameters
    ----------
    whiten : bool, default=True
        Divide by the shrunk covariance within persons first, so that what varies between pictures of one
        person counts less.
    root : bool, default=True
        Take square roots before scaling.

    Returns
    -------
    Pipeline
    """
    return scaled(PrototypeClassifier(whiten=whiten), root)


class PrototypeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify by the cosine to each class's mean.

    Parameters
    ----------
    whiten : bool, default=True
        See ``build``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    centre_ : ndarray of shape (n_features,), float64
        Mean of the training rows, from which all directions are taken.
    prototypes_ : ndarray of shape (n_classes, n_features), float64
        Unit vectors.
    whitening_ : WithinWhitening or None
    """

    def __init__(self, whiten: bool = True) -> None:
        self.whiten = whiten

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn the means.

        Parameters
        ----------
        X : array-like of shape (n_images, n_features)
        y : array-like of shape (n_images,)

        Returns
        -------
        self
        """
        rows, index = training_rows(self, X, y, np.float64)
        means = class_means(rows, index, len(self.classes_))
        self.whitening_ = WithinWhitening.of(rows - means[index]) if self.whiten else None
        self.centre_ = rows.mean(axis=0)
        self.prototypes_ = self.directions(means)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the cosine to each mean, shape (n_images, n_classes); for two classes, one difference."""
        cosines = self.similarities(X)
        return cosines[:, 1] - cosines[:, 0] if len(self.classes_) == 2 else cosines

    def similarities(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the cosine to each class's mean.

        Parameters
        ----------
        X : array-like of shape (n_images, n_features)

        Returns
        -------
        ndarray of shape (n_images, n_classes), float64
            From -1 to 1.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        cosines: NDArray[np.float64] = self.directions(rows) @ self.prototypes_.T
        return cosines

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of the nearest mean, shape (n_images,)."""
        nearest: NDArray[Any] = self.classes_[self.similarities(X).argmax(axis=1)]
        return nearest

    def directions(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each row's whitened direction from the centre: unit vectors of shape (n_images, n_features)."""
        moved = X - self.centre_
        if self.whitening_ is not None:
            moved = self.whitening_.whiten(moved)
        lengths = np.linalg.norm(moved, axis=1, keepdims=True)
        directions: NDArray[np.float64] = moved / np.where(lengths > 0, lengths, 1)
        return directions
