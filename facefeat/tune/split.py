"""Which pictures train a network, which say when to stop, and which it never sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import InputError

PARTS = 5  # of each person's photographs: one is tested, one validates, the others train
NEEDED = 3  # photographs of a person, for one on each side

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of the three sides, sorted; every row is on one.

    Attributes
    ----------
    train, validation, test : ndarray of shape (n,), int64
    """

    train: Rows
    validation: Rows
    test: Rows


def splits(
    person: NDArray[np.int32],
    groups: NDArray[np.int64],
    people: tuple[str, ...],
    *,
    n_folds: int = 1,
    random_state: int = 0,
) -> tuple[Split, ...]:
    """Deal every person's photographs into parts, and let another part be tested each time.

    The folds of ``facefeat.learn.splits`` are even over the table; here each person must be on every side, since a
    person who does not validate would not count when the best epoch is chosen.

    Parameters
    ----------
    person : ndarray of shape (n_images,), int32
        Index into ``people``.
    groups : ndarray of shape (n_images,), int64
        Pictures of one group are one photograph and stay on one side. A group of several people trains.
    people : tuple of str
    n_folds : int, default=1
        Splits to be made; no picture is tested in two of them.
    random_state : int, default=0

    Returns
    -------
    tuple of Split
        In the first, everybody who has ``NEEDED`` photographs is on all sides. Those who have fewer train only.

    Raises
    ------
    InputError
        With fewer than two people, or where nobody has enough photographs.
    """
    if len(people) < 2:
        raise InputError(f"There is only one person, {people[0]}; at least two are needed to tell apart.")
    side = np.zeros((n_folds, len(person)), np.int8)  # 0 trains, 1 validates, 2 is tested
    draws = np.random.default_rng(random_state)
    n_parts = max(PARTS, n_folds)
    for mine in _photographs(person, groups, len(people)):
        if len(mine) < NEEDED:
            continue
        parts = np.array_split(draws.permutation(mine), min(n_parts, len(mine)))
        for fold in range(n_folds):
            side[fold, np.isin(groups, parts[(fold + 1) % len(parts)])] = 1
            if fold < len(parts):
                side[fold, np.isin(groups, parts[fold])] = 2
    if not side.any():
        raise InputError(
            f"Nobody has {NEEDED} different photographs: one each is needed to train, to say when to stop, and to test. "
            "Add photographs."
        )
    return tuple(Split(*(np.flatnonzero(one == which) for which in range(3))) for one in side)


def train_only(person: NDArray[np.int32], groups: NDArray[np.int64], people: tuple[str, ...]) -> tuple[str, ...]:
    """Return who has too few photographs to be tested."""
    found = _photographs(person, groups, len(people))
    return tuple(name for name, mine in zip(people, found, strict=True) if len(mine) < NEEDED)


def _photographs(person: NDArray[np.int32], groups: NDArray[np.int64], n_people: int) -> Iterator[NDArray[np.int64]]:
    """Yield each person's groups, without those that are of several people."""
    pairs = np.unique(np.stack([groups, person.astype(np.int64)], axis=1), axis=0)
    alone = np.bincount(pairs[:, 0])[pairs[:, 0]] == 1
    for one in range(n_people):
        yield pairs[alone & (pairs[:, 1] == one), 0]
