"""Which pictures train and which test: the same for every head, and never a picture on both sides."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import InputError
from facefeat.features.store.file import FeatureFile


@dataclass(frozen=True)
class Folds:
    """Splits of one table.

    Attributes
    ----------
    splits : tuple of (train, test)
        Row numbers; over one repeat every row that is tested at all is tested once.
    repeat_of : tuple of int
        Which repeat each split belongs to, from 0.
    n_folds, repeats, random_state : int
    always_train : ndarray of shape (n,), int64
        Rows of people with a single picture: they train in every fold and are never tested.
    notes : tuple of str
        What a reader must know, in sentences.
    """

    splits: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]
    repeat_of: tuple[int, ...]
    n_folds: int
    repeats: int
    random_state: int
    always_train: NDArray[np.int64]
    notes: tuple[str, ...]

    @property
    def tested(self) -> NDArray[np.int64]:
        """Row numbers that are tested, sorted."""
        return np.unique(np.concatenate([test for _, test in self.splits]))


def groups_of(file: FeatureFile) -> NDArray[np.int64]:
    """Give every picture a number such that copies of one picture (the same bytes) share a number.

    Parameters
    ----------
    file : FeatureFile

    Returns
    -------
    ndarray of shape (n_images,), int64
    """
    _, groups = np.unique(file.sha256, axis=0, return_inverse=True)
    return groups.reshape(-1).astype(np.int64)


def folds(
    y: NDArray[np.int32],
    groups: NDArray[np.int64],
    people: tuple[str, ...],
    *,
    n_folds: int = 10,
    repeats: int = 1,
    random_state: int = 0,
) -> Folds:
    """Cut a table into stratified folds that keep groups together.

    Parameters
    ----------
    y : ndarray of shape (n_images,), int32
        Index into ``people``.
    groups : ndarray of shape (n_images,), int64
        Rows of one group stay on one side.
    people : tuple of str
    n_folds : int, default=10
        Lowered where nobody has that many different pictures.
    repeats : int, default=1
        How often to cut anew.
    random_state : int, default=0

    Returns
    -------
    Folds

    Raises
    ------
    InputError
        With fewer than two people, or where everybody has one picture.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if len(people) < 2:
        raise InputError(f"There is only one person, {people[0]}; at least two are needed to tell apart.")
    counts = np.array([len(np.unique(groups[y == person])) for person in range(len(people))])
    single = np.isin(y, np.flatnonzero(counts < 2))
    if np.sum(counts >= 2) < 1:
        raise InputError("Every person has a single picture; testing needs at least two of somebody.")
    used = min(n_folds, int(counts.max()))
    rows, always = np.flatnonzero(~single), np.flatnonzero(single)
    splits: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    repeat_of: list[int] = []
    for repeat in range(repeats):
        cutter = StratifiedGroupKFold(used, shuffle=True, random_state=random_state + repeat)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of people with few pictures; the notes name them
            cuts = list(cutter.split(rows, y[rows], groups[rows]))
        splits += [(np.sort(np.concatenate([rows[train], always])), rows[test]) for train, test in cuts if len(test)]
        repeat_of += [repeat] * (len(splits) - len(repeat_of))
    notes = _notes(counts, people, used, n_folds, groups)
    return Folds(tuple(splits), tuple(repeat_of), used, repeats, random_state, always, notes)


def _notes(
    counts: NDArray[np.int64], people: tuple[str, ...], used: int, asked: int, groups: NDArray[np.int64]
) -> tuple[str, ...]:
    notes = []
    if used < asked:
        notes.append(f"{used} folds instead of {asked}: nobody has more than {used} different pictures.")
    single = [person for person, count in zip(people, counts, strict=True) if count < 2]
    if single:
        named = ", ".join(single[:5]) + (f" and {len(single) - 5} more" if len(single) > 5 else "")
        notes.append(f"One picture only, so it trains and is never tested: {named}.")
    few = int(np.sum((counts >= 2) & (counts < used)))
    if few:
        notes.append(f"{few} people have fewer pictures than there are folds; they are tested in some folds only.")
    copies = len(groups) - len(np.unique(groups))
    if copies:
        notes.append(f"{copies} pictures are copies of another, byte for byte; copies stay on one side of a fold.")
    return tuple(notes)
