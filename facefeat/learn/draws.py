"""Growing training sets: few photographs a person, then more, always tested on the same others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import InputError, UsageError
from facefeat.learn.openset import PARTS, Trials
from facefeat.learn.splits import pictures_of

STRANGERS = 5  # of so many people one is a stranger; with fewer people nobody is
TESTED = 5  # of so many photographs of a person one is tested, and always one where there are two


@dataclass(frozen=True)
class Draw:
    """One repeat.

    Attributes
    ----------
    train : tuple of ndarray of shape (n_train,), int64
        Row numbers, one array for each count; each holds those before it.
    test : ndarray of shape (n_test,), int64
        Pictures of known people, the same for every count.
    strangers : ndarray of shape (n_strangers,), int64
        All pictures of people who train at no count.
    """

    train: tuple[NDArray[np.int64], ...]
    test: NDArray[np.int64]
    strangers: NDArray[np.int64]


@dataclass(frozen=True)
class Draws:
    """Training sets of several sizes, drawn several times.

    Attributes
    ----------
    counts : tuple of int
        Photographs a person that train, rising.
    repeats : tuple of Draw
    photographs : ndarray of shape (n_people,), int64
        Different ones of each person; copies of one count once.
    left : ndarray of shape (n_people,), int64
        Those that can train, once some are kept for testing.
    parts : ndarray of shape (n_people,), int64
        Part of the strangers that each person belongs to in all repeats; -1 for those who never are strangers.
    test_share : float
        Of known people's pictures, those that are tested in a repeat; mean.
    random_state : int
    """

    counts: tuple[int, ...]
    repeats: tuple[Draw, ...]
    photographs: NDArray[np.int64]
    left: NDArray[np.int64]
    parts: NDArray[np.int64]
    test_share: float
    random_state: int

    @property
    def n_strangers(self) -> int:
        """Number of people who are strangers in some repeat."""
        return int(np.sum(self.parts >= 0))

    @property
    def n_stranger_pictures(self) -> int:
        """Number of different pictures of strangers, in all repeats together."""
        return len(np.unique(np.concatenate([one.strangers for one in self.repeats])))

    @property
    def n_tested(self) -> int:
        """Number of different pictures of known people that are tested, in all repeats together."""
        return len(np.unique(np.concatenate([one.test for one in self.repeats])))

    @property
    def few(self) -> tuple[int, ...]:
        """For each count, how many people have fewer left to train with; they train with all of those."""
        return tuple(int(np.sum(self.left < n)) for n in self.counts)

    def trials(self, y: NDArray[np.int32], number: int) -> Trials:
        """Return all repeats at one count, as ``facefeat.learn.openset`` takes them.

        Parameters
        ----------
        y : ndarray of shape (n_images,), int32
        number : int
            Place of the count.
        """
        return Trials(
            splits=tuple((one.train[number], np.concatenate([one.test, one.strangers])) for one in self.repeats),
            n_known=tuple(len(one.test) for one in self.repeats),
            parts=tuple(self.parts[y[one.strangers]] for one in self.repeats),
            n_known_people=len(self.left) - len(self.left) // STRANGERS,
            n_stranger_people=self.n_strangers,
            n_known_pictures=self.n_tested,
            n_stranger_pictures=self.n_stranger_pictures,
        )


def parse_counts(text: str | None) -> list[int] | None:
    """Read whole numbers with commas between them; ``None`` for nothing.

    Raises
    ------
    UsageError
        If one is no whole number from 1.

    Examples
    --------
    >>> parse_counts("1, 2,5")
    [1, 2, 5]
    """
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 10 and int(word) > 0):
            raise UsageError(f"--counts takes whole numbers from 1, such as 1,2,5; '{text}' was given.")
    return [int(word) for word in words]


def deal(
    y: NDArray[np.int32],
    groups: NDArray[np.int64],
    *,
    counts: Sequence[int] | None = None,
    repeats: int = 10,
    strangers: bool = True,
    random_state: int = 0,
    own: NDArray[np.int64] | None = None,
) -> Draws:
    """Draw training sets that grow, and what they are tested on.

    A fifth of the people are strangers, others in each repeat until everybody was one. Of every other person a fifth
    of the photographs are tested, at least one. The rest train, in an order that is drawn once a repeat: the first n
    of each person make the training set of n, so that points of a curve differ by nothing but the photographs that
    were added. Were half of them tested, curves would end at half of what people have, and repeats would share so
    many tested pictures that their mean is no surer.

    Parameters
    ----------
    y : ndarray of shape (n_images,), int32
        People, from 0.
    groups : ndarray of shape (n_images,), int64
        A photograph is a group: see ``facefeat.learn.copies.groups_of``. Rows of one never stand on both sides.
    counts : sequence of int, optional
        By default 1, 2, 3, 5, 8, 13 and so on, each the sum of the two before it, up to what half of the people have.
    repeats : int, default=10
        At least 2.
    strangers : bool, default=True
        Whether people are held out, where there are five.
    random_state : int, default=0
    own : ndarray of shape (n_images,), int64, optional
        See ``facefeat.learn.splits.folds``: a photograph's augmented copies train with it; none is tested.

    Returns
    -------
    Draws
        Without the repeats in which nobody can be tested, or fewer than two people train.

    Raises
    ------
    UsageError
        For counts under 1 or above what anybody has, or fewer than two repeats.
    InputError
        If nobody can be tested in more than one repeat.
    """
    if repeats < 2:
        raise UsageError(f"At least 2 repeats are needed to tell how far figures vary; {repeats} was given.")
    pairs, row_pair = np.unique(np.stack([y, groups], axis=1), axis=0, return_inverse=True)
    table = _Photographs(pairs[:, 0], pairs[:, 1], row_pair.reshape(-1), pictures_of(y, own))
    photographs = np.bincount(table.person)
    n_test = np.where(photographs > 1, np.maximum(photographs // TESTED, 1), 0)
    chosen = _chosen(counts, photographs - n_test)
    draws, shares = [], []
    parts = np.full(len(photographs), -1)
    for repeat, outside in enumerate(_strangers(len(photographs), repeats, strangers, random_state)):
        rng = np.random.default_rng([random_state, repeat])
        one = _draw(table, np.isin(np.arange(len(photographs)), outside), n_test, chosen, rng)
        if len(one.test) and len(np.unique(y[one.train[0]])) > 1:
            new = outside[parts[outside] < 0]
            parts[new] = (np.sum(parts >= 0) + np.arange(len(new))) % PARTS
            draws.append(one)
            shares.append(len(one.test) / np.sum(~np.isin(y[table.pictures], outside)))
    if len(draws) < 2:
        raise InputError(
            f"Only {len(draws)} of {repeats} draws leave two people to tell apart and a photograph to test them on; "
            "more photographs of more people are needed."
        )
    return Draws(chosen, tuple(draws), photographs, photographs - n_test, parts, float(np.mean(shares)), random_state)


@dataclass(frozen=True)
class _Photographs:
    """Every pair of a person and a group."""

    person: NDArray[np.int64]
    group: NDArray[np.int64]
    of_row: NDArray[np.int64]
    pictures: NDArray[np.int64]  # rows that are no augmented copies

    def tested(self, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the pictures of some pairs; their augmented copies only train."""
        return self.pictures[which[self.of_row[self.pictures]]]

    def places(self, among: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
        """Return each pair's place in a random order of its person's, of those that take part; else a large number."""
        keys = rng.random(len(among))
        order = np.lexsort((keys, self.person, ~among))[: int(among.sum())]
        people = self.person[order]
        places = np.full(len(among), np.iinfo(np.int64).max)
        places[order] = np.arange(len(order)) - np.searchsorted(people, people)
        return places


def _draw(
    table: _Photographs,
    outside: NDArray[np.bool_],
    n_test: NDArray[np.int64],
    counts: tuple[int, ...],
    rng: np.random.Generator,
) -> Draw:
    known = ~outside[table.person]
    tested = known & (table.places(known, rng) < n_test[table.person])
    apart = np.isin(table.group, table.group[tested])  # of all people: a photograph may bear two names
    places = table.places(known & ~apart, rng)
    trained = np.zeros(len(outside), bool)
    trained[table.person[places == 0]] = True
    test = known & apart & trained[table.person]
    strangers = ~known & ~np.isin(table.group, table.group[known])
    return Draw(
        tuple(np.flatnonzero((places < n)[table.of_row]) for n in counts),
        table.tested(test),
        table.tested(strangers),
    )


def _strangers(n_people: int, repeats: int, wanted: bool, random_state: int) -> Iterator[NDArray[np.int64]]:
    """Yield who is a stranger in each repeat: in five that follow each other, everybody once."""
    rng = np.random.default_rng(random_state)
    order = rng.permutation(n_people)
    for repeat in range(repeats):
        if repeat and repeat % STRANGERS == 0:
            order = rng.permutation(n_people)
        yield order[repeat % STRANGERS :: STRANGERS] if wanted and n_people >= STRANGERS else order[:0]


def _chosen(counts: Sequence[int] | None, left: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the counts asked for, or those that suit what is left to train with."""
    if counts is not None:
        if not counts or min(counts) < 1:
            raise UsageError(f"Counts of photographs are whole numbers from 1; {list(counts)} was given.")
        if max(counts) > left.max():
            raise UsageError(
                f"Nobody has {max(counts)} photographs to train with: once some are kept for testing, "
                f"{left.max()} are left at most; give counts up to that."
            )
        return tuple(sorted(set(counts)))
    most = int(np.sort(left)[len(left) // 2])  # at least half of the people have so many
    chosen = [1, 2]
    while chosen[-1] + chosen[-2] <= most:
        chosen.append(chosen[-1] + chosen[-2])
    return tuple(n for n in chosen if n <= most)
