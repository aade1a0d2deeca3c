"""Nearest neighbours by cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facefeat.heads import _applied, _layers, _lists
from facefeat.heads._fitted import check_array, check_attributes
from facefeat.heads._lists import Searched
from facefeat.heads._scaling import TRUSTED as _SCALING
from facefeat.heads._scaling import check_rows, check_scaling, scaled

if TYPE_CHECKING:
    from facefeat.heads._space import Space

SUMMARY = "nearest neighbours, cosine (needs no training; every picture is kept)"
GRID: dict[str, list[Any]] = {"n_neighbors": [1, 3, 5]}
APPLIED = _applied.KNeighborsClassifier
TRUSTED = (*_SCALING, *_lists.TRUSTED)

__all__ = [
    "APPLIED",
    "GRID",
    "SUMMARY",
    "TRUSTED",
    "build",
    "check_fitted",
    "cost",
    "fit_shared",
    "in_features",
    "in_layers",
    "searched",
]


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


def fit_shared(classifier: Any, space: Space) -> Any:
    """Fit in coordinates that heads share; see ``facefeat.learn.head.Head``."""
    return classifier.fit(space.rows, space.labels)


def in_features(classifier: Any, space: Space) -> None:
    """Give a head that was fitted in shared coordinates back to the features; see ``facefeat.learn.head.Head``."""
    classifier.fit(space.scaled(space.train), space.labels)


def searched(classifier: Any) -> Searched:
    """Say what is looked for: the rows nearest to a face's; see ``facefeat.learn.search.SearchingHead``."""
    kept = classifier._fit_X
    return Searched(lambda rows: _applied.unit(kept[rows]), len(kept), classifier.n_neighbors)


def in_layers(classifier: Any, rows: Any) -> Any:
    """Write the fitted classifier in layers; see ``facefeat.learn.head.Head``."""
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    ops, kept = keras.ops, classifier._fit_X
    lengths = np.linalg.norm(kept, axis=1, keepdims=True)
    cosines = _layers.dense(_layers.unit(rows), (kept / np.where(lengths > 0, lengths, 1)).T)
    nearest, which = ops.top_k(cosines, classifier.n_neighbors)
    people = keras.layers.Embedding(len(kept), len(classifier.classes_), dtype="float32")
    votes = _layers.weighted(people, which, [np.eye(len(classifier.classes_), dtype=np.float32)[classifier._y]])
    if classifier.weights == "distance":
        votes = votes * ops.expand_dims(_weights(ops, ops.clip(1 - nearest, 0, 2)), -1)
    votes = ops.sum(votes, axis=1)
    return votes / ops.sum(votes, axis=1, keepdims=True)


def _weights(ops: Any, distances: Any) -> Any:
    """Weigh neighbours in layers; those at no distance count alone."""
    same = ops.cast(distances <= 0, "float32")
    return ops.where(ops.max(same, axis=1, keepdims=True) > 0, same, 1 / (distances + same))


def cost(n_images: int, n_features: int, n_people: int) -> float:
    """Estimate the seconds of a fold; see ``facefeat.learn.head.cost``."""
    return n_images**2 * (2.5e-9 + 2.5e-12 * n_features)


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
    _lists.check_lists(getattr(neighbours, "index_", None), *X.shape)
