"""What is said of both networks follows from the pictures that each names right."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from facefeat.features.encode import plan
from facefeat.learn.statistics import matched_difference, mcnemar
from facefeat.tune.payoff import candidates, choose, payoff
from facefeat.tune.split import splits


def right(n: int, wrong: int) -> NDArray[np.bool_]:
    return np.arange(n) >= wrong


@pytest.mark.parametrize(
    ("frozen", "tuned", "verdict"),
    [
        (right(100, 20), right(100, 2), "paid"),
        (right(100, 2), right(100, 20), "did not pay"),
        (right(100, 5), right(100, 5), "did not pay"),
        (right(100, 5), right(100, 4), "cannot be told"),
    ],
)
def test_the_verdict(frozen: NDArray[np.bool_], tuned: NDArray[np.bool_], verdict: str) -> None:
    assert payoff([frozen[:50], frozen[50:]], [tuned[:50], tuned[50:]]).verdict == verdict


def test_the_figures_are_of_all_folds() -> None:
    found = payoff([right(10, 2), right(10, 0)], [right(10, 1), ~right(10, 1)])
    assert (found.frozen.mean, found.tuned.mean, found.n_tested) == (0.9, 0.5, 20)
    assert (found.only_frozen, found.only_tuned) == (9, 1)
    assert found.difference.mean == pytest.approx(-0.4)
    one, other = np.r_[right(10, 1), ~right(10, 1)], np.r_[right(10, 2), right(10, 0)]
    assert found.difference.p_value == mcnemar(one, other)


def test_the_interval_of_a_matched_difference() -> None:
    # Agresti and Min 2005, worked by hand: b = 10, c = 3, n = 100.
    first = np.r_[np.ones(87, bool), np.ones(10, bool), np.zeros(3, bool)]
    second = np.r_[np.ones(87, bool), np.zeros(10, bool), np.ones(3, bool)]
    found = matched_difference(first, second)
    half = 1.959964 / 102 * np.sqrt(10.5 + 3.5 - 7**2 / 102)
    assert found.mean == pytest.approx(0.07)
    assert (found.low, found.high) == (pytest.approx(7 / 102 - half, abs=1e-6), pytest.approx(7 / 102 + half, abs=1e-6))
    assert matched_difference([], []).p_value == 1.0


def test_the_layer_is_chosen_by_pictures_that_did_not_train() -> None:
    draws, person = np.random.default_rng(0), np.repeat(np.arange(4), 20).astype(np.int32)
    split = splits(person, np.arange(80), ("a", "b", "c", "d"))[0]
    good = draws.normal(0, 1, (80, 6)).astype(np.float32) + 3 * np.eye(6, dtype=np.float32)[person]
    flattered = draws.normal(0, 1, (80, 6)).astype(np.float32)
    flattered[split.train] = 9 * np.eye(6, dtype=np.float32)[person[split.train]]  # as a network knows what trained it
    found = choose({"deep": flattered, "good": good}, person, split, ("deep", "good"), 0, 1)
    assert found.layer == "good" and found.right.mean() > 0.7 and len(found.right) == len(split.test)


def test_heads_are_tried_on_what_is_recommended_first_then_each_layer_then_all() -> None:
    layers = ("block3_pool", "block4_pool", "block5_pool")
    assert candidates(plan("vgg16", faces_mode="none").recipe) == (
        "block3_pool+block4_pool", *layers, "+".join(layers)
    )  # fmt: skip
