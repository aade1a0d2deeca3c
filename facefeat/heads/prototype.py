"""Nearest class mean by cosine, in a space where all directions vary alike within a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefeat.heads import _layers, _lists
from facefeat.heads._covariance import TRUSTED as _COVARIANCE
from facefeat.heads._covariance import WithinPersons, WithinWhitening, class_means
from facefeat.heads._estimator import Classifier, rows_of
from facefeat.heads._fitted import check_array
from facefeat.heads._lists import InvertedLists, Searched
from facefeat.heads._rows import require_two, training_rows
from facefeat.heads._scaling import TRUSTED as _SCALING
from facefeat.heads._scaling import bounds, check_scaling, scaled

if TYPE_CHECKING:
    from facefeat.heads._space import Space

SUMMARY = "nearest class mean, cosine in a whitened space"
RANK = 20
GRID: dict[str, list[Any]] = {"whiten": [True, False]}
TRUSTED = (*_SCALING, *_COVARIANCE, *_lists.TRUSTED, "facefeat.heads.prototype.PrototypeClassifier")


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


def check_fitted(estimator: Any, X: NDArray[np.float16], y: NDArray[np.int32]) -> None:
    """Check the fitted attributes, and that they are of these people; see ``facefeat.learn.head.Head``."""
    n_people, width = len(estimator.classes_), X.shape[1]
    check_scaling(estimator, width)
    fitted = estimator[-1]
    check_array(fitted.centre_, (width,), "centre_")
    toward = check_array(fitted.prototypes_, (n_people, width), "prototypes_")
    _lists.check_lists(fitted.index_, n_people, width)
    if type(fitted.whitening_) is not (WithinWhitening if fitted.whiten else type(None)):
        raise ValueError("its whitening_ is not what it was made with")
    with np.errstate(all="ignore"):  # numbers from a file may be of any size
        if fitted.whitening_ is not None:
            fitted.whitening_.check(width)
            toward = fitted.whitening_.unwhiten(toward)
        if not _are_theirs(toward, estimator[:-1], X, y):
            raise ValueError("its prototypes are not those of its people")


def _are_theirs(toward: NDArray[np.float64], scaling: Any, X: NDArray[np.float16], y: NDArray[np.int32]) -> bool:
    """Tell whether prototypes point where their people's pictures lie, as far as the rounded vectors can tell."""
    means = class_means(_Made(lambda rows: scaling.transform(X[rows].astype(np.float32)), X.shape), y)
    means -= np.bincount(y) @ means / len(y)
    doubtful = np.einsum("kd,kd->k", _unit(means), _unit(toward)) < 0.9
    if not doubtful.any():
        return True

    def blur(rows: slice | NDArray[np.int64]) -> NDArray[np.float64]:
        low, high = bounds(scaling, X[rows])
        return (high - low).astype(np.float64)

    # A mean four times as long as the bound of its error is off by no more than 15 degrees, whose cosine is 0.97.
    bound = class_means(_Made(blur, X.shape), y)
    bound += np.bincount(y) @ bound / len(y)
    plain = np.linalg.norm(means, axis=1) > 4 * np.linalg.norm(bound, axis=1)
    return not (doubtful & plain).any()


class _Made:
    """Rows that are made when they are asked for."""

    def __init__(self, make: Callable[[slice | NDArray[np.int64]], NDArray[Any]], shape: tuple[int, ...]) -> None:
        self._make, self.shape = make, shape

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        return self._make(rows)


