"""Who comes next, how far the threshold is, and at which rank the right person stands, by numbers given by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.learn import naming
from facefeat.learn.naming import Candidate, explained, ranked


def stub(scores: Any, cosines: Any, monkeypatch: pytest.MonkeyPatch, threshold: float = 0.4) -> Any:
    """Give a model that has these numbers for the faces it is asked for."""
    numbers = np.asarray(scores, np.float64), np.asarray(cosines, np.float64), *2 * [np.empty((len(scores), 0))]
    monkeypatch.setattr(naming, "_numbers", lambda bundle, X: numbers)
    people = tuple("abcdefgh"[: numbers[0].shape[1]])
    return SimpleNamespace(people=people, threshold=SimpleNamespace(value=threshold), gallery=None)


def test_who_comes_next_is_the_highest_of_the_other_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = stub([[3, 2, 1], [3, 2, 1], [0, 0, 1]], [[0.6, 0.2, 0.3], [0.3, 0.5, 0.1], [0.1, 0.1, 0.1]], monkeypatch)
    named, _ = ranked(bundle, np.empty((3, 1)), np.array([-1, -1, -1]), 3)
    assert [one.name for one in named] == ["a", None, None]
    assert [one.runner_up for one in named] == [Candidate("c", 0.3), Candidate("b", 0.5), Candidate("a", 0.1)]
    assert [one.margin for one in named] == [pytest.approx(0.3), pytest.approx(-0.2), 0.0]
    assert [one.over_threshold for one in named] == [pytest.approx(0.2), pytest.approx(-0.1), pytest.approx(-0.3)]
    assert [candidate.name for candidate in named[0].candidates] == ["a", "b", "c"]  # as the head ranks them


def test_without_a_threshold_nothing_is_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    named, _ = ranked(stub([[1, 0]], [[0.5, 0.1]], monkeypatch, -1.0), np.empty((1, 1)), np.array([0]), 1)
    assert named[0].over_threshold is None and named[0].name == "a"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 3), min_size=4, max_size=4),
                          st.lists(st.integers(0, 3), min_size=4, max_size=4),
                          st.integers(-1, 3)), min_size=1, max_size=5))  # fmt: skip
def test_ranks_are_places_in_the_order_of_candidates(rows: list[tuple[list[int], list[int], int]]) -> None:
    scores, cosines, truth = zip(*rows, strict=True)
    with pytest.MonkeyPatch.context() as patch:
        bundle = stub(scores, np.array(cosines) / 10, patch)
        named, ranks = ranked(bundle, np.empty((len(rows), 1)), np.array(truth), 4)
    for one, rank, own in zip(named, ranks, truth, strict=True):
        order = [candidate.name for candidate in one.candidates]
        assert rank == (order.index("abcd"[own]) + 1 if own >= 0 else 0)


def test_nothing_to_explain_takes_no_gallery() -> None:
    assert explained(SimpleNamespace(), np.empty((0, 4)), [], np.empty(0, np.int64)) == []  # type: ignore[arg-type]
