"""Heads that facefeat wrote itself, against hand-worked cases and scikit-learn."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf as reference
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from facefeat.heads._covariance import WithinPersons, class_means
from facefeat.heads._scaling import SignedRoot
from facefeat.heads.dense import DenseClassifier
from facefeat.heads.lda import ShrunkLDA
from facefeat.heads.prototype import PrototypeClassifier
from tests.heads.test_contract import toy


@pytest.mark.parametrize(("n", "d"), [(60, 20), (20, 60), (30, 30)])
def test_shrinkage_and_inverse_are_those_of_the_full_matrix(n: int, d: int) -> None:
    rng = np.random.default_rng(1)
    rows, index = rng.normal(size=(n, d)) * rng.random(d), np.arange(n) % 3
    deviations = rows - class_means(rows, index)[index]
    covariance, amount = reference(deviations, assume_centered=True)
    found = WithinPersons.of(rows, index).whitening()
    assert found.shrinkage == pytest.approx(amount, abs=1e-12)
    np.testing.assert_allclose(found.apply_inverse(deviations), deviations @ np.linalg.inv(covariance), rtol=1e-8)
    np.testing.assert_allclose(found.whiten(found.whiten(deviations)), found.apply_inverse(deviations), rtol=1e-8)


@pytest.mark.parametrize("d", [4, 40])
def test_without_deviations_the_space_stays_as_it_is(d: int) -> None:
    rows = np.random.default_rng(0).normal(size=(6, d))
    for index in (np.arange(6), np.array([0, 1, 2, 3, 4, 5, 5, 5])):  # one picture a person, or one three times
        within = WithinPersons.of(rows[index], index)
        assert np.array_equal(within.whitening("auto").whiten(rows), rows)
        assert np.array_equal(within.whitening(0.3).whiten(rows), rows)


def test_lda_is_scikit_learns_where_that_is_defined() -> None:
    X, y = toy(3, 40, 6)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3, priors=[1 / 3] * 3).fit(X, y)
    # Theirs shrinks each class's covariance, all of one size here, after scaling it; with none left to
    # shrink the two are the same rule.
    mine = ShrunkLDA(shrinkage=0.0).fit(X, y)
    plain = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(X, y)
    np.testing.assert_allclose(mine.predict_proba(X), plain.predict_proba(X), atol=1e-6)
    assert np.mean(ShrunkLDA(shrinkage=0.3).fit(X, y).predict(X) == theirs.predict(X)) == 1.0


def test_lda_of_two_people_is_one_difference() -> None:
    X, y = toy(2, 10, 5)
    head = ShrunkLDA().fit(X, y)
    assert head.decision_function(X).shape == (20,)
    assert np.array_equal(head.decision_function(X) > 0, head.predict(X) == 1)


def test_prototypes_by_hand() -> None:
    X = np.array([[2.0, 0.0], [4.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    head = PrototypeClassifier(whiten=False).fit(X, [0, 0, 1, 1])
    # The centre is (1.5, 1); the means (3, 0) and (0, 2) lie at (1.5, -1) and (-1.5, 1) from it.
    assert head.similarities([[3.0, 0.0]])[0] == pytest.approx([1.0, -1.0])
    assert head.similarities([[1.5, 0.0]])[0] == pytest.approx([1 / np.sqrt(3.25), -1 / np.sqrt(3.25)])


@pytest.mark.parametrize("classifier", [ShrunkLDA(), PrototypeClassifier(), DenseClassifier()])
def test_one_person_is_not_enough(classifier: ShrunkLDA) -> None:
    with pytest.raises(ValueError, match=r"^At least two classes are needed; there is 1 class\.$"):
        classifier.fit(np.ones((3, 2)), [0, 0, 0])


def test_roots_keep_their_sign() -> None:
    X = np.array([[4.0, -9.0, 0.0]])
    assert SignedRoot().fit(X).transform(X).tolist() == [[2.0, -3.0, 0.0]]


def test_the_dense_network_keeps_its_best_weights() -> None:
    X, y = toy(3, 20, 12)
    noise = np.random.default_rng(0).normal(size=X.shape).astype(np.float32) * 6
    head = DenseClassifier(epochs=40, patience=4, hidden=(64,), learning_rate=0.02).fit(X + noise, y)
    assert 4 < head.n_iter_ <= 40 and len(head.loss_curve_) == len(head.validation_curve_) == head.n_iter_
    best = int(np.argmin(head.validation_curve_))
    assert head.n_iter_ in (40, best + 1 + 4)
    _, held_out = head._set_aside(y)
    rows = (X + noise)[held_out]
    chosen = head.predict_proba(rows)[np.arange(len(rows)), y[held_out]]
    assert float(-np.log(chosen).mean()) == pytest.approx(head.validation_curve_[best], rel=1e-4)


def test_the_dense_network_leaves_random_numbers_alone() -> None:
    X, y = toy(2, 4, 6)
    random.seed(7)
    np.random.seed(7)
    expected = random.random(), np.random.random()
    random.seed(7)
    np.random.seed(7)
    DenseClassifier(epochs=1, hidden=(4,)).fit(X, y)
    assert (random.random(), np.random.random()) == expected


def test_the_dense_network_has_the_layers_asked_for() -> None:
    X, y = toy(3, 4, 6)
    head = DenseClassifier(epochs=1, hidden=(5, 4)).fit(X, y)
    assert [kernel.shape for kernel in head.coefs_] == [(6, 5), (5, 4), (4, 3)]
    assert [bias.shape for bias in head.intercepts_] == [(5,), (4,), (3,)]
