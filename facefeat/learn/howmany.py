"""How many photographs a person are needed, for each head, and who would gain most from more."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.errors import InputError
from facefeat.features import backbone as backbones
from facefeat.features.compute import Progress
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn import openset
from facefeat.learn.compare import TOO_LONG
from facefeat.learn.copies import groups_of
from facefeat.learn.crossval import Outcome, Result, Split, Trial, cross_validate
from facefeat.learn.curves import Curve, Curves, PersonGain, Point, accuracy_of, gains, half_of, steps_of
from facefeat.learn.draws import Draws, deal
from facefeat.learn.openset import FPIRS, Trials
from facefeat.learn.splits import Folds, folds
from facefeat.learn.training import finite_vectors

PEOPLE_FOLDS = 5  # that people are judged by

_Tell = Callable[[str, int], None]


def howmany(
    file: FeatureFile,
    *,
    heads_wanted: Sequence[str] | None = None,
    layer: str | None = None,
    counts: Sequence[int] | None = None,
    repeats: int = 10,
    strangers: bool = True,
    random_state: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> Curves:
    """Measure heads on more and more photographs a person, always on the same others.

    Augmented copies of a photograph train with it; they are neither counted nor tested.
    See ``facefeat.learn.draws.deal`` for what trains and what is tested. Strangers are told by the score that
    ``facefeat.learn.openset`` has, at thresholds that the strangers of all repeats choose for each other. Nothing is
    said of more photographs than were measured.

    Parameters
    ----------
    file : FeatureFile
    heads_wanted : sequence of str or None
        By default all but slow ones, and those that would take longer than ``compare.TOO_LONG``.
    layer : str or None
        By default what the backbone recommends.
    counts : sequence of int or None
        Photographs a person; copies and near copies of one count once. By default 1, 2, 3, 5, 8 and so on.
    repeats : int, default=10
        How often all is drawn anew; at least 2.
    strangers : bool, default=True
        Whether a fifth of the people are held out as strangers, where there are five.
    random_state : int, default=0
    workers : int, default=2
        Fits that are worked on side by side; the figures do not depend on it.
    progress : callable or None
        Called with what is fitted, how many fits are done, of how many.

    Returns
    -------
    Curves

    Raises
    ------
    UsageError
        For an unknown head or layer, counts under 1 or above what anybody has, or fewer than two repeats.
    InputError
        With fewer than two people, where nobody has two photographs or can be tested, or where no head could be fitted.
    DamagedFile
        If vectors are not finite.
    """
    started = time.perf_counter()
    wanted = list(dict.fromkeys(heads_wanted or (name for name in plugins.names("head") if not heads.is_slow(name))))
    for head in wanted:
        heads.build(head)  # an unknown name is said before any work
    layer = layer or backbones.usual_layer(file.recipe)
    X = finite_vectors(file, layer)
    y, own, groups = file.person, file.own, groups_of(file, workers=workers)
    cut = folds(y, groups, file.people, own=own, n_folds=PEOPLE_FOLDS, random_state=random_state)
    draws = deal(y, groups, counts=counts, repeats=repeats, strangers=strangers, random_state=random_state, own=own)
    left_out = () if heads_wanted else _left_out(wanted, layer, file, draws)
    chosen = [head for head in wanted if head not in {name for name, _, _ in left_out}]
    table = _Table(X, y, draws, workers)
    tell = _told(progress, layer, len(chosen) * len(table.splits) + len(cut.splits))
    with warnings.catch_warnings():
        # scikit-learn doubts that people are classes where each has one picture
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
        results = cross_validate(table.X, y, table.splits, [Trial(head) for head in chosen], workers, tell)
        curves, failed = _curves(table, layer, chosen, results)
        best = curves[0]
        people, why = _people(file, table, cut, best, results[chosen.index(best.head)], tell)
    return Curves(
        curves=tuple(curves),
        draws=draws,
        people=people,
        single=tuple(person for person, n in zip(file.people, draws.photographs, strict=True) if n == 1),
        failed=tuple(failed) + tuple((best.head, 0, one) for one in why),
        left_out=left_out,
        n_people=len(file.people),
        n_images=file.n_pictures,
        copies=file.n_pictures - len(np.unique(groups)),
        n_folds=cut.n_folds,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class _Table:
    """Vectors, and all that trains and is tested on them: count by count, and of each count the repeats."""

    X: NDArray[np.float32]
    y: NDArray[np.int32]
    draws: Draws
    workers: int

    @property
    def trials(self) -> list[Trials]:
        return [self.draws.trials(self.y, number) for number in range(len(self.draws.counts))]

    @property
    def splits(self) -> list[Split]:
        return [split for one in self.trials for split in one.splits]

    def of(self, number: int) -> slice:
        """Return where the repeats of a count stand among the splits."""
        n = len(self.draws.repeats)
        return slice(number * n, (number + 1) * n)

    def right(self, results: Sequence[Outcome]) -> list[NDArray[np.bool_]]:
        """Tell of each repeat's tested pictures of known people which are named right."""
        return [
            result.named[: len(one.test)] == self.y[one.test]
            for one, result in zip(self.draws.repeats, results, strict=True)
        ]


