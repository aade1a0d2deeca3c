"""What every head does to the vectors first, learned on the training rows only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._estimator import Estimator
from facefeat.heads._fitted import check_array, check_attributes

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TRUSTED = ("facefeat.heads._scaling.SignedRoot",)
BLOCK = 1024  # rows of a gallery that are looked at together

_SLACK = 1e-4  # of a scaled number, for libraries that round in another order


class SignedRoot(Estimator):
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
        roots: NDArray[Any] = np.sqrt(np.abs(X))
        np.negative(roots, out=roots, where=X < 0)
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
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    first = [("root", SignedRoot())] if root else []
    return Pipeline([*first, ("scale", StandardScaler()), ("classify", classifier)])


def check_scaling(estimator: Any, width: int) -> None:
    """Check the fitted steps before the classifier.

    Parameters
    ----------
    estimator : Pipeline
        Made by ``scaled``.
    width : int
        Number of features.

    Raises
    ------
    ValueError
    """
    for step in estimator:
        check_attributes(step, n_features_in_=width)
    scaler = estimator["scale"]
    check_array(scaler.mean_, (width,), "mean_")
    if not (check_array(scaler.scale_, (width,), "scale_") > 0).all():
        raise ValueError("its scale_ is not above zero")


def bounds(scaling: Any, X: NDArray[np.float16]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return between which numbers rows lie after scaling, if X is what rounding left of them.

    Every step keeps the order of numbers, so the bounds hold however much the scaling stretches.
    """
    vectors, half = X.astype(np.float32), np.spacing(np.abs(X)).astype(np.float32) / 2
    return scaling.transform(vectors - half), scaling.transform(vectors + half)


def check_rows(estimator: Any, rows: NDArray[Any], X: NDArray[np.float16], name: str) -> None:
    """Require that rows a classifier kept are those of a gallery, in its order.

    Raises
    ------
    ValueError
    """
    with np.errstate(all="ignore"):  # numbers from a file may be of any size
        for start in range(0, len(X), BLOCK):
            kept = rows[start : start + BLOCK]
            low, high = bounds(estimator[:-1], X[start : start + BLOCK])
            slack = _SLACK * (1 + np.abs(kept))
            if not ((low - slack <= kept) & (kept <= high + slack)).all():
                raise ValueError(f"its {name} does not hold the pictures of the gallery")
