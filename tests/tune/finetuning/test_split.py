"""Everybody trains, validates and is tested; no photograph is on two sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facefeat.errors import InputError
from facefeat.tune.split import NEEDED, splits, train_only

TABLES = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=12), min_size=2, max_size=6)


def table(photographs: list[list[int]]) -> tuple[NDArray[np.int32], NDArray[np.int64], tuple[str, ...]]:
    """Make a table of each person's pictures; equal numbers of a person are copies of one photograph."""
    person = np.repeat(np.arange(len(photographs)), [len(mine) for mine in photographs]).astype(np.int32)
    numbers = np.concatenate([np.array(mine) for mine in photographs])
    return person, person * 100 + numbers, tuple(f"p{i}" for i in range(len(photographs)))


@given(TABLES, st.integers(1, 7), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_every_row_is_on_one_side_and_copies_are_together(
    photographs: list[list[int]], n_folds: int, random_state: int
) -> None:
    person, groups, people = table(photographs)
    enough = [len(set(mine)) >= NEEDED for mine in photographs]
    if not any(enough):
        with pytest.raises(InputError):
            splits(person, groups, people)
        return
    found = splits(person, groups, people, n_folds=n_folds, random_state=random_state)
    assert len(found) == n_folds
    for one in found:
        sides = (one.train, one.validation, one.test)
        assert np.array_equal(np.sort(np.concatenate(sides)), np.arange(len(person)))
        assert all(not set(groups[a]) & set(groups[b]) for a, b in zip(sides, sides[1:] + sides[:1], strict=True))
        assert set(person[one.train]) == set(range(len(people)))
        assert set(person[one.validation]) == set(np.flatnonzero(enough))
    assert set(person[found[0].test]) == set(np.flatnonzero(enough))
    tested = np.concatenate([one.test for one in found])
    assert len(np.unique(tested)) == len(tested)
    assert train_only(person, groups, people) == tuple(people[i] for i, one in enumerate(enough) if not one)


def test_five_folds_test_every_picture_once() -> None:
    person, groups, people = table([list(range(8))] * 3)
    found = splits(person, groups, people, n_folds=5)
    assert sorted(np.concatenate([one.test for one in found])) == list(range(24))
    assert [len(one.test) for one in found] == [6, 6, 6, 3, 3]


def test_the_split_is_the_random_states() -> None:
    person, groups, people = table([list(range(8))] * 3)
    first, again, other = (splits(person, groups, people, random_state=n)[0].test for n in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_photograph_of_two_people_trains() -> None:
    person, groups, people = table([list(range(8))] * 3)
    groups[8] = groups[0]  # bob has a copy of ada's
    for one in splits(person, groups, people, n_folds=5):
        assert {0, 8} <= set(one.train)


def test_what_cannot_be_split_is_a_sentence() -> None:
    with pytest.raises(InputError) as caught:
        splits(*table([[0, 1], [0, 1, 1]]))
    assert str(caught.value) == (
        "Nobody has 3 different photographs: one each is needed to train, to say when to stop, and to test. "
        "Add photographs."
    )
    with pytest.raises(InputError) as caught:
        splits(np.zeros(5, np.int32), np.arange(5), ("ada",))
    assert str(caught.value) == "There is only one person, ada; at least two are needed to tell apart."
