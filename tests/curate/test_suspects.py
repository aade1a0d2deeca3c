"""Pictures under a wrong name are the most suspicious ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facefeat.curate.suspects import Suspicion, suspicion
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn.copies import Faces
from facefeat.learn.splits import folds


@pytest.fixture(scope="module")
def orl_file(orl: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureFile:
    return extract(orl, tmp_path_factory.mktemp("suspects") / "orl.h5", plan(flip=False, layers=["block4_pool"])).file


def judged(X: NDArray[np.floating], y: NDArray[np.int32], groups: NDArray[np.int64] | None = None) -> Suspicion:
    people = tuple(f"person {number}" for number in range(y.max() + 1))
    return suspicion(X, y, folds(y, np.arange(len(y)) if groups is None else groups, people), 1)


def clouds(counts: list[int], seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Make vectors of people: a place each, and a little noise."""
    draws = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    X = draws.normal(size=(len(counts), 24))[y] + draws.normal(0, 0.3, (len(y), 24))
    return X.astype(np.float32), y


@pytest.mark.parametrize("seed", [0, 1])
def test_exchanged_names_are_found_among_real_faces(orl_file: FeatureFile, seed: int) -> None:
    rows = np.random.default_rng(seed).choice(400, 20, replace=False)
    y = orl_file.person.copy()
    y[rows] = orl_file.person[np.roll(rows, 1)]
    wrong = np.flatnonzero(y != orl_file.person)
    assert len(wrong) >= 18
    found = judged(Faces.of(orl_file).vectors, y)
    first = np.argsort(-found.margin)[:32]
    assert np.isin(wrong, first).mean() >= 0.9
    assert (found.person[wrong] == orl_file.person[wrong]).mean() >= 0.9


def test_nobody_is_suspected_among_real_faces(orl_file: FeatureFile) -> None:
    assert np.sum(judged(Faces.of(orl_file).vectors, orl_file.person).margin > 0) <= 4  # of 400


def test_the_other_person_and_the_nearest_picture_are_named() -> None:
    X, y = clouds([6, 6, 6])
    y[2] = 1  # a picture of person 0
    found = judged(X, y)
    assert int(np.argmax(found.margin)) == 2 and np.flatnonzero(found.margin > 0).tolist() == [2]
    assert found.person[2] == 0 and found.nearest[2] in (0, 1, 3, 4, 5)
    assert np.all(y[found.nearest] == found.person) and np.all(found.person != y)


def test_the_margin_is_in_cosines() -> None:
    X, y = clouds([8, 8, 8])
    margin = judged(X, y).margin
    assert margin.dtype == np.float64 and np.all((margin >= -2) & (margin < 0))


def test_two_people_are_each_others_other() -> None:
    X, y = clouds([6, 6])
    y[[0, 8]] = 1, 0
    found = judged(X, y)
    assert np.flatnonzero(found.margin > 0).tolist() == [0, 8]
    assert found.person.tolist() == (1 - y).tolist()


def test_a_person_with_one_picture_is_not_judged_but_may_be_the_other() -> None:
    X, y = clouds([6, 6, 1])
    X[0] = X[12] + 0.01
    found = judged(X, y)
    assert np.isnan(found.margin[12]) and (found.person[12], found.nearest[12]) == (-1, -1)
    assert not np.isnan(found.margin[:12]).any()
    assert found.margin[0] > 0 and (found.person[0], found.nearest[0]) == (2, 12)


def test_copies_do_not_vouch_for_each_other() -> None:
    X, y = clouds([8, 8, 8])
    y[8:11] = 0
    X[8:11] = X[8]  # one photograph of person 1, three times under the name of person 0
    groups = np.arange(len(y))
    alone, together = judged(X, y, groups), judged(X, y, np.where(np.isin(groups, [9, 10]), 8, groups))
    assert np.all(together.margin[8:11] > 0.3) and np.all(together.person[8:11] == 1)
    assert np.all(alone.margin[8:11] < together.margin[8:11])


def test_what_is_found_does_not_depend_on_the_threads() -> None:
    X, y = clouds([6, 7, 9])
    cut = folds(y, np.arange(len(y)), ("a", "b", "c"))
    one, three = suspicion(X, y, cut, 1), suspicion(X, y, cut, 3)
    np.testing.assert_array_equal(one.margin, three.margin)
    np.testing.assert_array_equal(one.nearest, three.nearest)
