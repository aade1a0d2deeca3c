"""How long a training will take, from a few steps of it on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.tune.activations import Pixels
from facefeat.tune.cut import Network
from facefeat.tune.schedule import Schedule
from facefeat.tune.split import Split
from facefeat.tune.training import softmax_over


@dataclass(frozen=True)
class Cost:
    """Seconds of a training in which no patience is spent.

    Attributes
    ----------
    before : float
        For what lies below, which is run once.
    total : float
    """

    before: float
    total: float


def cost_of(
    network: Network, pixels: Pixels, person: NDArray[np.int32], splits: Sequence[Split], schedule: Schedule
) -> Cost:
    """Time a step of each kind, after one that compiles it.

    Parameters
    ----------
    network : Network
        Its weights are changed.
    pixels : Pixels
    person : ndarray of shape (n_images,), int32
    splits : sequence of Split
    schedule : Schedule

    Returns
    -------
    Cost
        Without the comparison at the end.
    """
    rows = np.resize(np.arange(len(person)), schedule.batch_size)
    inputs = pixels.take(rows, np.zeros(len(rows), np.int64))
    student, classes = softmax_over(network.trained, person, schedule.learning_rate)
    before, each = 0.0, len(person) * (schedule.augment + 1) / schedule.batch_size
    if network.frozen is not None:
        before = each * _seconds(lambda: network.frozen.predict_on_batch(inputs))
        inputs = np.asarray(network.frozen.predict_on_batch(inputs))
    step = _seconds(lambda: student.train_on_batch(inputs, classes[person[rows]]))
    forward = _seconds(lambda: network.trained.predict_on_batch(inputs))
    total = before
    for split in splits:
        n_train, n_validation = (len(side) / schedule.batch_size for side in (split.train, split.validation))
        total += schedule.epochs * (n_train * step + n_validation * forward)
        total += n_train * (schedule.augment + 1) * forward  # the top's own rows
    return Cost(before, total)


def _seconds(work: Callable[[], object]) -> float:
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
