"""What every head promises, whoever wrote it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.base import clone

from facefeat import plugins
from facefeat.learn import head as heads

NAMES = plugins.names("head")
QUICK: dict[str, dict[str, Any]] = {"dense": {"epochs": 40, "hidden": [32], "patience": 40}}


def toy(n_people: int = 3, each: int = 12, d: int = 24, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Make vectors of people who lie apart, all numbers above zero like pooled activations."""
    rng = np.random.default_rng(seed)
    centres = rng.gamma(2.0, 3.0, (n_people, d))
    y = np.repeat(np.arange(n_people, dtype=np.int32), each)
    return (centres[y] * rng.gamma(25.0, 1 / 25, (len(y), d))).astype(np.float32), y


def built(name: str) -> Any:
    return heads.build(name, QUICK.get(name))


@pytest.fixture(scope="module", params=NAMES)
def fitted(request: pytest.FixtureRequest) -> tuple[str, Any]:
    """Give each head, fitted on ``toy()``. Not to be fitted again."""
    return request.param, built(request.param).fit(*toy())


def test_it_describes_itself(fitted: tuple[str, Any]) -> None:
    name, _ = fitted
    head = heads.get(name)
    assert head.SUMMARY and "\n" not in head.SUMMARY
    assert set(head.GRID) <= set(heads.knobs(name)) and all(head.GRID.values())
    assert all(isinstance(name, str) for name in heads.trusted(name))


def test_every_knob_has_a_default_and_a_type(fitted: tuple[str, Any]) -> None:
    signature = inspect.signature(heads.get(fitted[0]).build)
    for parameter in signature.parameters.values():
        assert parameter.default is not parameter.empty and parameter.annotation is not parameter.empty


def test_every_value_of_the_grid_is_accepted(fitted: tuple[str, Any]) -> None:
    name, _ = fitted
    for knob, values in heads.get(name).GRID.items():
        for value in values:
            heads.build(name, {knob: value})


def test_it_learns_people_who_lie_apart(fitted: tuple[str, Any]) -> None:
    X, y = toy(seed=0)
    assert np.mean(fitted[1].predict(X) == y) >= 0.9
    assert fitted[1].classes_.tolist() == [0, 1, 2] and fitted[1].n_features_in_ == 24


def test_the_largest_score_is_the_prediction(fitted: tuple[str, Any]) -> None:
    X, _ = toy(seed=0)
    scores = heads.decision_scores(fitted[1], X)
    assert scores.shape == (len(X), 3) and scores.dtype == np.float64 and np.isfinite(scores).all()
    assert fitted[1].classes_[scores.argmax(axis=1)].tolist() == fitted[1].predict(X).tolist()


def test_a_row_does_not_depend_on_the_others(fitted: tuple[str, Any]) -> None:
    X, _ = toy(seed=0)
    together = heads.decision_scores(fitted[1], X[:5])
    alone = np.concatenate([heads.decision_scores(fitted[1], X[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_a_bundle_can_hold_it(fitted: tuple[str, Any]) -> None:
    X, _ = toy(seed=3)
    again = skops.io.loads(skops.io.dumps(fitted[1]), trusted=list(heads.trusted(fitted[0])))
    assert np.array_equal(heads.decision_scores(again, X), heads.decision_scores(fitted[1], X))


@pytest.mark.parametrize("name", NAMES)
def test_fitting_twice_is_the_same(name: str) -> None:
    X, y = toy()
    first, second = built(name).fit(X, y), clone(built(name)).fit(X, y)
    assert np.array_equal(heads.decision_scores(first, X), heads.decision_scores(second, X))


@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_its_input_alone(name: str) -> None:
    X, y = toy()
    before = X.copy(), y.copy()
    built(name).fit(X, y).predict(X)
    assert np.array_equal(X, before[0]) and np.array_equal(y, before[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n_people", "each", "d"), [(2, 6, 8), (2, 2, 40), (5, 2, 8), (3, 3, 200)])
def test_it_takes_few_pictures_and_few_people(name: str, n_people: int, each: int, d: int) -> None:
    X, y = toy(n_people, each, d)
    scores = heads.decision_scores(built(name).fit(X, y), X)
    assert scores.shape == (len(X), n_people) and np.isfinite(scores).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_picture_a_person_is_enough_to_fit(name: str) -> None:
    X, y = toy(4, 1, 16)
    assert built(name).fit(X, y).predict(X).tolist() == y.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_features_that_never_change_do_no_harm(name: str) -> None:
    X, y = toy()
    X[:, :6] = 0
    X[:, 6:8] = 3.5
    assert np.mean(built(name).fit(X, y).predict(X) == y) >= 0.9


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_of_a_feature_does_not_matter(name: str) -> None:
    X, y = toy()
    other = X * np.float32(64)  # a power of two: scaling undoes it exactly
    same = built(name).fit(X, y).predict(X) == built(name).fit(other, y).predict(other)
    assert same.all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(name: str, bad: float) -> None:
    X, y = toy()
    X[3, 5] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        built(name).fit(X, y)
