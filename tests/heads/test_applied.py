"""A fitted head from a file is applied without scikit-learn, and gives what scikit-learn gives."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import scipy.special
import skops.io
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from facefeat import plugins
from facefeat.heads import _applied
from facefeat.heads._estimator import Estimator, rows_of, softmax
from facefeat.heads.lda import ShrunkLDA
from facefeat.learn import archive
from facefeat.learn import head as heads
from facefeat.learn.construct import constructed
from tests.heads.test_contract import QUICK, toy

APPLIED = [name for name in plugins.names("head") if hasattr(heads.get(name), "APPLIED")]
KNOBS: list[tuple[str, dict[str, Any]]] = [
    *((name, QUICK.get(name, {})) for name in APPLIED),
    ("dense", {"hidden": [], "epochs": 3}),
    ("knn", {"n_neighbors": 3, "weights": "uniform"}),
    ("knn", {"n_neighbors": 5}),
    ("lda", {"root": False, "shrinkage": 0.3}),
    ("logreg", {"C": 10, "root": False}),
    ("prototype", {"whiten": False}),
    ("svm", {"kernel": "rbf"}),
    ("svm", {"kernel": "rbf", "gamma": 0.01}),
]


def applied(name: str, params: dict[str, Any], fitted: Any) -> Any:
    """Write a fitted head, and read it as a bundle is read."""
    types = heads.applied_types(name, params)
    assert types is not None
    schema, arrays = archive.checked_skops(skops.io.dumps(fitted), heads.held_types(name, params), "it")
    return constructed(schema, arrays, types)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are alike through and through, and objects hold the same attributes."""
    if isinstance(one, (np.ndarray, np.generic)):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dict__"):
        # scikit-learn drops its version when it reads.
        mine, theirs = ({k: v for k, v in vars(it).items() if k != "_sklearn_version"} for it in (one, other))
        names = heads.full_name(type(one)), heads.full_name(type(other))
        return names[0] == names[1] and mine.keys() == theirs.keys() and all(same(mine[k], theirs[k]) for k in mine)
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize("n_people", [2, 5])
@pytest.mark.parametrize(("name", "params"), KNOBS)
def test_both_readers_give_the_same_attributes_and_scores(name: str, params: dict[str, Any], n_people: int) -> None:
    X, y = toy(n_people, 4, 12)
    fitted = heads.build(name, params).fit(X, y)
    mine = applied(name, params, fitted)
    theirs = skops.io.loads(skops.io.dumps(fitted), trusted=list(heads.trusted(name)))
    assert same(mine, theirs) and type(mine) is not type(theirs)
    rows = np.concatenate([X, toy(n_people, 9, 12, seed=1)[0], np.zeros((1, 12), np.float32)])
    assert np.array_equal(mine.predict(rows), theirs.predict(rows))
    scores, expected = (heads.decision_scores(one, rows) for one in (mine, theirs))
    if name == "svm":  # libsvm adds in another order
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)
        assert np.array_equal(np.argsort(scores), np.argsort(expected))
    else:
        assert np.array_equal(scores, expected) and scores.dtype == expected.dtype


@pytest.mark.parametrize("name", APPLIED)
def test_what_applies_a_head_takes_its_knobs(name: str) -> None:
    takes = inspect.signature(heads.get(name).APPLIED).parameters  # type: ignore[attr-defined]
    assert set(takes) == set(heads.knobs(name)) - {"root"}


def of(estimator: Any) -> Any:
    """Give the attributes of a fitted estimator to what applies it."""
    found = object.__new__(getattr(_applied, type(estimator).__name__))
    vars(found).update(vars(estimator))
    return found


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_neighbours_at_the_same_distance_and_at_none(n: int, weights: str) -> None:
    rng = np.random.default_rng(n)
    X = rng.integers(-1, 2, (20, 3)).astype(np.float32)  # copies, and rows of no length
    fitted = KNeighborsClassifier(n, weights=weights, metric="cosine", algorithm="brute").fit(X, np.arange(20) % 4)
    for dtype in (np.float32, np.float64):
        rows = np.concatenate([X, rng.normal(size=(9, 3))]).astype(dtype)
        assert np.array_equal(of(fitted).predict_proba(rows), fitted.predict_proba(rows))


