"""What every head does to the vectors first, learned on the training rows only."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

TRUSTED = ("facefeat.heads._scaling.SignedRoot",)


class SignedRoot(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Take the square root of each number's size and keep its sign.

    Pooled activations after a ReLU are many small and few large numbers; their roots are nearer to the
    normal distribution that linear methods expect.
    """

    def fit(self, X: NDArray[Any], y: object = None) -> Self:
        """Learn nothing but the number of features."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return an array of the same shape and dtype."""
        roots: NDArray[Any] = np.copysign(np.sqrt(np.abs(X)), X)
        return roots


def scaled(classifier: Any, root: bool = True) -> Pipeline:
    """Put the scaling before a classifier: square roots, then zero mean and unit variance by feature.

    Parameters
    ----------
    classifier : estimator
    root : bool, default=True
        Whether square roots are taken first.

    Returns
    -------
    Pipeline
    """
    first = [("root", SignedRoot())] if root else []
    return Pipeline([*first, ("scale", StandardScaler()), ("classify", classifier)])
