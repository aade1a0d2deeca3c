"""Heads written in layers say what they say by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.engines.keras import import_keras
from facefeat.heads import knn, prototype, svm
from facefeat.heads._covariance import WithinWhitening
from facefeat.heads._layers import scaled_rows
from facefeat.learn import calibration
from facefeat.learn import head as heads
from facefeat.tune import network
from tests.heads.test_applied import KNOBS, applied
from tests.heads.test_contract import toy

LAYERED = [
    *((name, knobs) for name, knobs in KNOBS if hasattr(heads.get(name), "in_layers") and name != "dense"),
    ("dense", {"hidden": (16, 8), "epochs": 2}),
]


def in_layers(head: str, estimator: Any, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a head as layers, after they were saved as Keras saves a network, and read again."""
    keras = import_keras()
    rows = keras.Input(X.shape[1:])
    made = keras.Model(rows, network.logits(head, estimator, rows))
    again = keras.Model.from_config(made.get_config())
    again.set_weights(made.get_weights())
    return np.asarray(again(X))


def test_all_of_facefeats_own_heads_can_be_written_in_layers() -> None:
    assert {name for name, _ in LAYERED} == set(plugins.names("head"))


@pytest.mark.parametrize(
    ("name", "knobs", "n_people"),
    [
        (name, knobs, n) for name, knobs in LAYERED for n in (2, 5) if (name, n) != ("dense", 2)
    ],  # no rule of its own for two
)
def test_layers_give_the_scores_of_the_head(name: str, knobs: dict[str, Any], n_people: int) -> None:
    fitted = heads.build(name, knobs).fit(*toy(n_people, 4, 12))
    rows = np.concatenate([toy(n_people, 6, 12, seed=1)[0], -toy(n_people, 1, 12)[0], np.zeros((1, 12), np.float32)])
    expected = calibration.logits(applied(name, knobs, fitted), rows)
    found = in_layers(name, fitted, rows)
    assert found.shape == (len(rows), n_people) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def test_a_neighbour_at_no_distance_counts_alone() -> None:
    X, y = toy(3, 4, 12)
    fitted = heads.build("knn", {"n_neighbors": 3}).fit(X, np.roll(y, 1))
    found = in_layers("knn", fitted, X)
    assert np.array_equal(found.argmax(axis=1), np.roll(y, 1)) and np.allclose(found.max(axis=1), 0, atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 7))
def test_votes_are_those_of_the_machine_whatever_the_rules(seed: int, n_people: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = np.triu_indices(n_people, 1)
    rules = rng.integers(-2, 3, (4, len(first))) / 2  # ties, and nothing at all
    square = np.zeros((4, n_people, n_people), np.float32)
    square[:, first, second] = square[:, second, first] = rules
    machine = svm.APPLIED()
    machine.classes_ = np.arange(n_people)
    expected = np.array([machine._votes(row, first, second) for row in rules])
    found = np.asarray(svm._votes_in_layers(import_keras().ops, square, n_people))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("n_directions", [0, 3])
def test_whitening_in_layers_is_whitening(n_directions: int) -> None:
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(8, 8)))[0][:n_directions]
    score = prototype.PrototypeClassifier()
    score.classes_, score.n_features_in_ = np.arange(3), 8
    score.whitening_ = WithinWhitening(directions, rng.gamma(1.0, 1.0, n_directions), 0.01, 0.5)
    score.centre_, score.prototypes_ = rng.normal(size=8), rng.normal(size=(3, 8))
    rows = rng.normal(size=(5, 8)).astype(np.float32)
    found = np.asarray(prototype.similarities_in_layers(score, import_keras().ops.convert_to_tensor(rows)))
    np.testing.assert_allclose(found, score.similarities(rows), atol=1e-5)


def test_the_scaling_rounds_as_scikit_learns_does() -> None:
    X, y = toy(3, 4, 12)
    fitted = heads.build("knn").fit(X, y)
    np.testing.assert_allclose(
        np.asarray(scaled_rows(fitted, import_keras().ops.convert_to_tensor(-X))), fitted[:-1].transform(-X), atol=1e-6
    )
    assert knn.SUMMARY