def _told(progress: Progress | None, layer: str, total: int) -> _Tell:
    """Return what counts fits and tells of them."""
    done = 0

    def tell(what: str, n: int) -> None:
        nonlocal done
        done += n
        if progress:
            progress(f"{what} on {layer}", done, total)

    return tell


def _left_out(wanted: Sequence[str], layer: str, file: FeatureFile, draws: Draws) -> tuple[tuple[str, str, float], ...]:
    """Say which heads would take too long, and how long."""
    rows = [len(train) for one in draws.repeats for train in one.train]
    width, n_people = file.width(layer), len(file.people)
    costs = {head: sum(heads.cost(head, n, width, n_people) for n in rows) for head in wanted}
    return tuple((head, layer, seconds) for head, seconds in costs.items() if seconds > TOO_LONG)


def _curves(
    table: _Table, layer: str, chosen: Sequence[str], results: Sequence[Sequence[Result]]
) -> tuple[list[Curve], list[tuple[str, int, str]]]:
    """Return the curve of every head, best first, and what could not be fitted."""
    draws, curves, failed = table.draws, [], []
    scores = (
        openset.scores_as_named(table.X, table.y, table.splits, results, table.workers) if draws.n_strangers else None
    )
    for place, head in enumerate(chosen):
        points = []
        for number, trials in enumerate(table.trials):
            mine = results[place][table.of(number)]
            outcomes = [result for result in mine if isinstance(result, Outcome)]
            if failures := [result for result in mine if isinstance(result, str)]:
                failed.append((head, draws.counts[number], failures[0]))
                continue
            by_repeat = np.array([np.mean(right) for right in table.right(outcomes)])
            rates: dict[float, openset.Rates | None] = dict.fromkeys(FPIRS)
            if scores:
                rates = openset.pooled_rates(table.y, trials, outcomes, scores[place][table.of(number)])
            points.append(Point(draws.counts[number], accuracy_of(by_repeat, draws), by_repeat, rates))
        if points:
            curves.append(Curve(head, layer, tuple(points), steps_of(points, draws)))
    if not curves:
        if not failed:
            raise InputError("Every head would take too long on so many pictures; name one with --heads.")
        raise InputError(f"No head could be fitted; the first, {failed[0][0]}, said: {failed[0][2]}")
    return sorted(curves, key=_rank), failed


def _rank(curve: Curve) -> tuple[int, float, int, str]:
    """Order curves by their last point; those that end early come last."""
    return -curve.points[-1].n, -curve.points[-1].accuracy.mean, heads.rank(curve.head), curve.head


def _people(
    file: FeatureFile, table: _Table, cut: Folds, best: Curve, results: Sequence[Result], tell: _Tell
) -> tuple[tuple[PersonGain, ...], list[str]]:
    """Judge people by the best head: on folds of all pictures, and in the draws; return also why that failed."""
    y = table.y
    found = cross_validate(table.X, y, cut.splits, [Trial(best.head)], table.workers, tell)[0]
    named = np.full(len(y), -1, np.int32)
    for (_, test), result in zip(cut.splits, found, strict=True):
        if isinstance(result, Outcome):
            named[test] = result.named
    failures = [result for result in found if isinstance(result, str)][:1]
    tested = np.zeros(0, np.int64) if failures else cut.tested
    recalls = _recalls(y[tested], named[tested] == y[tested], len(file.people))

    def at(n: int) -> NDArray[np.float64]:
        mine = [result for result in results[table.of(table.draws.counts.index(n))] if isinstance(result, Outcome)]
        rows = zip(table.draws.repeats, table.right(mine), strict=True)
        return np.array([_recalls(y[one.test], right, len(file.people)) for one, right in rows])

    measured = [point.n for point in best.points]
    half = half_of(measured)
    rank = gains(
        file.people, y[file.original], table.draws, recalls, at(half) if half else None, at(measured[-1]), half
    )
    return rank, failures


def _recalls(truth: NDArray[np.int32], right: NDArray[np.bool_], n_people: int) -> NDArray[np.float64]:
    """Return the share of each person's pictures that are named right; NaN for those of whom there is none."""
    totals = np.bincount(truth, minlength=n_people)
    hits = np.bincount(truth, weights=right, minlength=n_people)
    return np.where(totals > 0, hits / np.maximum(totals, 1), np.nan)
