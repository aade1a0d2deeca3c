"""Nearest neighbours by cosine."""

from __future__ import annotations

from typing import Any, Literal

from facefeat.heads._scaling import TRUSTED, scaled

SUMMARY = "nearest neighbours, cosine (needs no training; every picture is kept)"
GRID: dict[str, list[Any]] = {"n_neighbors": [1, 3, 5]}

__all__ = ["GRID", "SUMMARY", "TRUSTED", "build"]


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
