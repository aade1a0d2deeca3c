"""Multinomial logistic regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads import _applied
from facefeat.heads._fitted import check_array
from facefeat.heads._layers import dense
from facefeat.heads._logistic import fit_logistic
from facefeat.heads._scaling import TRUSTED, check_scaling, scaled

if TYPE_CHECKING:
    from facefeat.heads._space import Space

SUMMARY = "logistic regression"
RANK = 30
GRID: dict[str, list[Any]] = {"C": [0.01, 0.1, 1.0, 10.0]}
APPLIED = _applied.LogisticRegression

__all__ = [
    "APPLIED",
    "GRID",
    "RANK",
    "SUMMARY",
    "TRUSTED",
    "build",
    "check_fitted",
    "cost",
    "fit_shared",
    "in_features",
    "in_layers",
]


def build(C: float = 1.0, max_iter: int = 300, root: bool = True) -> Any:
    """Build the head.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the L2 penalty.
    max_iter : int, default=300
        Of the solver, L-BFGS.
    root : bool, default=True
        Take square roots before scaling.

    Returns
    -------
    Pipeline
    """
    from sklearn.linear_model import LogisticRegression

    return scaled(LogisticRegression(C=C, max_iter=max_iter), root)


def fit_shared(classifier: Any, space: Space) -> Any:
    """Fit in coordinates that heads share; see ``facefeat.learn.head.Head``."""
    return fit_logistic(classifier, space)


def in_features(classifier: Any, space: Space) -> None:
    """Give a head that was fitted in shared coordinates back to the features; see ``facefeat.learn.head.Head``."""
    classifier.coef_ = space.in_features(classifier.coef_)


def in_layers(classifier: Any, rows: Any) -> Any:
    """Write the fitted classifier in layers; see ``facefeat.learn.head.Head``."""
    return dense(rows, classifier.coef_.T, classifier.intercept_)


def cost(n_images: int, n_features: int, n_people: int) -> float:
    """Estimate the seconds of a fold, at thirty steps; see ``facefeat.learn.head.cost``."""
    return 30 * 3.3e-11 * n_images * n_features * n_people


def check_fitted(estimator: Any, X: NDArray[np.float16], y: NDArray[np.int32]) -> None:
    """Check the fitted attributes; see ``facefeat.learn.head.Head``."""
    check_scaling(estimator, X.shape[1])
    n_rules = len(estimator.classes_) if len(estimator.classes_) > 2 else 1
    check_array(estimator[-1].coef_, (n_rules, X.shape[1]), "coef_")
    check_array(estimator[-1].intercept_, (n_rules,), "intercept_")
