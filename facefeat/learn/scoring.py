"""From the results of folds to the rows of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facefeat.learn.calibration import Calibration, calibrate
from facefeat.learn.comparison import Benefit, Row, Versus
from facefeat.learn.crossval import Outcome, Result
from facefeat.learn.metrics import Share, balanced_accuracy, macro_f1, wilson
from facefeat.learn.rates import cmc
from facefeat.learn.splits import Folds
from facefeat.learn.statistics import corrected_t, holm, posterior

RANKS = 10  # of the cumulative match characteristic
SCORES = 2**20  # numbers of a row that probabilities are measured on

Figure = Callable[[NDArray[np.int32], NDArray[np.int32]], float]


def step_of(n_tested: int, n_people: int) -> int:
    """Return of how many tested pictures one has its scores kept, so that no more than ``SCORES`` are."""
    return max(1, -(-n_tested * n_people // SCORES))


def row_of(head: str, layer: str, y: NDArray[np.int32], cut: Folds, results: Sequence[Result]) -> Row:
    """Make a row of what a head did in all folds; without calibration."""
    outcomes = [result for result in results if isinstance(result, Outcome)]
    named, ranks = (np.full((cut.repeats, len(y)), -1, np.int32) for _ in range(2))
    for repeat, (_, test), outcome in zip(cut.repeat_of, cut.splits, outcomes, strict=True):
        named[repeat, test], ranks[repeat, test] = outcome.named, outcome.ranks
    tested = cut.tested
    truth, named, ranks = y[tested], named[:, tested], ranks[:, tested]
    n_people = int(y.max()) + 1
    return Row(
        head=head,
        layer=layer,
        accuracy=wilson(float(np.mean(named == truth)), len(tested)),
        balanced_accuracy=_over_folds(balanced_accuracy, y, cut, outcomes, named),
        macro_f1=_over_folds(macro_f1, y, cut, outcomes, named),
        cmc=tuple(float(share) for share in cmc(ranks.ravel(), min(RANKS, n_people))),
        fit_seconds=float(np.median([outcome.fit_seconds for outcome in outcomes])),
        predict_ms=float(np.median([outcome.predict_seconds for outcome in outcomes])) * 1000,
        named=named,
        by_fold=np.array(
            [np.mean(one.named == y[test]) for (_, test), one in zip(cut.splits, outcomes, strict=True)], np.float64
        ),
    )


def _over_folds(
    figure: Figure, y: NDArray[np.int32], cut: Folds, outcomes: Sequence[Outcome], named: NDArray[np.int32]
) -> Share:
    """Return a figure of all tested pictures, with the interval that its values in single folds give."""
    mean = float(np.mean([figure(y[cut.tested], one) for one in named]))
    single = [figure(y[test], one.named) for (_, test), one in zip(cut.splits, outcomes, strict=True)]
    found = corrected_t(single, 1 / cut.n_folds)
    half = found.mean - found.low
    return Share(mean, max(0.0, mean - half), min(1.0, mean + half))


def calibration_of(y: NDArray[np.int32], cut: Folds, results: Sequence[Result], step: int) -> Calibration | None:
    """Measure a head's probabilities on the folds of the first repeat, in which each picture is tested once.

    A single fold is halved, so that each half has the temperature of the other.
    """
    parts = [
        (result.scores, y[test][::step])
        for repeat, (_, test), result in zip(cut.repeat_of, cut.splits, results, strict=True)
        if repeat == 0 and isinstance(result, Outcome)
    ]
    if len(parts) == 1:
        parts = [(scores[half::2], truth[half::2]) for scores, truth in parts for half in (0, 1)]
    return calibrate(parts)


def benefit_of(row: Row, y: NDArray[np.int32], cut: Folds, without: Sequence[Result]) -> Benefit | None:
    """Compare a row with what its head did on the same folds without augmented copies; ``None`` where that failed."""
    if any(isinstance(result, str) for result in without):
        return None
    plain = row_of(row.head, row.layer, y, cut, without)
    return Benefit(plain.accuracy, corrected_t(row.by_fold - plain.by_fold, 1 / cut.n_folds))


def against_best(rows: Sequence[Row], cut: Folds) -> tuple[Row, ...]:
    """Test every row against the first, fold by fold.

    Parameters
    ----------
    rows : sequence of Row
        Best first.
    cut : Folds

    Returns
    -------
    tuple of Row
    """
    best, others = rows[0], rows[1:]
    share = 1 / cut.n_folds
    differences = [corrected_t(best.by_fold - row.by_fold, share) for row in others]
    adjusted = holm([one.p_value for one in differences])
    return (
        best,
        *(
            replace(row, versus=Versus(one, p, posterior(row.by_fold - best.by_fold, share)))
            for row, one, p in zip(others, differences, adjusted, strict=True)
        ),
    )