def test_more_neighbours_than_pictures_are_refused() -> None:
    X = np.eye(4, dtype=np.float32)
    fitted = KNeighborsClassifier(5, metric="cosine", algorithm="brute").fit(X, [0, 0, 1, 1])
    with pytest.raises(ValueError, match=r"^There are not 5 neighbours\.$"):
        of(fitted).predict_proba(X)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_support_vectors_in_blocks(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = toy(6, 5, 9)
    fitted = SVC(kernel=kernel, break_ties=True).fit(X, y)
    monkeypatch.setattr(_applied, "BLOCK_NUMBERS", 7 * len(fitted.support_vectors_))
    np.testing.assert_allclose(of(fitted).decision_function(X), fitted.decision_function(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [-1.0, np.float64(-1), "1", None, True, np.ones(3)])
def test_the_width_of_a_kernel_is_a_number(width: Any) -> None:
    X, y = toy()
    fitted = heads.build("svm", {"kernel": "rbf"}).fit(X, y)
    check = heads.get("svm").check_fitted  # type: ignore[attr-defined]
    check(fitted, X.astype(np.float16), y)
    fitted[-1]._gamma = width
    with pytest.raises(ValueError, match=r"^its _gamma is no width of a kernel$"):
        check(fitted, X.astype(np.float16), y)


def test_a_person_without_support_vectors() -> None:
    rng = np.random.default_rng(0)
    machine = _applied.SVC(kernel="linear")
    vars(machine).update(classes_=np.arange(3), n_features_in_=4, _n_support=np.array([2, 0, 3], np.int32))
    machine.support_vectors_, machine._dual_coef_ = rng.normal(size=(5, 4)), rng.normal(size=(2, 5))
    machine._intercept_ = rng.normal(size=3)
    row = rng.normal(size=(1, 4))
    kernel, coefficients = (machine.support_vectors_ @ row[0]), machine._dual_coef_
    first, last = slice(0, 2), slice(2, 5)
    rules = machine._intercept_.copy()
    rules[0] += coefficients[0, first] @ kernel[first]
    rules[1] += coefficients[1, first] @ kernel[first] + coefficients[0, last] @ kernel[last]
    rules[2] += coefficients[1, last] @ kernel[last]
    sure = np.array([rules[0] + rules[1], rules[2] - rules[0], -rules[1] - rules[2]])
    signs = rules >= 0
    votes = [signs[0] + signs[1] + 0.0, signs[2] + 1.0 - signs[0], 2.0 - signs[1] - signs[2]]
    assert machine.decision_function(row)[0] == pytest.approx(votes + sure / (3 * (np.abs(sure) + 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_is_scipys(dtype: type) -> None:
    scores = (np.random.default_rng(0).normal(size=(50, 7)) * 100).astype(dtype)
    assert np.array_equal(softmax(scores), scipy.special.softmax(scores, axis=1))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (np.zeros((2, 3)), "Rows of 4 numbers are expected."),
        (np.zeros(4), "Rows of 4 numbers are expected."),
        (np.array([[0, 1, np.nan, 0]]), "The rows hold NaN or infinity."),
        (np.array([[0, 1, -np.inf, 0]]), "The rows hold NaN or infinity."),
    ],
)
def test_rows_that_do_not_fit(rows: NDArray[Any], sentence: str) -> None:
    fitted = ShrunkLDA().fit(*toy(3, 4, 4))
    with pytest.raises(ValueError) as caught:
        fitted.predict(rows)
    assert str(caught.value) == sentence
    assert rows_of(fitted, [[1, 2, 3, 4]], np.float32).dtype == np.float32


def test_an_estimator_is_one_for_scikit_learn() -> None:
    head = ShrunkLDA(shrinkage=0.5)
    assert head.get_params() == {"shrinkage": 0.5} and head.set_params(shrinkage=0.1) is head and head.shrinkage == 0.1
    assert is_classifier(head) and not is_classifier(Estimator())
    with pytest.raises(ValueError, match=r"^There is no parameter size\.$"):
        head.set_params(size=3)
