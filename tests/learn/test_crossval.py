"""Several heads on the same folds."""

from __future__ import annotations

import numpy as np
import pytest

from facefeat import plugins
from facefeat.learn import head as heads
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.splits import folds
from tests.heads.test_contract import toy

PEOPLE = tuple(f"p{i}" for i in range(6))
SHARING = [name for name in plugins.names("head") if heads.shares(name)]


def splits_of(y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:  # type: ignore[type-arg]
    return list(folds(y, np.arange(len(y)), PEOPLE, n_folds=4).splits)


@pytest.mark.parametrize("d", [20, 400])
def test_all_heads_at_once_are_each_alone(d: int) -> None:
    X, y = toy(6, 8, d)
    X = X + np.random.default_rng(0).normal(size=X.shape).astype(np.float32) * 6
    splits = splits_of(y)
    found = cross_validate(X, y, splits, [Trial(name) for name in SHARING], 2)
    for name, outcomes in zip(SHARING, found, strict=True):
        for (train, test), outcome in zip(splits, outcomes, strict=True):
            assert isinstance(outcome, Outcome)
            assert outcome.named.tolist() == heads.build(name).fit(X[train], y[train]).predict(X[test]).tolist()
            assert outcome.fit_seconds > 0 and outcome.predict_seconds > 0


def test_workers_and_company_change_no_bit() -> None:
    X, y = toy(6, 8, 400)
    trials = [Trial("logreg"), Trial("logreg", {"C": 0.01}), Trial("lda", {"root": False}), Trial("lda")]
    one, two = (cross_validate(X, y, splits_of(y), trials, workers) for workers in (1, 2))
    alone = [cross_validate(X, y, splits_of(y), [trial], 1)[0] for trial in trials]
    for results in (two, alone):
        for before, after in zip(one, results, strict=True):
            assert [outcome.named.tolist() for outcome in before] == [outcome.named.tolist() for outcome in after]  # type: ignore[union-attr]


def test_a_knob_that_does_not_fit_fails_alone() -> None:
    X, y = toy(3, 4, 10)
    found = cross_validate(X, y, splits_of(y), [Trial("knn", {"n_neighbors": 99}), Trial("knn")], 1)
    sentence = "Expected n_neighbors <= n_samples_fit, but n_neighbors = 99, n_samples_fit = 9, n_samples = 3"
    assert found[0] == [sentence] * 4
    assert all(isinstance(outcome, Outcome) for outcome in found[1])


def test_numbers_that_are_none_fail_in_each_heads_own_words() -> None:
    X, y = toy(3, 4, 10)
    X[0, 0] = np.nan
    found = cross_validate(X, y, splits_of(y), [Trial("lda"), Trial("svm")], 1)
    for name, results in zip(("ShrunkLDA", "SVC"), found, strict=True):
        assert all(isinstance(result, str) for result in results)
        assert any(f"Input X contains NaN. {name} does not accept missing values" in str(result) for result in results)


def test_a_head_that_shares_nothing_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = toy(3, 4, 10)
    together = cross_validate(X, y, splits_of(y), [Trial("lda"), Trial("knn")], 1)
    monkeypatch.delattr("facefeat.heads.lda.fit_shared")
    told: list[tuple[str, int]] = []
    found = cross_validate(X, y, splits_of(y), [Trial("lda"), Trial("knn")], 1, lambda *what: told.append(what))
    assert told == [("knn", 0), *[("knn", 1)] * 4, ("lda", 0), ("lda", 4)]
    for before, after in zip(together, found, strict=True):
        assert [outcome.named.tolist() for outcome in before] == [outcome.named.tolist() for outcome in after]  # type: ignore[union-attr]
