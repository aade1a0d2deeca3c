"""Which pictures train and which test: the same for every head, and never a picture on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import InputError

MOST_CELLS = 2**28  # groups times people, which the exact deal looks at one by one


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
        Pictures of people with a single one: they train in every fold and are never tested.
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


def pictures_of(y: NDArray[Any], own: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the rows that are pictures, and no augmented copies: all, where ``own`` is not given."""
    rows = np.arange(len(y))
    return rows if own is None else np.flatnonzero(own == rows)


def with_copies(train: NDArray[np.int64], own: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return pictures that train, rising, with their augmented copies.

    Parameters
    ----------
    train : ndarray of shape (n_train,), int64
        Row numbers, rising.
    own : ndarray of shape (n_images,), int64, or None
        See ``folds``.
    """
    return train if own is None else np.flatnonzero(np.isin(own, train))


def folds(
    y: NDArray[np.int32],
    groups: NDArray[np.int64],
    people: tuple[str, ...],
    *,
    own: NDArray[np.int64] | None = None,
    n_folds: int = 10,
    repeats: int = 1,
    random_state: int = 0,
) -> Folds:
    """Cut a table into stratified folds that keep groups together.

    Pictures alone are dealt, so that the folds are the same with and without augmented copies. A copy trains where its
    picture does, and is never tested.

    Parameters
    ----------
    y : ndarray of shape (n_images,), int32
        Index into ``people``.
    groups : ndarray of shape (n_images,), int64
        Rows of one group stay on one side.
    people : tuple of str
    own : ndarray of shape (n_images,), int64, optional
        The row of the picture that each row is, or is an augmented copy of; see ``FeatureFile.own``.
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
    if len(people) < 2:
        raise InputError(f"There is only one person, {people[0]}; at least two are needed to tell apart.")
    counts = np.bincount(np.unique(np.stack([y, groups], axis=1), axis=0)[:, 0], minlength=len(people))
    pictures = pictures_of(y, own)
    single = np.isin(y[pictures], np.flatnonzero(counts < 2))
    if np.sum(counts >= 2) < 1:
        raise InputError("Every person has a single picture; testing needs at least two of somebody.")
    used = min(n_folds, int(counts.max()))
    rows = pictures[~single]
    splits: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    repeat_of: list[int] = []
    for repeat in range(repeats):
        fold = stratified(y[rows], groups[rows], used, random_state + repeat)
        tests = [rows[fold == number] for number in range(used)]
        trains = (with_copies(np.setdiff1d(pictures, test, assume_unique=True), own) for test in tests)
        splits += [(train, test) for train, test in zip(trains, tests, strict=True) if len(test)]
        repeat_of += [repeat] * (len(splits) - len(repeat_of))
    notes = _notes(counts, people, used, n_folds, groups[pictures])
    return Folds(tuple(splits), tuple(repeat_of), used, repeats, random_state, pictures[single], notes)


def stratified(y: NDArray[Any], groups: NDArray[Any], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Deal groups into folds that are alike in people and in size.

    The folds are those of scikit-learn's ``StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)``: groups
    are taken in a shuffled order, the most uneven first, and each goes where the shares of its people come out most
    alike. It recounts all people for every group and fold; only those of the group can have changed.

    With more than ``MOST_CELLS`` groups times people that takes minutes; there each person's groups, shuffled, go to
    the folds in turn, which leaves people and sizes at most one group apart.

    Parameters
    ----------
    y : ndarray of shape (n_images,)
    groups : ndarray of shape (n_images,)
    n_folds : int
    seed : int

    Returns
    -------
    ndarray of shape (n_images,), int64
        The fold that each picture is tested in.
    """
    _, person, totals = np.unique(y, return_inverse=True, return_counts=True)
    _, group = np.unique(groups, return_inverse=True)
    order = np.arange(group.max() + 1)
    np.random.RandomState(seed).shuffle(order)
    if len(order) * len(totals) > MOST_CELLS:
        return _in_turn(person, group, order, n_folds)
    place = np.argsort(order)[group]  # of each picture's group in the shuffled order
    members = _Members(place, person, len(order), len(totals))
    fold_of = np.empty(len(order), np.int64)
    deal = _Deal(n_folds, totals)
    for number in np.argsort(-members.unevenness(), kind="stable"):
        fold_of[number] = deal.place(*members.of(number))
    return fold_of[place]


def _in_turn(
    person: NDArray[np.int64], group: NDArray[np.int64], order: NDArray[np.int64], n_folds: int
) -> NDArray[np.int64]:
    """Deal groups in turn, person by person, in a shuffled order; a group of several people by one of them."""
    whose = np.empty(len(order), np.int64)
    whose[group[::-1]] = person[::-1]
    fold = np.empty(len(order), np.int64)
    fold[np.lexsort((order, whose))] = np.arange(len(order)) % n_folds
    return fold[group]


class _Members:
    """How many pictures of whom each group has, as lists: nearly all groups are one picture."""

    def __init__(self, group: NDArray[np.int64], person: NDArray[np.int64], n_groups: int, n_people: int) -> None:
        pairs, self.counts = np.unique(group * n_people + person, return_counts=True)
        self.people, self.n_people = pairs % n_people, n_people
        self.starts = np.searchsorted(pairs, np.arange(n_groups + 1) * n_people)

    def of(self, group: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the people of a group and how many pictures of each."""
        mine = slice(self.starts[group], self.starts[group + 1])
        return self.people[mine], self.counts[mine]

    def unevenness(self) -> NDArray[np.float64]:
        """Return the standard deviation of each group's counts over all people."""
        return np.concatenate([np.std(table, axis=1) for table in self._tables()])

    def _tables(self, block: int = 1024) -> Iterator[NDArray[np.float64]]:
        for first in range(0, len(self.starts) - 1, block):
            edges = self.starts[first : first + block + 1]
            table, mine = np.zeros((len(edges) - 1, self.n_people)), slice(edges[0], edges[-1])
            table[np.repeat(np.arange(len(table)), np.diff(edges)), self.people[mine]] = self.counts[mine]
            yield table


class _Deal:
    """Folds being filled."""

    def __init__(self, n_folds: int, totals: NDArray[np.int64]) -> None:
        self.totals = totals
        self.counts = np.zeros((n_folds, len(totals)))
        self.sizes = [0] * n_folds
        # Row i: how uneven each person's pictures would lie if the group went to fold i.
        self.uneven = np.zeros((n_folds, len(totals)))

    def place(self, people: NDArray[np.int64], counts: NDArray[np.int64]) -> int:
        """Put a group where all people's pictures lie most evenly, or else into the smallest fold."""
        n = len(self.sizes)
        tried = np.repeat(self.counts[:, None, people], n, axis=1)
        tried[range(n), range(n)] += counts
        shares = tried.reshape(n, -1) / np.tile(self.totals[people], n)
        # NumPy adds up a table of a single person in another order, and the last bit decides between equals.
        spread = _spread(shares) if len(self.totals) > 1 else np.std(np.ascontiguousarray(shares.T), axis=1)
        self.uneven[:, people] = spread.reshape(n, -1)
        means = np.mean(self.uneven, axis=1).tolist()
        best = 0
        for fold in range(1, len(means)):
            alike = abs(means[fold] - means[best]) <= 1e-8 + 1e-5 * abs(means[best])  # numpy.isclose
            if means[fold] < means[best] or (alike and self.sizes[fold] < self.sizes[best]):
                best = fold
        self.counts[best, people] += counts
        self.sizes[best] += int(counts.sum())
        self.uneven[:, people] = self.uneven[best, people]
        return best


def _spread(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of each column, as numpy.std does, which takes three times as long."""
    n = len(shares)
    shares -= np.add.reduce(shares, axis=0) / n
    shares *= shares
    spread: NDArray[np.float64] = np.sqrt(np.add.reduce(shares, axis=0) / n)
    return spread


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
        notes.append(f"{copies} pictures are copies or near copies of another; such stay on one side of a fold.")
    return tuple(notes)
