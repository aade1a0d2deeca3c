"""Heads in coordinates that they share, against the same heads fitted on the features by scikit-learn's pipeline."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from facefeat import plugins
from facefeat.heads import _rows, _rowspace
from facefeat.heads._rowspace import RowSpace, Vectors
from facefeat.heads._space import Space
from facefeat.learn import head as heads
from facefeat.learn.training import TrainingSet, scored
from tests.heads.test_contract import toy

SHARING = [name for name in plugins.names("head") if heads.shares(name)]
KNOBS: dict[str, list[dict[str, Any]]] = {
    "knn": [{}, {"n_neighbors": 2, "root": False}],
    "lda": [{}, {"shrinkage": 0.1}, {"root": False}],
    "logreg": [{}, {"C": 0.01}],
    "prototype": [{}, {"whiten": False}],
    "svm": [{}, {"kernel": "rbf"}, {"kernel": "rbf", "gamma": "auto", "C": 10.0}],
}
TRIALS = [(name, params) for name in SHARING for params in KNOBS.get(name, [{}])]

Table = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]


def test_every_linear_head_shares() -> None:
    assert SHARING == ["knn", "lda", "logreg", "prototype", "svm"]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Draw vectors, people, and rows that train and test: often fewer rows than features, people with one picture."""
    each = draw(st.lists(st.integers(1, 6), min_size=2, max_size=6))
    d = draw(st.sampled_from([3, 8, 30, 120]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    y = np.repeat(np.arange(len(each)), each).astype(np.int32)
    n_test = 12
    who = np.concatenate([y, rng.integers(0, len(each), n_test).astype(np.int32)])
    X = rng.gamma(2.0, 3.0, (len(each), d))[who] * rng.gamma(4.0, 0.25, (len(who), d))
    if draw(st.booleans()):
        X = X - 5.0
    constant = draw(st.integers(0, d - 2))
    X[:, :constant] = rng.normal(size=constant)
    if draw(st.booleans()):  # the same picture again, of the same person
        twins = rng.integers(0, len(y), 3)
        X = np.concatenate([X[twins], X])
        who, y = np.concatenate([y[twins], who]), np.concatenate([y[twins], y])
    return X.astype(np.float32), who, np.arange(len(y)), np.arange(len(y), len(who))


def named(classifier: Any, space: Space, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return whom the highest scores are of."""
    found = [scores.argmax(axis=1) for _, scores in scored(classifier, space, rows)]
    return classifier.classes_[np.concatenate(found)]


def clear(plain: Any, queries: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which rows a head names by more than rounding: equals may be taken in any order."""
    if hasattr(plain[-1], "n_neighbors"):
        n = min(plain[-1].n_samples_fit_, 1 + plain[-1].n_neighbors)
        found = NearestNeighbors(n_neighbors=n, metric="cosine", algorithm="brute").fit(plain[-1]._fit_X)
        nearest = found.kneighbors(plain[:-1].transform(queries))[0]
        return np.all(np.diff(nearest, axis=1) > 1e-5, axis=1)
    scores = np.sort(heads.decision_scores(plain, queries), axis=1)
    return scores[:, -1] - scores[:, -2] > 0.02 * (1 + np.abs(scores[:, -1]))


@pytest.mark.parametrize(("name", "params"), TRIALS)
@given(table=tables())
@settings(max_examples=15, deadline=None)
def test_a_head_names_the_same_people_in_shared_coordinates(name: str, params: dict[str, Any], table: Table) -> None:
    X, y, train, test = table
    plain = heads.build(name, params).fit(X[train], y[train])
    expected, sure = plain.predict(X[test]), clear(plain, X[test])
    unfitted = heads.build(name, params)
    space = Vectors(X).space(y, train, root="root" in unfitted.named_steps)
    inside = named(heads.fit_shared(name, unfitted[-1], space), space, test)
    given_back = TrainingSet(Vectors(X), y, train).fit(name, params).predict(X[test])
    assert inside[sure].tolist() == given_back[sure].tolist() == expected[sure].tolist()


@pytest.mark.parametrize(("name", "params"), TRIALS)
@pytest.mark.parametrize(("n_people", "each", "d"), [(4, 5, 300), (2, 6, 90), (6, 20, 40), (2, 30, 10)])
def test_a_head_that_is_given_back_is_one_of_the_features(
    name: str, params: dict[str, Any], n_people: int, each: int, d: int
) -> None:
    X, y = toy(n_people, each, d)
    plain, made = heads.build(name, params).fit(X, y), TrainingSet(Vectors(X), y).fit(name, params)
    queries, _ = toy(n_people, each, d, seed=5)
    ours, theirs = (heads.decision_scores(one, queries) for one in (made, plain))
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3 * np.abs(theirs).max())
    kept = skops.io.loads(skops.io.dumps(made), trusted=list(heads.trusted(name)))
    gallery = X.astype(np.float16)
    heads.check_fitted(name, params, kept, gallery, y)
    assert {type(value) for value in vars(made["scale"]).values()} == {
        type(value) for value in vars(plain["scale"]).values()
    }


def test_the_scaling_of_a_row_space_is_scikit_learns() -> None:
    X, y = toy(4, 5, 300)
    X[:, 7], X[:, 8] = 0.1, 0.0
    train = np.arange(0, 20, 2)
    space = Vectors(X).space(y, train)
    expected = StandardScaler().fit(np.sqrt(X[train]))
    assert isinstance(space, RowSpace)
    for name in ("mean_", "var_", "scale_"):
        np.testing.assert_allclose(getattr(space.scaling[-1], name), getattr(expected, name), rtol=1e-6, atol=1e-12)
    assert space.scaling[-1].n_samples_seen_ == expected.n_samples_seen_ == 10


def test_a_row_space_keeps_all_inner_products() -> None:
    X, y = toy(4, 5, 300)
    train, others = np.arange(0, 20, 2), np.arange(1, 20, 2)
    space = Vectors(X).space(y, train)
    scaled = [space.scaled(rows).astype(np.float64) for rows in (train, others)]
    found = [space.coordinates(rows) for rows in (train, others)]
    assert space.width == found[0].shape[1] == 10 and np.abs(found[0][:, -1]).max() < 1e-5
    np.testing.assert_allclose(found[0] @ space.rows.T, scaled[0] @ scaled[0].T, atol=1e-3)
    np.testing.assert_allclose(found[1] @ space.rows.T, scaled[1] @ scaled[0].T, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found[1], axis=1), np.linalg.norm(scaled[1], axis=1), rtol=1e-6)
    np.testing.assert_allclose(space.in_features(space.rows), scaled[0], atol=1e-4)
    assert space.variance == pytest.approx(float(np.var(scaled[0])), rel=1e-6)


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize("d", [4, 30])
def test_vectors_that_are_all_alike_do_no_harm(name: str, d: int) -> None:
    X, y = np.full((8, d), 2.5, np.float32), np.repeat(np.arange(4, dtype=np.int32), 2)
    made = TrainingSet(Vectors(X), y).fit(name)
    assert np.isfinite(heads.decision_scores(made, X)).all() and made.predict(X).tolist() == [made.predict(X)[0]] * 8


def test_columns_that_only_vary_among_the_others_do_no_harm() -> None:
    X, y = toy(4, 5, 300)
    train, others = np.arange(0, 20, 2), np.arange(1, 20, 2)
    X[train, :40] = 0
    X[train, 40:80] = 0.1
    space = Vectors(X).space(y, train)
    for name in SHARING:
        plain = heads.build(name).fit(X[train], y[train])
        inside = heads.fit_shared(name, heads.build(name)[-1], space)
        assert named(inside, space, others).tolist() == plain.predict(X[others]).tolist()
    assert space.scaling[-1].scale_[:80].tolist() == [1.0] * 80


def test_many_rows_are_scaled_but_not_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = toy(4, 5, 300)
    monkeypatch.setattr(_rowspace, "MOST_ROWS", 19)
    space = Vectors(X).space(y, np.arange(20))
    assert type(space) is Space and space.width == 300
    assert np.array_equal(space.rows, heads.build("knn").fit(X, y)[-1]._fit_X)


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize(("each", "d"), [(20, 12), (4, 150)])
def test_blocks_change_nothing(name: str, each: int, d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = toy(5, each, d)
    whole = heads.decision_scores(TrainingSet(Vectors(X), y).fit(name), X)
    monkeypatch.setattr(_rows, "_NUMBERS", 7 * 12)
    monkeypatch.setattr(_rowspace, "_NUMBERS", 7 * len(X))
    space = Vectors(X).space(y, np.arange(len(y)))
    cut = TrainingSet(Vectors(X), y).fit(name)
    np.testing.assert_allclose(heads.decision_scores(cut, X), whole, rtol=1e-4, atol=1e-4)
    inside = heads.fit_shared(name, heads.build(name)[-1], space)
    assert named(inside, space, np.arange(len(y))).tolist() == cut.predict(X).tolist()


@pytest.mark.parametrize(("n_people", "each", "d"), [(5, 8, 900), (2, 20, 900), (8, 40, 30)])
def test_logistic_regression_stops_where_scikit_learns_does(n_people: int, each: int, d: int) -> None:
    X, y = toy(n_people, each, d)
    plain = heads.build("logreg").fit(X, y)
    space = Vectors(X).space(y, np.arange(len(y)))
    found = heads.fit_shared("logreg", heads.build("logreg")[-1], space)
    optimum = LogisticRegression(max_iter=10_000, tol=1e-10).fit(space.rows.astype(np.float64), y)
    assert found.n_iter_.tolist() == plain[-1].n_iter_.tolist() and found.n_iter_ < optimum.n_iter_
    np.testing.assert_allclose(
        found.decision_function(space.coordinates(space.train)), plain.decision_function(X), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("n_people", [2, 4])
@pytest.mark.parametrize(("each", "d"), [(6, 300), (30, 10)])
def test_logistic_regression_along_a_path_ends_where_it_would_from_scratch(n_people: int, each: int, d: int) -> None:
    X, y = toy(n_people, each, d)
    X = X.astype(np.float64)  # so that the solver can go on to the end

    def fitted(space: Space, *path: float) -> Any:
        for C in path:
            classifier = heads.build("logreg", {"C": C, "max_iter": 5000})[-1].set_params(tol=1e-9)
            found = heads.fit_shared("logreg", classifier, space)
        return found

    whole = np.arange(len(y))
    along, scratch = fitted(Vectors(X).space(y, whole), 0.01, 0.1), fitted(Vectors(X).space(y, whole), 0.1)
    for name in ("coef_", "intercept_"):
        np.testing.assert_allclose(getattr(along, name), getattr(scratch, name), rtol=1e-3, atol=1e-5)
    assert along.get_params() == scratch.get_params()
    again = fitted(Vectors(X).space(y, whole), 0.1, 0.1)
    assert again.n_iter_ <= 1 < scratch.n_iter_  # it began at the end


@pytest.mark.parametrize("n_people", [2, 6])
def test_logistic_regression_of_many_people_is_the_same_in_blocks(
    n_people: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = toy(n_people, 40, 30)
    plain = heads.build("logreg").fit(X, y)
    monkeypatch.setattr("facefeat.heads._logistic.MOST_SCORES", 0)
    monkeypatch.setattr(_rows, "_NUMBERS", 100)
    made = TrainingSet(Vectors(X), y).fit("logreg")
    np.testing.assert_allclose(heads.decision_scores(made, X), heads.decision_scores(plain, X), atol=0.01)
    assert made[-1].n_iter_.tolist() == plain[-1].n_iter_.tolist()


def test_a_setting_that_scikit_learn_refuses_is_refused_in_its_words() -> None:
    X, y = toy(3, 4, 90)
    for params in ({"C": -1.0}, {"max_iter": -2}):
        with pytest.raises(ValueError, match=r"parameter of LogisticRegression must be") as caught:
            TrainingSet(Vectors(X), y).fit("logreg", params)
        with pytest.raises(ValueError, match=re.escape(str(caught.value))):
            heads.build("logreg", params).fit(X, y)


def test_too_few_steps_are_said() -> None:
    X, y = toy(3, 4, 90)
    with pytest.warns(ConvergenceWarning, match=r"^Logistic regression did not converge"):
        TrainingSet(Vectors(X), y).fit("logreg", {"max_iter": 2})


def test_what_was_made_before_is_charged_to_everybody_who_uses_it() -> None:
    X, y = toy(4, 5, 300)
    space = Vectors(X).space(y, np.arange(20))
    space.begin()
    assert space.within is space.within and space.borrowed() == space.seconds > 0  # its own work is on its own clock
    space.begin()
    assert space.borrowed() == space.seconds
    once = space.within and space.borrowed()
    assert space.within and space.borrowed() == once > space.seconds


def test_numbers_that_are_none_make_no_space() -> None:
    X, y = toy(4, 5, 300)
    X[3, 5] = np.nan
    for d in (300, 10):
        with pytest.raises(ValueError, match=r"^The vectors are not all finite numbers"):
            Vectors(X[:, :d]).space(y, np.arange(20))


@pytest.mark.parametrize("name", SHARING)
def test_the_words_for_numbers_that_are_none_are_the_heads_own(name: str) -> None:
    X, y = toy()
    X[3, 5] = np.nan
    with pytest.raises(ValueError, match=r"^Input X contains NaN"):
        TrainingSet(Vectors(X), y).fit(name)
