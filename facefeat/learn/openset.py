"""Strangers: how often they are given a name, and what refusing them costs known people.

Whole people are held out of training. Part of them choose the threshold, the others are reported on, in turn; all of
it is repeated with other people. A face's score is the cosine to the person that the head names, as in ``predict``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._rows import blocks
from facefeat.heads._rowspace import Vectors
from facefeat.learn import head as heads
from facefeat.learn.crossval import Outcome, Result, Split
from facefeat.learn.metrics import Share, wilson
from facefeat.learn.rates import auroc, det, expected_threshold, measurable, reached
from facefeat.learn.rates import design_effect as design_effect_of
from facefeat.learn.splits import pictures_of, with_copies
from facefeat.learn.statistics import corrected_t
from facefeat.learn.threads import side_by_side
from facefeat.learn.unknown import SCORE

FPIRS = (0.01, 0.1)  # at which FNIR is reported
PARTS = 5  # that strangers are dealt into: each in turn is reported on, at the threshold that the others choose
GRID = tuple(float(rate) for rate in np.round(np.geomspace(0.001, 1, 61), 6))  # of FPIR, for the DET curve


@dataclass(frozen=True)
class Trials:
    """Who is known and who a stranger, repeat by repeat.

    Attributes
    ----------
    splits : tuple of (train, test)
        Row numbers; the tested are pictures of known people first, then all of strangers.
    n_known : tuple of int
        How many of the tested are of known people.
    parts : tuple of ndarray of shape (n_strangers,), int64
        Part of each stranger's picture: people are dealt, not pictures.
    n_known_people, n_stranger_people : int
        In each repeat.
    n_known_pictures, n_stranger_pictures : int
        Different ones, in all repeats together.
    """

    splits: tuple[Split, ...]
    n_known: tuple[int, ...]
    parts: tuple[NDArray[np.int64], ...]
    n_known_people: int
    n_stranger_people: int
    n_known_pictures: int
    n_stranger_pictures: int


@dataclass(frozen=True)
class Rates:
    """Errors at the threshold that other strangers chose.

    Attributes
    ----------
    fnir : Share
        Of known people's pictures, those not given their own name.
    fpir : Share
        Of strangers' pictures, those given a name; the interval counts pictures of one person as alike as they are.
    """

    fnir: Share
    fpir: Share


@dataclass(frozen=True)
class OpenSet:
    """How a head does against strangers.

    Attributes
    ----------
    auroc : Share
        Of pairs of a known and a stranger's picture, those in which the known one scores higher; corrected t interval over
        repeats.
    rates : dict of float to Rates or None
        By the FPIR that the threshold was chosen for; ``None`` where strangers are too few to tell.
    det : tuple of float
        FNIR at each FPIR of ``GRID``, mean over repeats.
    """

    auroc: Share
    rates: dict[float, Rates | None]
    det: tuple[float, ...]


def deal(
    y: NDArray[np.int32],
    groups: NDArray[np.int64],
    repeats: int,
    random_state: int = 0,
    known_share: float = 0.5,
    own: NDArray[np.int64] | None = None,
) -> Trials | None:
    """Hold out whole people, and half of the pictures of the others.

    Parameters
    ----------
    y : ndarray of shape (n_images,), int32
    groups : ndarray of shape (n_images,), int64
        See ``facefeat.learn.copies.groups_of``; a stranger's picture whose group trains is left out.
    repeats : int
    random_state : int, default=0
    known_share : float, default=0.5
        Of people, rounded up; at least two.
    own : ndarray of shape (n_images,), int64, optional
        See ``facefeat.learn.splits.folds``: augmented copies of pictures that train do so too; none is tested.

    Returns
    -------
    Trials or None
        ``None`` with fewer than three people, or where no picture is left to test known people on.
    """
    people = np.unique(y)
    n_known = max(2, int(np.ceil(known_share * len(people))))
    if n_known >= len(people):
        return None
    pictures = pictures_of(y, own)
    splits, counts, parts = [], [], []
    for repeat in range(repeats):
        rng = np.random.default_rng([random_state, repeat])
        order = rng.permutation(people)
        train, test = (pictures[rows] for rows in _halves(y[pictures], groups[pictures], order[:n_known], rng))
        outside = pictures[np.isin(y[pictures], order[n_known:]) & ~np.isin(groups[pictures], groups[train])]
        if not len(test) or not len(outside):
            continue
        place = {person: number % PARTS for number, person in enumerate(order[n_known:])}
        parts.append(np.array([place[person] for person in y[outside]], np.int64))
        splits.append((with_copies(train, own), np.concatenate([test, outside])))
        counts.append(len(test))
    if not splits:
        return None
    known, strangers = (
        len(np.unique(np.concatenate(rows)))
        for rows in zip(*((test[:n], test[n:]) for (_, test), n in zip(splits, counts, strict=True)), strict=True)
    )
    return Trials(
        tuple(splits), tuple(counts), tuple(parts), n_known, len(people) - n_known, int(known), int(strangers)
    )


def _halves(
    y: NDArray[np.int32], groups: NDArray[np.int64], known: NDArray[np.int32], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Deal each known person's groups into those that train, one more where they are odd, and those that are tested."""
    training = []
    for person in known:
        mine = rng.permutation(np.unique(groups[y == person]))
        training.append(mine[: (len(mine) + 1) // 2])
    rows = np.flatnonzero(np.isin(y, known))
    trains = np.isin(groups[rows], np.concatenate(training))
    return rows[trains], rows[~trains]


def measured(
    X: NDArray[Any], y: NDArray[np.int32], trials: Trials, results: Sequence[Sequence[Result]], workers: int
) -> list[OpenSet | None]:
    """Measure heads against strangers.

    Parameters
    ----------
    X : ndarray of shape (n_images, n_features)
    y : ndarray of shape (n_images,), int32
    trials : Trials
    results : sequence of sequence of (Outcome or str)
        Of ``cross_validate`` on the splits: for each head, one for each.
    workers : int

    Returns
    -------
    list of (OpenSet or None)
        One for each head; ``None`` where it could not be fitted.
    """
    scores = scores_as_named(X, y, trials.splits, results, workers)
    return [_measured(y, trials, its, mine) for its, mine in zip(results, scores, strict=True)]


def scores_as_named(
    X: NDArray[Any],
    y: NDArray[np.int32],
    splits: Sequence[Split],
    results: Sequence[Sequence[Result]],
    workers: int,
) -> list[list[NDArray[np.float64]]]:
    """Score every tested picture as whom each head names.

    Parameters
    ----------
    X : ndarray of shape (n_images, n_features)
    y : ndarray of shape (n_images,), int32
    splits : sequence of (train, test)
    results : sequence of sequence of (Outcome or str)
        See ``measured``.
    workers : int

    Returns
    -------
    list of list of ndarray of shape (n_test,), float64
        For each head, one array for each split; an empty one where the head could not be fitted.
    """
    vectors = Vectors(X)

    def one(number: int) -> list[NDArray[np.float64]]:
        train, test = splits[number]
        space = vectors.space(y, train)
        score = heads.fit_shared(SCORE[0], heads.build(*SCORE)[-1], space)
        found = [np.empty(len(test) if isinstance(result[number], Outcome) else 0) for result in results]
        for block in blocks(len(test), max(space.width, len(space.classes))):
            cosines = score.similarities(space.coordinates(test[block]))
            for mine, result in zip(found, results, strict=True):
                if isinstance(outcome := result[number], Outcome):
                    places = np.searchsorted(space.classes, outcome.named[block])
                    mine[block] = cosines[np.arange(len(cosines)), places]
        return found

    columns = list(side_by_side(one, range(len(splits)), workers))
    return [list(rows) for rows in zip(*columns, strict=True)]


def pooled_rates(
    y: NDArray[np.int32], trials: Trials, results: Sequence[Outcome], scores: Sequence[NDArray[np.float64]]
) -> dict[float, Rates | None]:
    """Measure a head where each repeat has few strangers: those of all repeats choose the threshold together.

    Parameters
    ----------
    y : ndarray of shape (n_images,), int32
    trials : Trials
        Of which ``parts`` deal people alike in all repeats, so that nobody chooses the threshold that judges them.
    results : sequence of Outcome
        Of one head, one for each split.
    scores : sequence of ndarray of shape (n_test,), float64
        See ``scores_as_named``.

    Returns
    -------
    dict of float to Rates or None
        See ``OpenSet``.
    """
    repeats = _repeats(y, trials, results, scores)
    columns = zip(*((one.known, one.right, one.strangers, one.person, one.part) for one in repeats), strict=True)
    pool = _Repeat(*(np.concatenate(column) for column in columns))
    return {rate: _rates([pool], rate, trials) for rate in FPIRS}


def _measured(
    y: NDArray[np.int32], trials: Trials, results: Sequence[Result], its_scores: Sequence[NDArray[np.float64]]
) -> OpenSet | None:
    outcomes = [result for result in results if isinstance(result, Outcome)]
    if len(outcomes) < len(results):
        return None
    repeats = _repeats(y, trials, outcomes, its_scores)
    areas = corrected_t([auroc(one.strangers, one.known) for one in repeats], 0.5)
    return OpenSet(
        Share(areas.mean, max(0.0, areas.low), min(1.0, areas.high)),
        {rate: _rates(repeats, rate, trials) for rate in FPIRS},
        tuple(float(x) for x in np.mean([one.curve() for one in repeats], axis=0)),
    )


def _repeats(
    y: NDArray[np.int32], trials: Trials, outcomes: Sequence[Outcome], scores: Sequence[NDArray[np.float64]]
) -> list[_Repeat]:
    columns = zip(trials.splits, trials.n_known, trials.parts, outcomes, scores, strict=True)
    return [_Repeat.of(y[test], n, part, outcome, score) for (_, test), n, part, outcome, score in columns]


@dataclass(frozen=True)
class _Repeat:
    known: NDArray[np.float64]  # scores
    right: NDArray[np.bool_]
    strangers: NDArray[np.float64]
    person: NDArray[np.int32]  # of strangers' pictures
    part: NDArray[np.int64]

    @classmethod
    def of(
        cls, truth: NDArray[np.int32], n: int, part: NDArray[np.int64], outcome: Outcome, score: NDArray[np.float64]
    ) -> _Repeat:
        return cls(score[:n], outcome.named[:n] == truth[:n], score[n:], truth[n:], part)

    @property
    def mated(self) -> NDArray[np.float64]:
        """Scores of known people; minus infinity where the name is wrong, which no threshold mends."""
        return np.where(self.right, self.known, -np.inf)

    def curve(self) -> NDArray[np.float64]:
        """Return FNIR at each FPIR of the grid."""
        found = det(self.strangers, self.mated)
        last = np.searchsorted(found.false_positive, np.array(GRID) + 1e-12, side="right") - 1
        return found.false_negative[last]

    def at(self, rate: float) -> tuple[float, NDArray[np.bool_]]:
        """Return FNIR, and which strangers' pictures are given a name, each at the threshold of the other parts."""
        named, misses = np.zeros(len(self.strangers), bool), []
        for part in np.unique(self.part):
            mine = self.part == part
            threshold = expected_threshold(self.strangers[~mine], rate)
            named[mine] = self.strangers[mine] >= threshold
            misses.append(1 - reached(self.mated, threshold))
        return float(np.mean(misses)), named


def _rates(repeats: Sequence[_Repeat], rate: float, trials: Trials) -> Rates | None:
    if trials.n_stranger_people < 2 or not measurable(trials.n_stranger_pictures, rate):
        return None
    if any(len(np.unique(one.part)) < 2 for one in repeats):
        return None
    found = [one.at(rate) for one in repeats]
    fnir, fpir = (float(np.mean([np.mean(of) for of in column])) for column in zip(*found, strict=True))
    effect = np.mean([design_effect_of(one.strangers, one.person) for one in repeats])
    alike = max(1, round(trials.n_stranger_pictures / float(effect)))
    return Rates(wilson(fnir, trials.n_known_pictures), wilson(fpir, alike))
