"""What counts as the same answer, and what does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facefeat.learn.bundle import Bundle
from facefeat.tune.agreement import Agreement, Answers

BUNDLE = cast(Bundle, SimpleNamespace(threshold=SimpleNamespace(value=0.5)))


def said(best: int, similarity: list[float], other: list[float], name: str = "probability") -> Answers:
    return {"best": np.array([best]), "similarity": np.array([similarity]), name: np.array([other])}


def compared(found: Answers, expected: Answers, tolerance: float = 1e-3) -> Agreement:
    agreement = Agreement(tolerance)
    agreement.add(BUNDLE, found, expected)
    return agreement


def test_the_same_answers_agree() -> None:
    one = said(1, [0.1, 0.9], [0.2, 0.8])
    found = compared(one, one)
    assert (found.holds, found.n_faces, found.renamed, found.undecided, found.max_difference) == (True, 1, 0, 0, 0)


def test_the_largest_difference_counts_over_all_faces_and_outputs() -> None:
    found = Agreement(1e-3)
    expected = said(1, [0.1, 0.9], [0.2, 0.8])
    found.add(BUNDLE, said(1, [0.1, 0.9005], [0.2, 0.8]), expected)
    found.add(BUNDLE, said(1, [0.1, 0.9], [0.25, 0.75]), expected)
    assert np.isclose(found.differences["similarity"], 5e-4) and np.isclose(found.max_difference, 0.05)
    assert found.n_faces == 2 and not found.renamed and not found.holds


def test_what_is_no_number_differs() -> None:
    assert compared(said(1, [0.1, np.nan], [0.2, 0.8]), said(1, [0.1, 0.9], [0.2, 0.8])).max_difference == np.inf


def test_scores_of_a_head_are_compared_by_their_share() -> None:
    found = compared(said(1, [0.1, 0.9], [500.0, 1000.5], "score"), said(1, [0.1, 0.9], [500.0, 1000.0], "score"))
    assert np.isclose(found.max_difference, 5e-4) and found.holds


def test_another_name_is_told_from_one_that_nothing_decides() -> None:
    clear = compared(said(0, [0.9, 0.9], [0.4, 0.6]), said(1, [0.9, 0.9], [0.4, 0.6]))
    assert (clear.renamed, clear.undecided, clear.holds) == (1, 0, False)
    close = compared(said(0, [0.9, 0.9], [0.5, 0.5]), said(1, [0.9, 0.9], [0.5, 0.5]))
    assert (close.renamed, close.undecided, close.holds) == (0, 1, True)
    nobody = compared(said(0, [0.1, 0.2], [0.4, 0.6]), said(1, [0.1, 0.2], [0.4, 0.6]))
    assert (nobody.renamed, nobody.undecided) == (1, 0)  # unknown both times, but like another person
    lost = compared(said(1, [0.1, 0.49], [0.2, 0.8]), said(1, [0.1, 0.9], [0.2, 0.8]))
    assert (lost.renamed, lost.undecided) == (1, 0)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1e-2]))
def test_rounding_below_half_the_tolerance_never_counts_as_another_name(seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)

    def answers(shift: float) -> dict[str, Any]:
        noise = np.random.default_rng(seed + 1).uniform(-shift, shift, (2, 20, 3))
        scores = np.clip(exact[0] + noise[0], 0, 1)
        return {"best": scores.argmax(axis=1), "probability": scores, "similarity": exact[1] + noise[1]}

    exact = rng.uniform(0, 1, (20, 3)), rng.uniform(0.499, 0.501, (20, 3))
    found = compared(answers(tolerance / 2), answers(0.0), tolerance)
    assert found.holds and found.renamed == 0
