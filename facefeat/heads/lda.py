"""Linear discriminant analysis with a shrunk within-person covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefeat.heads._covariance import WithinPersons
from facefeat.heads._estimator import Classifier, rows_of, softmax
from facefeat.heads._fitted import check_array
from facefeat.heads._layers import dense
from facefeat.heads._rows import require_two, training_rows
from facefeat.heads._scaling import TRUSTED as _SCALING
from facefeat.heads._scaling import check_scaling, scaled

if TYPE_CHECKING:
    from facefeat.heads._space import Space

SUMMARY = "linear discriminant analysis, shrunk covariance"
RANK = 10
GRID: dict[str, list[Any]] = {"shrinkage": ["auto", 0.1, 0.5]}
TRUSTED = (*_SCALING, "facefeat.heads.lda.ShrunkLDA")


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


def check_fitted(estimator: Any, X: NDArray[np.float16], y: NDArray[np.int32]) -> None:
    """Check the fitted attributes; see ``facefeat.learn.head.Head``."""
    check_scaling(estimator, X.shape[1])
    check_array(estimator[-1].coef_, (len(estimator.classes_), X.shape[1]), "coef_")
    check_array(estimator[-1].intercept_, (len(estimator.classes_),), "intercept_")


def fit_shared(classifier: Any, space: Space) -> Any:
    """Fit in coordinates that heads share; see ``facefeat.learn.head.Head``."""
    return classifier.fit_within(space.within, space.classes)


def in_features(classifier: Any, space: Space) -> None:
    """Give a head that was fitted in shared coordinates back to the features; see ``facefeat.learn.head.Head``."""
    classifier.coef_ = space.in_features(classifier.coef_)


def in_layers(classifier: Any, rows: Any) -> Any:
    """Write the fitted classifier in layers; see ``facefeat.learn.head.Head``."""
    coef, intercept = classifier.coef_, classifier.intercept_
    if len(coef) == 2:
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    return dense(rows, coef.T, intercept)


class ShrunkLDA(Classifier):
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
        rows, index = training_rows(self, X, y, [np.float64, np.float32])
        return self.fit_within(WithinPersons.of(rows, index), self.classes_)

    def fit_within(self, within: WithinPersons, classes: NDArray[Any]) -> Self:
        """Learn the linear rule from rows that were decomposed already.

        Parameters
        ----------
        within : WithinPersons
        classes : ndarray of shape (n_classes,)

        Returns
        -------
        self
        """
        require_two(classes)
        whitening = within.whitening(self.shrinkage)
        self.classes_, self.n_features_in_ = classes, within.means.shape[1]
        self.shrinkage_ = whitening.shrinkage
        self.coef_ = whitening.apply_inverse(within.means)
        self.intercept_ = -0.5 * np.einsum("kd,kd->k", within.means, self.coef_)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the discriminants, shape (n_images, n_classes); differences of two are log odds.

        As in scikit-learn, two classes give one column's difference, of shape (n_images,).
        """
        scores = self._discriminants(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the posterior of each class under equal priors, shape (n_images, n_classes)."""
        probabilities: NDArray[np.float64] = softmax(self._discriminants(X))
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of the largest discriminant, shape (n_images,)."""
        best: NDArray[Any] = self.classes_[self._discriminants(X).argmax(axis=1)]
        return best

    def _discriminants(self, X: ArrayLike) -> NDArray[np.float64]:
        rows = rows_of(self, X, np.float64)
        scores: NDArray[np.float64] = rows @ self.coef_.T + self.intercept_
        return scores


APPLIED = ShrunkLDA