def _unit(X: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    unit: NDArray[np.float64] = X / np.where(lengths > 0, lengths, 1)
    return unit


def fit_shared(classifier: Any, space: Space) -> Any:
    """Fit in coordinates that heads share; see ``facefeat.learn.head.Head``."""
    whitening = space.within.whitening() if classifier.whiten else None
    return classifier.fit_means(space.within.means, np.bincount(space.index), whitening, space.classes)


def in_features(classifier: Any, space: Space) -> None:
    """Give a head that was fitted in shared coordinates back to the features; see ``facefeat.learn.head.Head``."""
    classifier.centre_ = space.in_features(classifier.centre_[None])[0]
    classifier.prototypes_ = space.in_features(classifier.prototypes_)
    if classifier.whitening_ is not None:
        classifier.whitening_.directions = space.in_features(classifier.whitening_.directions)


def searched(classifier: Any) -> Searched:
    """Say what is looked for: the nearest mean; see ``facefeat.learn.search.SearchingHead``."""
    means = classifier.prototypes_
    return Searched(lambda rows: means[rows], len(means))


def in_layers(classifier: Any, rows: Any) -> Any:
    """Write the fitted classifier in layers; see ``facefeat.learn.head.Head``."""
    cosines = similarities_in_layers(classifier, rows)
    return cosines[:, 1:] - cosines[:, :1] if len(classifier.classes_) == 2 else cosines


def similarities_in_layers(classifier: Any, rows: Any) -> Any:
    """Write ``PrototypeClassifier.similarities`` in layers.

    Parameters
    ----------
    classifier : PrototypeClassifier
        Fitted.
    rows : Keras tensor of shape (n, n_features)
        Scaled.

    Returns
    -------
    Keras tensor of shape (n, n_classes), float32
    """
    moved = rows - _layers.row(classifier.centre_)
    if classifier.whitening_ is not None:
        moved = _layers.whitened(classifier.whitening_, moved)
    return _layers.dense(_layers.unit(moved), classifier.prototypes_.T)


class PrototypeClassifier(Classifier):
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
    index_ : InvertedLists or None
        Of the prototypes, where they are very many; the cosine to one that is not looked at is the mean of its list.
    """

    index_: InvertedLists | None = None

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
        rows, index = training_rows(self, X, y, [np.float64, np.float32])
        if not self.whiten:
            return self.fit_means(class_means(rows, index), np.bincount(index), None, self.classes_)
        within = WithinPersons.of(rows, index)
        return self.fit_means(within.means, np.bincount(index), within.whitening(), self.classes_)

    def fit_means(
        self,
        means: NDArray[np.float64],
        counts: NDArray[np.intp],
        whitening: WithinWhitening | None,
        classes: NDArray[Any],
    ) -> Self:
        """Learn from means that were found already.

        Parameters
        ----------
        means : ndarray of shape (n_classes, n_features)
        counts : ndarray of shape (n_classes,)
            Rows behind each mean.
        whitening : WithinWhitening or None
        classes : ndarray of shape (n_classes,)

        Returns
        -------
        self
        """
        require_two(classes)
        vars(self).pop("index_", None)
        self.classes_, self.n_features_in_ = classes, means.shape[1]
        self.whitening_ = whitening
        self.centre_ = counts @ means / counts.sum()
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
        return self.cosines(self.directions(rows_of(self, X, np.float64)))

    def cosines(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what ``similarities`` does, of rows whose directions are there already."""
        if self.index_ is None:
            cosines: NDArray[np.float64] = directions @ self.prototypes_.T
            return cosines
        means = self.index_.means(directions).astype(np.float64)
        found: NDArray[np.float64] = self.index_.spread(means)
        for row, toward, mean in zip(found, directions, means, strict=True):
            which = self.index_.candidates(mean)
            row[which] = self.prototypes_[which] @ toward
        return found

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of the nearest mean, shape (n_images,)."""
        nearest: NDArray[Any] = self.classes_[self.similarities(X).argmax(axis=1)]
        return nearest

    def directions(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each row's whitened direction from the centre: unit vectors of shape (n_images, n_features)."""
        return _unit(self._whitened(X - self.centre_))

    def lengths(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far each row lies from the centre after whitening, shape (n_images,); 1 for one that is there."""
        lengths = np.linalg.norm(self._whitened(X - self.centre_), axis=1)
        found: NDArray[np.float64] = np.where(lengths > 0, lengths, 1)
        return found

    def cosines_to(
        self, direction: NDArray[np.float64], X: NDArray[np.float64], lengths: NDArray[np.floating[Any]]
    ) -> NDArray[np.float64]:
        """Return the cosine of one direction to rows whose lengths are known, shape (n_images,): none of them is whitened."""
        # Whitening is symmetric, so the direction is whitened in place of the rows.
        cosines: NDArray[np.float64] = (X - self.centre_) @ self._whitened(direction[None])[0] / lengths
        return cosines

    def _whitened(self, moved: NDArray[np.float64]) -> NDArray[np.float64]:
        return moved if self.whitening_ is None else self.whitening_.whiten(moved)


APPLIED = PrototypeClassifier
