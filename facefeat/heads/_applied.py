"""scikit-learn's fitted estimators applied without scikit-learn, whose import takes longer than naming a face.

A class here has the name of scikit-learn's, holds the attributes that its ``fit`` sets, under their names, and computes
the same numbers from them. Nothing is fitted here, and nothing is compiled code that trusts what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._estimator import Classifier, Estimator, rows_of
from facefeat.heads._lists import InvertedLists
from facefeat.heads._scaling import SignedRoot

BLOCK_NUMBERS = 2**24  # distances in memory at a time

_Index = NDArray[np.intp]
_Apply = Callable[[NDArray[Any]], NDArray[Any]]


class Pipeline(Estimator):
    """Steps that transform, and a classifier."""

    KEPT_AS = "sklearn.pipeline.Pipeline"

    def __init__(self, steps: list[tuple[str, Any]]) -> None:
        self.steps = steps

    def __getitem__(self, which: int | str | slice) -> Any:
        if isinstance(which, slice):
            return Pipeline(self.steps[which])
        return dict(self.steps)[which] if isinstance(which, str) else self.steps[which][1]

    @property
    def classes_(self) -> NDArray[Any]:
        """What the classifier tells apart."""
        found: NDArray[Any] = self[-1].classes_
        return found

    @property
    def n_features_in_(self) -> int:
        """How many numbers a row has."""
        return int(self[0].n_features_in_)

    @property
    def decision_function(self) -> _Apply:
        """The classifier's, where it has one, of rows as they were before the first step."""
        return self._after_steps(self[-1].decision_function)

    @property
    def predict_proba(self) -> _Apply:
        """The classifier's, where it has one, of rows as they were before the first step."""
        return self._after_steps(self[-1].predict_proba)

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the class of the largest score, shape (n_images,)."""
        apply: _Apply = getattr(self, "decision_function", None) or self.predict_proba
        scores = apply(X)
        best = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        classes: NDArray[Any] = self.classes_[best]
        return classes

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Apply all steps, each of which transforms."""
        for _, step in self.steps:
            X = step.transform(X)
        return X

    def _after_steps(self, apply: _Apply) -> _Apply:
        return lambda X: apply(self[:-1].transform(X))


class StandardScaler(Estimator):
    """Zero mean and unit variance by feature."""

    KEPT_AS = "sklearn.preprocessing._data.StandardScaler"

    mean_: NDArray[np.float64]
    scale_: NDArray[np.float64]

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return an array of the same shape, in float32 where X is, else float64."""
        dtype = np.float32 if X.dtype == np.float32 else np.float64
        rows: NDArray[Any] = (X - self.mean_.astype(dtype)) / self.scale_.astype(dtype)
        return rows


class LogisticRegression(Classifier):
    """A linear rule a class, or one for two classes."""

    KEPT_AS = "sklearn.linear_model._logistic.LogisticRegression"

    coef_: NDArray[np.floating[Any]]
    intercept_: NDArray[np.floating[Any]]

    def __init__(self, C: float = 1.0, max_iter: int = 100) -> None:
        self.C, self.max_iter = C, max_iter

    def decision_function(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the log odds, shape (n_images, n_classes); for two classes, one difference."""
        scores: NDArray[Any] = rows_of(self, X) @ self.coef_.T + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores


