"""The threshold for strangers."""

from __future__ import annotations

import numpy as np
import pytest

from facefeat.heads import _rows
from facefeat.learn.unknown import choose_threshold, fit_score, similarities
from tests.heads.test_contract import toy

NAMES = tuple(f"p{i:02}" for i in range(30))


def noisy(n_people: int, each: int, spread: float, seed: int = 0):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_people, dtype=np.int32), each)
    X = rng.normal(size=(n_people, 20))[y] + spread * rng.normal(size=(len(y), 20))
    return X, y, np.arange(len(y)), NAMES[:n_people]


@pytest.mark.parametrize("fpir", [0.01, 0.1, 0.3])
def test_strangers_that_were_left_out_are_named_no_more_often_than_asked(fpir: float) -> None:
    X, y, groups, people = noisy(20, 10, 0.9)
    found = choose_threshold(X, y, groups, people, fpir=fpir)
    assert (found.fpir, found.n_people, found.n_pictures) == (fpir, 20, 200)
    assert found.fnir is not None and 0 <= found.fnir <= 1


def test_new_strangers_are_named_about_as_often_as_asked() -> None:
    X, y, groups, _ = noisy(30, 10, 0.9, seed=3)
    known = y < 20
    found = choose_threshold(X[known], y[known], groups[known], NAMES[:20], fpir=0.1)
    best = similarities(fit_score(X[known], y[known]), X[~known]).max(axis=1)
    assert np.mean(best >= found.value) <= 0.2


def test_more_strangers_allowed_means_a_lower_threshold() -> None:
    X, y, groups, people = noisy(20, 10, 0.9)
    values = [choose_threshold(X, y, groups, people, fpir=fpir).value for fpir in (0.01, 0.1, 0.5)]
    assert values[0] > values[1] > values[2]


def test_where_all_lie_apart_the_threshold_lies_between() -> None:
    X, y, groups, people = noisy(10, 10, 0.05)
    found = choose_threshold(X, y, groups, people)
    assert found.fnir == 0.0 and 0.3 < found.value < 0.95
    assert found.how == (
        "chosen on 100 pictures of 10 people, each left out in turn, for an FPIR of 1 %, midway between "
        "strangers and known faces, which lie apart; the lowest rate that 100 pictures can tell from none is 3.0 %"
    )


@pytest.mark.parametrize("d", [20, 400])
def test_workers_change_no_threshold(d: int) -> None:
    X, y, groups, people = noisy(12, 6, 0.9)
    X = np.concatenate([X] * (d // 20), axis=1)
    one, two = (choose_threshold(X, y, groups, people, workers=n) for n in (1, 2))
    assert one == two and one.n_pictures == 72


def test_blocks_change_no_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, groups, people = noisy(12, 6, 0.9)
    whole = choose_threshold(X, y, groups, people)
    monkeypatch.setattr(_rows, "_NUMBERS", 100)
    cut = choose_threshold(X, y, groups, people)
    assert (cut.fnir, cut.how) == (whole.fnir, whole.how) and cut.value == pytest.approx(whole.value, abs=1e-9)


def test_two_people_leave_nothing_to_measure() -> None:
    X, y, groups, people = noisy(2, 5, 0.5)
    found = choose_threshold(X, y, groups, people)
    assert (found.value, found.fnir, found.n_pictures) == (-1.0, None, 0)
    assert found.how == "not measurable: with 2 people nobody can be left out; so every face is given a name"


def test_single_pictures_leave_nothing_to_measure() -> None:
    X, y, groups, people = noisy(5, 1, 0.5)
    assert choose_threshold(X, y, groups, people).how == (
        "not measurable: everybody has a single picture, so nothing shows how alike pictures of one person are; "
        "so every face is given a name"
    )


def test_the_score_is_a_cosine() -> None:
    X, y = toy()
    cosines = similarities(fit_score(X, y), X)
    assert cosines.shape == (36, 3) and np.abs(cosines).max() <= 1 + 1e-9
    assert cosines.argmax(axis=1).tolist() == y.tolist()
