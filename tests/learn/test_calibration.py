"""Probabilities that mean what they say."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss

from facefeat.learn.calibration import (
    BINS,
    brier,
    calibrate,
    choose_temperature,
    logits,
    probabilities,
    reliability,
)  # fmt: skip
from tests.heads.test_contract import toy


def drawn(n: int, n_people: int, temperature: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw scores, and the truth by the probabilities that they have at a temperature."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, n_people)) * 2
    said = probabilities(scores, temperature)
    return scores, (said.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_the_temperature_is_found_again(temperature: float) -> None:
    scores, truth = drawn(4000, 6, temperature)
    assert choose_temperature(scores, truth) == pytest.approx(temperature, rel=0.2)


@given(st.floats(0.01, 100), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_scores_of_another_scale_are_the_same_probabilities(scale: float, seed: int) -> None:
    scores, truth = drawn(300, 4, 1.0, seed)
    one, other = (probabilities(found, choose_temperature(found, truth)) for found in (scores, scores * scale))
    np.testing.assert_allclose(one, other, atol=2e-3)


def test_nothing_is_certain_after_a_few_pictures() -> None:
    scores = np.eye(4)[np.arange(20) % 4] * 3.0
    said = probabilities(scores, choose_temperature(scores, np.arange(20) % 4)).max(axis=1)
    assert said.min() > 0.9 and said.max() < 0.999


def test_no_picture_and_no_choice_leave_the_scores_alone() -> None:
    assert choose_temperature(np.empty((0, 3)), np.empty(0, int)) == 1.0
    assert choose_temperature(np.ones((5, 1)), np.zeros(5, int)) == 1.0
    assert calibrate([(np.ones((5, 2)), np.zeros(5, int))]) is None
    assert calibrate([(np.ones((5, 2)), np.zeros(5, int)), (np.empty((0, 2)), np.empty(0, int))]) is None


def test_probabilities_that_are_right_have_no_error() -> None:
    parts = [drawn(3000, 5, 0.7, seed) for seed in range(4)]
    found = calibrate(parts)
    assert found is not None and found.n == 12_000
    assert found.ece < 0.02 and found.temperature == pytest.approx(0.7, rel=0.1)


def test_the_temperature_of_a_part_is_that_of_the_others() -> None:
    sharp, flat = drawn(2000, 4, 0.2), drawn(2000, 4, 5.0, seed=1)
    found = calibrate([sharp, flat])
    assert found is not None
    said = np.concatenate([
        probabilities(one, choose_temperature(*other)) for (one, _), other in ((sharp, flat), (flat, sharp))
    ])  # fmt: skip
    truth = np.concatenate([sharp[1], flat[1]])
    assert found.ece == reliability(said.max(axis=1), said.argmax(axis=1) == truth)[0] > 0.1
    assert found.brier == brier(said, truth)


def test_the_error_by_hand() -> None:
    said, right = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5]), np.array([True, True, True, False, False, True])
    error, bins = reliability(said, right)
    assert error == pytest.approx((4 * abs(0.9 - 0.75) + 2 * abs(0.5 - 0.5)) / 6)
    assert [(one.n, one.probability, one.right.mean) for one in bins] == [(2, 0.5, 0.5), (4, pytest.approx(0.9), 0.75)]
    assert [(one.low, one.high) for one in bins] == [
        (pytest.approx(7 / 15), pytest.approx(8 / 15)),
        (pytest.approx(13 / 15), pytest.approx(14 / 15)),
    ]


def test_the_edges_of_bins_belong_to_the_lower_one() -> None:
    bins = reliability(np.array([0.0, 1 / BINS, 1.0]), np.array([True, True, True]))[1]
    assert [one.n for one in bins] == [2, 1]


@given(st.integers(2, 6), st.integers(1, 40), st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_the_brier_score_is_that_of_scikit_learn(n_people: int, n: int, seed: int) -> None:
    scores, truth = drawn(n, n_people, 1.0, seed)
    said = probabilities(scores, 1.0)
    labels = list(range(n_people))
    expected = (
        brier_score_loss(truth, said, labels=labels, scale_by_half=False)
        if n_people > 2
        else (2 * brier_score_loss(truth, said[:, 1], labels=labels, scale_by_half=True))
    )
    assert brier(said, truth) == pytest.approx(expected)
    assert 0 <= brier(said, truth) <= 2


def test_logits_are_scores_or_logarithms() -> None:
    X, _ = toy()
    said = np.tile([0.5, 0.5, 0.0], (len(X), 1))
    np.testing.assert_allclose(logits(SimpleNamespace(predict_proba=lambda X: said), X)[0], np.log([0.5, 0.5, 1e-6]))
    assert logits(SimpleNamespace(decision_function=lambda X: said), X)[0].tolist() == [0.5, 0.5, 0.0]
