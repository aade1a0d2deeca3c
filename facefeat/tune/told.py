"""What a fine-tuning says before it begins and while it goes on."""

from __future__ import annotations

import math
import statistics

import numpy as np
from numpy.typing import NDArray

from facefeat.features.encode import Plan
from facefeat.tune.cost import Cost
from facefeat.tune.face_table import FaceTable
from facefeat.tune.schedule import History, Schedule

# Photographs a person, by the median, and pictures in all, under which the hint is given: more than squad has, where
# it did not pay.
FEW, SMALL = 20, 1000


def unlikely(person: NDArray[np.int32], groups: NDArray[np.int64]) -> str:
    """Say that fine-tuning will likely not pay, where there are few photographs; an empty text where there are not."""
    pairs = np.unique(np.stack([person.astype(np.int64), groups], axis=1), axis=0)
    median = statistics.median(np.bincount(pairs[:, 0]).tolist())
    if median >= FEW and len(person) >= SMALL:
        return ""
    return (
        f"With {len(person):,} pictures in all, and {median:g} photographs a person by the median, this will likely not pay: "
        "with 326 pictures of three people it did not (docs/benchmarks.md)"
    )


def foretold(faces: FaceTable, plan: Plan, schedule: Schedule, cost: Cost) -> str:
    """Say what is going to be done and how long it takes at most."""
    what = "all" if schedule.unfreeze == "all" else schedule.unfreeze
    first = f", {duration(cost.before)} of it before the first epoch" if cost.before >= 1 else ""
    return (
        f"{what} of {plan.recipe.backbone} is trained on {len(faces):,} pictures of {len(faces.people):,} people, which "
        f"take {faces.squares.nbytes / 1e6:,.0f} MB in memory: at most about {duration(cost.total)}{first}"
    )


def sentence(found: History, schedule: Schedule, fold: int, n_folds: int) -> str:
    """Say how the last epoch went, and how long it takes at most from here.

    Examples
    --------
    >>> from facefeat.tune.schedule import Epoch
    >>> one = Epoch(1, 0.9, 0.6, 0.8, 0.7, 1e-4, 4.0)
    >>> sentence(History((one,), 1, ""), Schedule("block5", epochs=46), 0, 1)
    'epoch 1 of 46: loss 0.90, validation .70 (best .70 at 1), 4 s, at most 3 min left'
    """
    last, best = found.epochs[-1], found.kept
    left = (schedule.epochs - last.number) * statistics.median(one.seconds for one in found.epochs)
    which = f"fold {fold + 1} of {n_folds}, " if n_folds > 1 else ""
    ended = {
        "patience": f"no better for {schedule.patience} epochs, so it ends; those of epoch {found.best} are kept",
        "epochs": f"the last; those of epoch {found.best} are kept",
        "nan": f"the next had a loss that is no number, so it ends; those of epoch {found.best} are kept",
    }.get(found.why, f"at most {duration(left)} left")
    return (
        f"{which}epoch {last.number} of {schedule.epochs}: loss {last.loss:.2f}, validation {_share(last.validation_accuracy)} "
        f"(best {_share(best.validation_accuracy)} at {best.number}), {duration(last.seconds)}, {ended}"
    )


def duration(seconds: float) -> str:
    """Write seconds, minutes or hours in words.

    Examples
    --------
    >>> duration(0.4), duration(8), duration(150), duration(7000)
    ('0.4 s', '8 s', '3 min', '1.9 hours')
    """
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    if seconds >= 100:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"


def _share(share: float) -> str:
    return f"{share:.2f}".removeprefix("0")
