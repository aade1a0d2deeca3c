"""How accuracy grows with photographs, and where it stops: the records, and what is told from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.learn.comparison import SIGNIFICANT
from facefeat.learn.draws import Draws
from facefeat.learn.metrics import Share, wilson
from facefeat.learn.openset import Rates
from facefeat.learn.statistics import ROPE, Difference, corrected_t


@dataclass(frozen=True, eq=False)
class Point:
    """A head at one number of photographs a person.

    Attributes
    ----------
    n : int
    accuracy : Share
        Mean over repeats; its interval is the corrected t interval, and no narrower than Wilson's of the pictures.
    by_repeat : ndarray of shape (n_repeats,), float64
        Accuracies.
    rates : dict of float to Rates or None
        By FPIR; ``None`` where strangers are too few to tell. See ``facefeat.learn.openset.OpenSet``.
    """

    n: int
    accuracy: Share
    by_repeat: NDArray[np.float64]
    rates: dict[float, Rates | None]


@dataclass(frozen=True)
class Step:
    """From one number of photographs to another.

    Attributes
    ----------
    n, to : int
        Photographs a person.
    most : float
        By how much the best of all larger numbers that were measured is better than ``n``.
    difference : Difference
        Accuracy at ``to`` less that at ``n``, repeat by repeat; corrected t-test.
    """

    n: int
    to: int
    most: float
    difference: Difference

    @property
    def within_a_point(self) -> bool:
        """Whether no larger number was better by a point."""
        return self.most < ROPE

    @property
    def told(self) -> bool:
        """Whether chance alone makes such a difference less often than in one of twenty cases."""
        return self.difference.p_value < SIGNIFICANT


@dataclass(frozen=True, eq=False)
class Curve:
    """One head.

    Attributes
    ----------
    head, layer : str
    points : tuple of Point
        By rising numbers of photographs; those at which the head could not be fitted are missing.
    steps : tuple of Step
        From every point but the last to the last.
    """

    head: str
    layer: str
    points: tuple[Point, ...]
    steps: tuple[Step, ...]

    @property
    def flat(self) -> Step | None:
        """The first number from which on more bring less than a point; ``None`` where there is none."""
        return self._first([step.within_a_point for step in self.steps])

    @property
    def untold(self) -> Step | None:
        """The first number from which on what more bring cannot be told from nothing; ``None`` where it always can."""
        return self._first([not step.told for step in self.steps])

    def still_missed(self, rate: float) -> tuple[float, float] | None:
        """Return FNIR where the curve is flat and at its end, where the end is lower and their intervals lie apart."""
        flat = next((point for point in self.points if self.flat and point.n == self.flat.n), None)
        first, last = flat and flat.rates.get(rate), self.points[-1].rates.get(rate)
        if not first or not last or first.fnir.low <= last.fnir.high:
            return None
        return first.fnir.mean, last.fnir.mean

    def _first(self, holds: Sequence[bool]) -> Step | None:
        """Return the first step from which on something holds."""
        start = len(holds) - next((n for n, one in enumerate(reversed(holds)) if not one), len(holds))
        return self.steps[start] if start < len(self.steps) else None


@dataclass(frozen=True)
class PersonGain:
    """How well a person is recognised by the best head, and what photographs brought.

    Attributes
    ----------
    person : str
    pictures, photographs : int
        Rows, and different ones of them.
    recall : float or None
        Share of the pictures named right by heads that saw all others, over folds; ``None`` for a single photograph.
    at_half, at_most : float or None
        The same in the draws, at the largest number of photographs and at the largest that is no more than its half;
        ``None`` where the person was never tested or there is no such number.
    slope : Difference or None
        ``at_most`` less ``at_half``, repeat by repeat; ``None`` where the person had no more photographs to add.
    """

    person: str
    pictures: int
    photographs: int
    recall: float | None
    at_half: float | None
    at_most: float | None
    slope: Difference | None

    @property
    def told(self) -> bool:
        """Whether the slope can be told from none."""
        return self.slope is not None and self.slope.p_value < SIGNIFICANT


@dataclass(frozen=True, eq=False)
class Curves:
    """What ``howmany`` found.

    Attributes
    ----------
    curves : tuple of Curve
        Best first, by the accuracy at the largest number of photographs.
    draws : Draws
    people : tuple of PersonGain
        Those first who would gain most from more photographs.
    single : tuple of str
        People with one photograph: they train and are never tested.
    failed : tuple of (head, n, sentence)
        What could not be fitted; n is 0 for the folds that people are judged by.
    left_out : tuple of (head, layer, seconds)
        What nobody named and would take too long on one core.
    n_people, n_images, copies : int
        ``copies``: pictures that are a copy or near copy of another.
    n_folds : int
        That people are judged by.
    seconds : float
    """

    curves: tuple[Curve, ...]
    draws: Draws
    people: tuple[PersonGain, ...]
    single: tuple[str, ...]
    failed: tuple[tuple[str, int, str], ...]
    left_out: tuple[tuple[str, str, float], ...]
    n_people: int
    n_images: int
    copies: int
    n_folds: int
    seconds: float

    @property
    def best(self) -> Curve:
        """The first curve."""
        return self.curves[0]

    @property
    def half(self) -> int:
        """Photographs at which people are judged beside the most; 0 where there is no such number."""
        return half_of([point.n for point in self.best.points])


def accuracy_of(by_repeat: NDArray[np.float64], draws: Draws) -> Share:
    """Return the mean accuracy over repeats, with its interval.

    The corrected t interval takes the share of the pictures that a repeat tests: so far do two repeats overlap, however
    few photographs train. Where all repeats agree it would have no width, so it is never narrower than Wilson's.
    """
    found, least = corrected_t(by_repeat, draws.test_share), wilson(float(by_repeat.mean()), draws.n_tested)
    return Share(found.mean, max(0.0, min(found.low, least.low)), min(1.0, max(found.high, least.high)))


def steps_of(points: Sequence[Point], draws: Draws) -> tuple[Step, ...]:
    """Compare every point but the last with the last, and with all after it."""
    last = points[-1]
    return tuple(
        Step(
            point.n,
            last.n,
            max(later.accuracy.mean for later in points[number + 1 :]) - point.accuracy.mean,
            corrected_t(last.by_repeat - point.by_repeat, draws.test_share),
        )
        for number, point in enumerate(points[:-1])
    )


def gains(
    people: Sequence[str],
    y: NDArray[np.int32],
    draws: Draws,
    recalls: NDArray[np.float64],
    half: NDArray[np.float64] | None,
    most: NDArray[np.float64],
    n_half: int,
) -> tuple[PersonGain, ...]:
    """Rank people by what more photographs of them would bring.

    First come those whom most is missing of, then those with few photographs, then those whom photographs helped.
    Nobody knows of those who cannot be tested; they come last.

    Parameters
    ----------
    people : sequence of str
    y : ndarray of shape (n_images,), int32
    draws : Draws
    recalls : ndarray of shape (n_people,), float64
        NaN for those who were not tested.
    half, most : ndarray of shape (n_repeats, n_people), float64
        Recall in each draw, at half and at the most photographs; NaN for those who were not tested. ``half`` may be
        ``None``.
    n_half : int
        Photographs at half.

    Returns
    -------
    tuple of PersonGain
    """
    pictures = np.bincount(y, minlength=len(people))
    found = [
        PersonGain(
            person,
            int(pictures[who]),
            int(draws.photographs[who]),
            _mean(recalls[who : who + 1]),
            None if half is None else _mean(half[:, who]),
            _mean(most[:, who]),
            _slope(half, most, who, n_half, draws),
        )
        for who, person in enumerate(people)
    ]
    return tuple(sorted(found, key=_rank))


def _mean(shares: NDArray[np.float64]) -> float | None:
    seen = shares[~np.isnan(shares)]
    return float(seen.mean()) if len(seen) else None


def _slope(
    half: NDArray[np.float64] | None, most: NDArray[np.float64], who: int, n_half: int, draws: Draws
) -> Difference | None:
    if half is None or draws.left[who] <= n_half:
        return None
    rises = most[:, who] - half[:, who]
    rises = rises[~np.isnan(rises)]
    return corrected_t(rises, draws.test_share) if len(rises) > 1 else None


def half_of(counts: Sequence[int]) -> int:
    """Return the largest count that is no more than half of the largest; 0 where there is none.

    Examples
    --------
    >>> half_of([1, 2, 3, 5]), half_of([1, 2, 3]), half_of([5])
    (2, 1, 0)
    """
    return max((n for n in counts if 2 * n <= counts[-1]), default=0)


def _rank(one: PersonGain) -> tuple[bool, float, int, float, str]:
    rise = one.slope.mean if one.slope and one.told else 0.0
    return one.recall is None, one.recall or 0.0, one.photographs, -rise, one.person
