"""Strangers: who is held out, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facefeat.learn import openset
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.metrics import wilson
from facefeat.learn.openset import FPIRS, GRID, deal, measured
from facefeat.learn.rates import auroc, clustered, design_effect, expected_threshold
from facefeat.learn.unknown import fit_score, similarities

Table = tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int64]]


def table(n_people: int, each: int, spread: float = 0.9, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_people, dtype=np.int32), each)
    return rng.normal(size=(n_people, 20))[y] + spread * rng.normal(size=(len(y), 20)), y, np.arange(len(y))


@given(st.lists(st.integers(1, 6), min_size=3, max_size=9), st.integers(0, 5), st.data())
@settings(max_examples=60, deadline=None)
def test_nobody_is_known_and_a_stranger(counts: list[int], seed: int, data: st.DataObject) -> None:
    y = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    groups = np.array([data.draw(st.integers(0, len(y))) for _ in y], np.int64)
    found = deal(y, groups, 3, seed)
    if found is None:
        return
    for (train, test), n, part in zip(found.splits, found.n_known, found.parts, strict=True):
        known, strangers = test[:n], test[n:]
        assert set(y[train]) >= set(y[known]) and not set(y[train]) & set(y[strangers])
        assert not set(groups[train]) & (set(groups[known]) | set(groups[strangers]))
        assert len(set(y[train])) <= found.n_known_people and len(part) == len(strangers) > 0 < n
        assert all(len(set(part[y[strangers] == person])) == 1 for person in set(y[strangers]))  # whole people
    assert found.n_known_people + found.n_stranger_people == len(counts)


def test_half_of_the_people_are_strangers_and_half_of_the_pictures_train() -> None:
    _, y, groups = table(40, 10)
    found = deal(y, groups, 20)
    assert found is not None and (found.n_known_people, found.n_stranger_people) == (20, 20)
    assert [(len(train), n, len(test)) for (train, test), n in zip(found.splits, found.n_known, strict=True)] == [
        (100, 100, 300)
    ] * 20
    assert [np.bincount(np.unique(np.stack([y[test[n:]], part]), axis=1)[1]).tolist() for (_, test), n, part in
            zip(found.splits, found.n_known, found.parts, strict=True)] == [[4] * 5] * 20  # fmt: skip


@pytest.mark.parametrize(("n_people", "each"), [(2, 5), (1, 5), (4, 1)])
def test_too_few_to_hold_anybody_out(n_people: int, each: int) -> None:
    _, y, groups = table(n_people, each)
    assert deal(y, groups, 5) is None


def brute(X: NDArray[np.float64], y: NDArray[np.int32], trials: openset.Trials, rate: float) -> tuple[float, float]:
    """Count FNIR and FPIR with loops, for a head that names the nearest mean, as the score does."""
    fnirs, fpirs = [], []
    for (train, test), n, part in zip(trials.splits, trials.n_known, trials.parts, strict=True):
        people, index = np.unique(y[train], return_inverse=True)
        cosines = similarities(fit_score(X[train], index), X[test])
        best, who = cosines.max(axis=1), people[cosines.argmax(axis=1)]
        missed, passed = [], 0
        for number in set(part.tolist()):
            others = [best[n + i] for i in range(len(part)) if part[i] != number]
            threshold = expected_threshold(others, rate)
            missed.append(np.mean([not (who[i] == y[test[i]] and best[i] >= threshold) for i in range(n)]))
            passed += sum(best[n + i] >= threshold for i in range(len(part)) if part[i] == number)
        fnirs.append(np.mean(missed))
        fpirs.append(passed / len(part))
    return float(np.mean(fnirs)), float(np.mean(fpirs))


def test_rates_are_those_that_are_counted() -> None:
    X, y, groups = table(40, 10)
    trials = deal(y, groups, 3)
    assert trials is not None
    results = cross_validate(X, y, trials.splits, [Trial("prototype")], 1)
    (found,) = measured(X, y, trials, results, 1)
    assert found is not None
    for rate in FPIRS:
        rates = found.rates[rate]
        assert rates is not None
        fnir, fpir = brute(X, y, trials, rate)
        assert rates.fnir.mean == pytest.approx(fnir, abs=1e-9) and rates.fpir.mean == pytest.approx(fpir, abs=1e-9)
        assert rates.fnir.low <= fnir <= rates.fnir.high and rates.fpir.low <= fpir <= rates.fpir.high


def test_the_curve_and_the_area_are_those_of_the_scores() -> None:
    X, y, groups = table(12, 8)
    trials = deal(y, groups, 2)
    assert trials is not None
    (found,) = measured(X, y, trials, cross_validate(X, y, trials.splits, [Trial("prototype")], 1), 1)
    assert found is not None and len(found.det) == len(GRID) and found.det[-1] <= found.det[0]
    areas, curves = [], []
    for (train, test), n in zip(trials.splits, trials.n_known, strict=True):
        people, index = np.unique(y[train], return_inverse=True)
        cosines = similarities(fit_score(X[train], index), X[test])
        best, right = cosines.max(axis=1), people[cosines.argmax(axis=1)] == y[test]
        areas.append(auroc(best[n:], best[:n]))
        steps = [np.inf, *sorted(best, reverse=True)]
        curves.append([
            min(1 - np.mean((right & (best >= step))[:n]) for step in steps if np.mean(best[n:] >= step) <= rate)
            for rate in GRID
        ])  # fmt: skip
    assert found.auroc.mean == pytest.approx(np.mean(areas)) and found.auroc.low <= found.auroc.mean
    np.testing.assert_allclose(found.det, np.mean(curves, axis=0), atol=1e-9)


def test_a_score_is_that_of_the_person_whom_the_head_names() -> None:
    X, y, groups = table(6, 6)
    trials = deal(y, groups, 1)
    assert trials is not None
    (train, test), n = trials.splits[0], trials.n_known[0]
    people = np.unique(y[train])
    wrong = Outcome(np.full(len(test), people[0], np.int32), np.zeros(0, np.int32), np.zeros((0, 3), np.float32), 0, 0)
    (scores,) = openset.scores_as_named(X, y, trials.splits, [[wrong]], 1)[0]
    cosines = similarities(fit_score(X[train], np.searchsorted(people, y[train])), X[test])
    np.testing.assert_allclose(scores, cosines[:, 0], atol=1e-6)
    assert n < len(test)


def test_too_few_strangers_give_no_number() -> None:
    X, y, groups = table(10, 6)  # 60 pictures cannot tell a rate of 1 % from none, but one of 10 %
    trials = deal(y, groups, 5)
    assert trials is not None
    (found,) = measured(X, y, trials, cross_validate(X, y, trials.splits, [Trial("lda")], 1), 1)
    assert found is not None and found.rates[0.01] is None and found.rates[0.1] is not None


def test_one_stranger_cannot_choose_and_be_judged() -> None:
    X, y, groups = table(3, 60)
    trials = deal(y, groups, 5)
    assert trials is not None and trials.n_stranger_people == 1
    (found,) = measured(X, y, trials, cross_validate(X, y, trials.splits, [Trial("lda")], 1), 1)
    assert found is not None and set(found.rates.values()) == {None} and 0.5 < found.auroc.mean <= 1


def test_a_head_that_fails_is_not_measured() -> None:
    X, y, groups = table(6, 6)
    trials = deal(y, groups, 2)
    assert trials is not None
    results = cross_validate(X, y, trials.splits, [Trial("lda"), Trial("knn", {"n_neighbors": 1000})], 1)
    lda, knn = measured(X, y, trials, results, 1)
    assert lda is not None and knn is None


def test_workers_change_nothing() -> None:
    X, y, groups = table(8, 6)
    trials = deal(y, groups, 3)
    assert trials is not None
    one, two = (measured(X, y, trials, cross_validate(X, y, trials.splits, [Trial("lda")], n), n)[0] for n in (1, 2))
    assert one == two


def test_the_next_score_reaches_the_threshold_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    for rate, n in ((0.1, 19), (0.25, 40), (0.05, 200)):
        draws = rng.normal(size=(4000, n + 1))
        passed = np.mean([row[-1] >= expected_threshold(row[:-1], rate) for row in draws])
        assert passed == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / len(draws)))


def test_pictures_that_are_all_alike_count_once_a_person() -> None:
    person = np.repeat(np.arange(6), 5)
    assert design_effect(np.repeat(np.arange(6.0), 5), person) == pytest.approx(5.0)
    assert design_effect(np.zeros(30), person) == 1.0
    assert design_effect(np.arange(6.0), np.arange(6)) == 1.0
    assert design_effect(np.arange(5.0), np.zeros(5, int)) == 5.0
    rng = np.random.default_rng(0)
    assert 1 <= design_effect(rng.normal(size=3000), np.repeat(np.arange(300), 10)) < 1.3


def test_pictures_of_one_person_count_less_in_an_interval() -> None:
    person = np.repeat(np.arange(6), 5)
    alike, unlike = np.repeat(np.arange(6.0), 5), np.random.default_rng(0).normal(size=30)
    assert clustered(0.5, alike, person) == wilson(0.5, 6)
    assert clustered(0.5, unlike, np.arange(30)) == wilson(0.5, 30)
