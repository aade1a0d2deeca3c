"""Folds: the same for everybody, and never a picture on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from facefeat.errors import InputError
from facefeat.features.store.file import read
from facefeat.learn.copies import groups_of
from facefeat.learn.splits import folds, stratified

NAMES = tuple("abcdefgh")


def cut(y: list[int], groups: list[int], n_folds: int = 5, repeats: int = 1, random_state: int = 0):  # type: ignore[no-untyped-def]
    people = NAMES[: max(y) + 1]
    return folds(
        np.array(y, np.int32), np.array(groups), people, n_folds=n_folds, repeats=repeats, random_state=random_state
    )


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_copies_stay_together_and_everything_is_tested_once(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(1, 9), min_size=2, max_size=6))
    y = [person for person, n in enumerate(counts) for _ in range(n)]
    groups = [100 * person + data.draw(st.integers(0, 5)) for person in y]
    different = [len({g for p, g in zip(y, groups, strict=True) if p == person}) for person in range(len(counts))]
    if max(different) < 2:
        with pytest.raises(InputError):
            cut(y, groups)
        return
    found = cut(y, groups, n_folds=data.draw(st.integers(2, 8)), repeats=2)
    for repeat in range(2):
        splits = zip(found.repeat_of, found.splits, strict=True)
        tested = np.concatenate([test for number, (_, test) in splits if number == repeat])
        assert len(tested) == len(set(tested.tolist()))
        assert sorted([*tested, *found.always_train]) == list(range(len(y)))
    for train, test in found.splits:
        assert not set(np.array(groups)[train]) & set(np.array(groups)[test])
        assert set(found.always_train) <= set(train.tolist())


def test_ten_pictures_in_ten_folds_are_one_of_each_person_a_fold() -> None:
    y = np.repeat(np.arange(8), 10)
    found = cut(y.tolist(), list(range(80)), n_folds=10)
    assert all(sorted(y[test]) == list(range(8)) for _, test in found.splits)
    assert found.notes == ()


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.filterwarnings("ignore:The number of unique classes")
@given(st.data())
@settings(max_examples=80, deadline=None)
def test_the_folds_are_those_of_scikit_learn(data: st.DataObject) -> None:
    each = data.draw(st.lists(st.integers(1, 14), min_size=1, max_size=12))
    y = np.repeat(np.arange(len(each)) * 3, each)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    groups = rng.permutation(len(y))
    alike = rng.random(len(y)) < data.draw(st.sampled_from([0.0, 0.2, 0.9]))
    groups[alike] = rng.choice(groups, alike.sum())
    n_folds = min(data.draw(st.integers(2, 12)), max(each), len(np.unique(groups)))
    seed = data.draw(st.integers(0, 99))
    if n_folds < 2:
        return
    expected = np.full(len(y), -1)
    for fold, (_, test) in enumerate(
        StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(y, y, groups)
    ):
        expected[test] = fold
    assert stratified(y, groups, n_folds, seed).tolist() == expected.tolist()


def test_hundreds_of_people_get_the_folds_of_scikit_learn() -> None:
    y = np.repeat(np.arange(300), 5)
    splits = StratifiedGroupKFold(5, shuffle=True, random_state=1).split(y, y, np.arange(1500))
    found = stratified(y, np.arange(1500), 5, 1)
    assert all(np.array_equal(np.flatnonzero(found == fold), test) for fold, (_, test) in enumerate(splits))


def test_the_seed_decides() -> None:
    y, groups = [0, 1] * 20, list(range(40))
    same = [np.concatenate([test for _, test in cut(y, groups, random_state=seed).splits]) for seed in (1, 1, 2)]
    assert np.array_equal(same[0], same[1]) and not np.array_equal(same[0], same[2])


def test_the_notes_say_what_was_done() -> None:
    found = cut([0, 0, 0, 0, 1, 1, 2, 2], [0, 1, 2, 2, 3, 4, 5, 5], n_folds=5)
    assert found.n_folds == 3
    assert found.notes == (
        "3 folds instead of 5: nobody has more than 3 different pictures.",
        "One picture only, so it trains and is never tested: c.",
        "1 people have fewer pictures than there are folds; they are tested in some folds only.",
        "2 pictures are copies or near copies of another; such stay on one side of a fold.",
    )


def test_one_person_is_no_comparison() -> None:
    with pytest.raises(InputError, match=r"^There is only one person, a; at least two are needed to tell apart\.$"):
        cut([0, 0, 0], [0, 1, 2])


def test_single_pictures_are_no_test() -> None:
    with pytest.raises(
        InputError, match=r"^Every person has a single picture; testing needs at least two of somebody\.$"
    ):
        cut([0, 1, 2], [0, 1, 2])


def test_groups_are_the_bytes(thumb_file) -> None:  # type: ignore[no-untyped-def]
    file = read(thumb_file)
    assert len(np.unique(groups_of(file))) == len(np.unique(file.sha256, axis=0)) == len(file)
