"""Figures of merit against published values, scikit-learn and hand-worked cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from facefeat.learn.metrics import balanced_accuracy, macro_f1, wilson


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17, 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_the_published_one(k: int, n: int, low: float, high: float) -> None:
    found = wilson(k / n, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_nothing_tested_is_no_figure() -> None:
    found = wilson(0.0, 0)
    assert math.isnan(found.mean) and (found.low, found.high) == (0.0, 1.0)


@given(st.integers(1, 2000), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_the_share_lies_in_its_interval(n: int, share: float) -> None:
    found = wilson(share, n)
    assert 0 <= found.low <= share + 1e-6 and share - 1e-6 <= found.high <= 1


def test_balanced_accuracy_by_hand() -> None:
    # Three of four right for 0, one of two for 1.
    assert balanced_accuracy(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])) == pytest.approx(0.625)


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_they_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, named = (np.array(column) for column in zip(*pairs, strict=True))
    people = np.unique(truth)
    expected = np.mean([np.mean(named[truth == person] == person) for person in people])
    assert balanced_accuracy(truth, named) == pytest.approx(expected)
    if set(named) <= set(truth):
        assert balanced_accuracy(truth, named) == pytest.approx(balanced_accuracy_score(truth, named))
    theirs = f1_score(truth, named, average="macro", labels=people, zero_division=0)
    assert macro_f1(truth, named) == pytest.approx(theirs)
