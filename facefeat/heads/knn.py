"""Nearest neighbours by cosine."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._fitted import check_array, check_attributes
from facefeat.heads._scaling import TRUSTED, check_rows, check_scaling, scaled

SUMMARY = "nearest neighbours, cosine (needs no training; every picture is kept)"
GRID: dict[str, list[Any]] = {"n_neighbors": [1, 3, 5]}

__all__ = ["GRID", "SUMMARY", "TRUSTED", "build", "check_fitted"]


def build(n_neighbors: int = 1, weights: Literal["uniform", "distance"] = "distance", root: bool = True) -> Any:
    """Build the head.

    Parameters
    ----------
    n_neighbors : int, default=1
    weights : {'uniform', 'distance'}, default='distance'
        Whether nearer neighbours count more.
    root : bool, default=True
        Take square roots before scaling.

    Returns
    -------
    Pipeline
    """
    from sklearn.neighbors import KNeighborsClassifier

    return scaled(KNeighborsClassifier(n_neighbors, weights=weights, metric="cosine", algorithm="brute"), root)


def check_fitted(estimator: Any, X: NDArray[np.float16], y: NDArray[np.int32]) -> None:
    """Check the fitted attributes; see ``facefeat.learn.head.Head``."""
    check_scaling(estimator, X.shape[1])
    neighbours = estimator[-1]
    # No tree: one from a file is raw memory.
    check_attributes(neighbours, _fit_method="brute", _tree=None, effective_metric_="cosine")
    check_attributes(neighbours, effective_metric_params_={}, outputs_2d_=False, n_samples_fit_=len(y))
    check_rows(estimator, check_array(neighbours._fit_X, X.shape, "_fit_X"), X, "_fit_X")
    if not np.array_equal(check_array(neighbours._y, y.shape, "_y", np.integer), y):
        raise ValueError("its pictures have other people")
