"""Support vector machine, linear or with a radial kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facefeat.heads import _applied, _layers
from facefeat.heads._fitted import check_array, check_attributes
from facefeat.heads._scaling import TRUSTED, check_rows, check_scaling, scaled

if TYPE_CHECKING:
    from facefeat.heads._space import Space

SUMMARY = "support vector machine, linear or rbf"
RANK = 40
GRID: dict[str, list[Any]] = {"kernel": ["linear", "rbf"], "C": [0.1, 1.0, 10.0]}
APPLIED = _applied.SVC

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


def build(
    C: float = 1.0,
    kernel: Literal["linear", "rbf"] = "linear",
    gamma: float | Literal["scale", "auto"] = "scale",
    root: bool = True,
) -> Any:
    """Build the head.

    Parameters
    ----------
    C : float, default=1.0
        Cost of a training error; larger fits the training pictures more closely.
    kernel : {'linear', 'rbf'}, default='linear'
    gamma : float or {'scale', 'auto'}, default='scale'
        Width of the radial kernel.
    root : bool, default=True
        Take square roots before scaling.

    Returns
    -------
    Pipeline
    """
    from sklearn.svm import SVC

    # break_ties: otherwise predict and the decision function may name different people.
    return scaled(SVC(C=C, kernel=kernel, gamma=gamma, break_ties=True), root)


def fit_shared(classifier: Any, space: Space) -> Any:
    """Fit in coordinates that heads share; see ``facefeat.learn.head.Head``."""
    given = classifier.gamma
    if isinstance(given, str) and given in _WIDTHS:  # other coordinates are not as many
        classifier.gamma = _WIDTHS[given](space)
    try:
        return classifier.fit(space.rows, space.labels)
    finally:
        classifier.gamma = given


# What scikit-learn makes of the two names.
_WIDTHS: dict[str, Callable[[Space], float]] = {
    "scale": lambda space: 1 / (space.n_features * space.variance) if space.variance > 0 else 1.0,
    "auto": lambda space: 1 / space.n_features,
}


def in_features(classifier: Any, space: Space) -> None:
    """Give a head that was fitted in shared coordinates back to the features; see ``facefeat.learn.head.Head``."""
    classifier.shape_fit_ = (len(space.train), space.n_features)
    classifier.support_vectors_ = space.scaled(space.train[classifier.support_]).astype(np.float64)


def in_layers(classifier: Any, rows: Any) -> Any:
    """Write the fitted classifier in layers; see ``facefeat.learn.head.Head``."""
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    ops = keras.ops
    n, n_people = len(classifier.support_vectors_), len(classifier.classes_)
    whose = np.repeat(np.arange(n_people), classifier._n_support)
    # Of each support vector its coefficient against every class; libsvm leaves out its own.
    against = np.zeros((n, n_people), np.float32)
    for one in range(n_people):
        others = np.delete(np.arange(n_people), one)
        against[np.ix_(whose == one, others)] = classifier._dual_coef_[:, whose == one].T
    kernel = _kernel_in_layers(ops, classifier, rows)
    by_person = keras.layers.EinsumDense("ns,ps->nps", (n_people, n), dtype="float32")
    theirs = (whose == np.arange(n_people)[:, None]).astype(np.float32)
    sums = _layers.dense(_layers.weighted(by_person, kernel, [theirs]), against)
    first, second = np.triu_indices(n_people, 1)
    intercepts = np.zeros((n_people, n_people), np.float32)
    intercepts[first, second] = intercepts[second, first] = classifier._intercept_
    rules = sums + ops.transpose(sums, (0, 2, 1)) + intercepts
    return -rules[:, 0, 1:] if n_people == 2 else _votes_in_layers(ops, rules, n_people)


def _kernel_in_layers(ops: Any, classifier: Any, rows: Any) -> Any:
    products = _layers.dense(rows, classifier.support_vectors_.T)
    if classifier.kernel == "linear":
        return products
    squares = np.einsum("nd,nd->n", classifier.support_vectors_, classifier.support_vectors_)
    distances = ops.sum(rows * rows, axis=1, keepdims=True) + _layers.row(squares) - 2 * products
    return ops.exp(-float(classifier._gamma) * ops.maximum(distances, 0))


def _votes_in_layers(ops: Any, rules: Any, n_people: int) -> Any:
    """Count votes as ``_applied.SVC`` does; the rule of two classes stands on both sides of the diagonal."""
    above = np.triu(np.ones((n_people, n_people), np.float32), 1)
    below, side = above.T, above - above.T
    lost = ops.cast(rules < 0, "float32")
    votes = ops.sum((1 - lost) * above + lost * below, axis=2)
    sure = ops.sum(rules * side, axis=2)
    return votes + sure / (3 * (ops.abs(sure) + 1))


def cost(n_images: int, n_features: int, n_people: int) -> float:
    """Estimate the seconds of a fold: a machine for every two people; see ``facefeat.learn.head.cost``."""
    pairs, rows = n_people * (n_people - 1) / 2, 2 * n_images / n_people
    return pairs * (1e-5 + 2e-10 * rows**2 * n_features + 3e-8 * n_images)


def check_fitted(estimator: Any, X: NDArray[np.float16], y: NDArray[np.int32]) -> None:
    """Check the fitted attributes, which libsvm reads without looking; see ``facefeat.learn.head.Head``."""
    check_scaling(estimator, X.shape[1])
    machine, n_people = estimator[-1], len(estimator.classes_)
    check_attributes(machine, _sparse=False)
    support = machine.support_
    n_vectors = len(support) if isinstance(support, np.ndarray) and support.ndim == 1 else 0
    check_array(support, (n_vectors,), "support_", np.int32)
    counts = check_array(machine._n_support, (n_people,), "_n_support", np.int32)
    check_array(machine.support_vectors_, (n_vectors, X.shape[1]), "support_vectors_", np.float64)
    for name in ("_dual_coef_", "dual_coef_"):
        check_array(getattr(machine, name), (n_people - 1, n_vectors), name, np.float64)
    for name in ("_intercept_", "intercept_"):
        check_array(getattr(machine, name), (n_people * (n_people - 1) // 2,), name, np.float64)
    if type(machine._gamma) not in (int, float, np.float64) or machine._gamma < 0:
        raise ValueError("its _gamma is no width of a kernel")
    for name in ("_probA", "_probB"):
        check_array(getattr(machine, name), (0,), name, np.float64)
    if not n_vectors or counts.min() < 0 or support.min() < 0 or support.max() >= len(y):
        raise ValueError("its support_ points at pictures that are not there")
    # libsvm keeps the support vectors person by person; a sum alone could overflow to the right number.
    if not np.array_equal(np.bincount(y[support], minlength=n_people), counts) or (np.diff(y[support]) < 0).any():
        raise ValueError("its support vectors are pictures of other people")
    check_rows(estimator, machine.support_vectors_, X[support], "support_vectors_")