class KNeighborsClassifier(Classifier):
    """Nearest neighbours by cosine, all distances computed, or those to a few lists of rows."""

    KEPT_AS = "sklearn.neighbors._classification.KNeighborsClassifier"

    _fit_X: NDArray[np.floating[Any]]
    _y: NDArray[np.integer[Any]]
    index_: InvertedLists | None = None

    def __init__(self, n_neighbors: int = 5, weights: str = "uniform") -> None:
        self.n_neighbors, self.weights = n_neighbors, weights

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the share of the neighbours' votes, shape (n_images, n_classes)."""
        rows = rows_of(self, X)
        if not 1 <= self.n_neighbors <= len(self._fit_X):
            raise ValueError(f"There are not {self.n_neighbors} neighbours.")
        dtype = np.float32 if rows.dtype == self._fit_X.dtype == np.float32 else np.float64
        rows = unit(rows.astype(dtype, copy=False))
        if self.index_ is not None:
            return np.concatenate([np.empty((0, len(self.classes_))), *self._looked_up(rows, self.index_)])
        kept = unit(self._fit_X.astype(dtype, copy=False))
        return _in_blocks(rows, len(kept), lambda block: self._votes(block @ kept.T, self._y))

    def _looked_up(self, rows: NDArray[Any], index: InvertedLists) -> Iterator[NDArray[np.float64]]:
        """Yield the votes on each row of those that it may be near to."""
        for row, means in zip(rows, index.means(rows), strict=True):
            which = index.candidates(means, self.n_neighbors)
            kept = unit(self._fit_X[which].astype(rows.dtype, copy=False))
            yield self._votes((kept @ row)[None], self._y[which])

    def _votes(self, cosines: NDArray[Any], people: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        distances = np.clip(1 - cosines, 0, 2)
        which = np.arange(len(distances))[:, None]
        nearest = np.argpartition(distances, self.n_neighbors - 1, axis=1)[:, : self.n_neighbors]
        nearest = nearest[which, np.argsort(distances[which, nearest])]
        votes = np.zeros((len(distances), len(self.classes_)))
        np.add.at(votes, (which, people[nearest]), self._weights(distances[which, nearest]))
        votes /= votes.sum(axis=1, keepdims=True)
        return votes

    def _weights(self, distances: NDArray[Any]) -> NDArray[Any]:
        """Weigh neighbours; those at no distance count alone."""
        if self.weights == "uniform":
            return np.ones_like(distances)
        with np.errstate(divide="ignore"):
            weights = 1 / distances
        same = np.isinf(weights)
        return np.where(same.any(axis=1, keepdims=True), same, weights)


class SVC(Classifier):
    """Support vectors: a rule for each pair of classes, and their votes."""

    KEPT_AS = "sklearn.svm._classes.SVC"

    support_vectors_: NDArray[np.float64]
    _n_support: NDArray[np.int32]
    _dual_coef_: NDArray[np.float64]
    _intercept_: NDArray[np.float64]
    _gamma: float

    def __init__(self, C: float = 1.0, kernel: str = "rbf", gamma: float | str = "scale") -> None:
        self.C, self.kernel, self.gamma = C, kernel, gamma

    def decision_function(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return votes and, within a third of one, how sure they are: shape (n_images, n_classes).

        For two classes one number, of shape (n_images,), below zero for the first.
        """
        return _in_blocks(rows_of(self, X, np.float64), len(self.support_vectors_), self._scores)

    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        first, second = np.triu_indices(len(self.classes_), 1)
        rules = (self._rules(kernel, first, second) for kernel in self._kernel(rows))
        if len(self.classes_) == 2:
            return np.array([-rule[0] for rule in rules])
        return np.array([self._votes(rule, first, second) for rule in rules])

    def _rules(self, kernel: NDArray[np.float64], first: _Index, second: _Index) -> NDArray[np.float64]:
        """Return one number a pair of classes, below zero for the second."""
        parts = np.zeros((len(self._dual_coef_), len(self.classes_)))
        has = self._n_support > 0  # reduceat would give a class that has none the first of the next
        starts = np.cumsum(self._n_support) - self._n_support
        parts[:, has] = np.add.reduceat(self._dual_coef_ * kernel, starts[has], axis=1)
        # libsvm keeps a class's coefficients against the others in their order, the class itself left out.
        rules: NDArray[np.float64] = parts[second - 1, first] + parts[first, second] + self._intercept_
        return rules

    def _votes(self, rules: NDArray[np.float64], first: _Index, second: _Index) -> NDArray[np.float64]:
        sure = np.zeros(len(self.classes_))
        np.add.at(sure, first, rules)
        np.subtract.at(sure, second, rules)
        votes = np.bincount(np.where(rules < 0, second, first), minlength=len(sure))
        scores: NDArray[np.float64] = votes + sure / (3 * (np.abs(sure) + 1))
        return scores

    def _kernel(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        products: NDArray[np.float64] = rows @ self.support_vectors_.T
        if self.kernel == "linear":
            return products
        squares = [np.einsum("nd,nd->n", X, X) for X in (rows, self.support_vectors_)]
        distances = squares[0][:, None] + squares[1] - 2 * products
        near: NDArray[np.float64] = np.exp(-self._gamma * np.maximum(distances, 0))
        return near


def scaled(classifier: Any, root: bool) -> Pipeline:
    """Put the scaling before a classifier, as ``facefeat.heads._scaling.scaled`` does."""
    first = [("root", SignedRoot())] if root else []
    return Pipeline([*first, ("scale", StandardScaler()), ("classify", classifier)])


def _in_blocks(rows: NDArray[Any], width: int, apply: _Apply) -> NDArray[np.float64]:
    """Apply what needs so many numbers a row to some rows at a time."""
    step = max(BLOCK_NUMBERS // width, 1)
    return np.concatenate([apply(rows[start : start + step]) for start in range(0, len(rows), step)])


def unit(X: NDArray[Any]) -> NDArray[Any]:
    """Divide rows by their lengths, but for those of none."""
    lengths = np.sqrt(np.einsum("nd,nd->n", X, X))
    rows: NDArray[Any] = X / np.where(lengths < 10 * np.finfo(lengths.dtype).eps, 1, lengths)[:, None]
    return rows
