"""What scikit-learn asks of an estimator, and applying a fitted one, without importing scikit-learn.

That import takes longer than all the rest of naming a face, so it waits until something is fitted.
"""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Estimator:
    """An estimator whose constructor only stores its arguments."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Set some of the constructor's arguments."""
        if unknown := params.keys() - self.get_params():
            raise ValueError(f"There is no parameter {min(unknown)}.")
        vars(self).update(params)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags

        return Tags("transformer", TargetTags(required=False))


class Classifier(Estimator):
    """An estimator that tells classes apart."""

    classes_: NDArray[Any]
    n_features_in_: int

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        return Tags("classifier", TargetTags(required=True), classifier_tags=ClassifierTags())


def rows_of(estimator: Any, X: ArrayLike, dtype: Any = None) -> NDArray[Any]:
    """Check rows that a fitted estimator is applied to.

    Raises
    ------
    ValueError
        Rows of another length than it was fitted on, or numbers that are not finite.
    """
    rows = np.asarray(X, dtype)
    if rows.ndim != 2 or rows.shape[1] != estimator.n_features_in_:
        raise ValueError(f"Rows of {estimator.n_features_in_} numbers are expected.")
    if not np.isfinite(rows).all():
        raise ValueError("The rows hold NaN or infinity.")
    return rows


def softmax(scores: NDArray[Any]) -> NDArray[Any]:
    """Return the softmax of each row, as ``scipy.special.softmax`` computes it."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return shares
