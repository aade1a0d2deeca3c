"""Whether the tests that tell heads apart keep their promise: few false alarms between equals, and no miss of a plain difference.

    scripts/bench/significance.py            a quarter of an hour

Not called statistics.py: the folder of a script comes first on Python's path, and the standard library has that name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from faces import find, main, orl_people, vectors

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for tests.learn.equal_heads

from facefeat.engines.network import Engine
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.splits import Folds, folds
from facefeat.learn.statistics import corrected_t, mcnemar
from tests.learn.equal_heads import equal_pair

PAIRS, RUNS = 200, 100
LEVEL = 0.05
FEW, FEW_FOLDS = 10, 5  # people of a small table, and its folds
DENSE = {"hidden": (32,), "epochs": 10}  # hardly trained, so that the seed matters
WORKERS = 2


def measure(_: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Count false alarms between equals, then between seeds of one head, then what is found of shuffled labels."""
    for only_on_average in (False, True):
        for n_folds, repeats in ((10, 1), (10, 3), (5, 1), (2, 1)):
            yield equals(n_folds, repeats, only_on_average)
    data = find(orl_people(), engine)
    made = vectors(data, engine)
    yield seeds(made["block5_pool"], data.person)
    yield shuffled(made["block4_pool"], data.person)


def equals(n_folds: int, repeats: int, only_on_average: bool) -> dict[str, Any]:
    """Count how often heads that are equally right are told apart."""
    pairs = [equal_pair(seed, n_folds, repeats, only_on_average) for seed in range(PAIRS)]
    return {
        "equal heads": "on average over people" if only_on_average else "for these people",
        "folds": f"{n_folds} x {repeats}",
        "accuracy": float(np.mean([pair.shares for pair in pairs])),
        "told apart: corrected t": share([corrected_t(pair.differences, 1 / n_folds).p_value for pair in pairs]),
        "uncorrected t": share([corrected_t(pair.differences, 0).p_value for pair in pairs]),
        "McNemar, first repeat": share([mcnemar(pair.first[0], pair.second[0]) for pair in pairs]),
    }


def share(p_values: list[float]) -> str:
    """Write how many of the pairs a test tells apart."""
    return f"{100 * sum(p < LEVEL for p in p_values) / PAIRS:.1f} %"


def seeds(X: Any, y: Any) -> dict[str, Any]:
    """Count how often a head is told apart from itself under another seed."""
    # Keras keeps something of every network; new processes now and then give the memory back.
    with get_context("spawn").Pool(WORKERS, maxtasksperchild=10) as pool:
        found = np.array(list(pool.imap(partial(other_seed, X, y), range(RUNS))))
    p_values = np.array([corrected_t(first - second, 1 / FEW_FOLDS).p_value for first, second in found])
    differ = np.any(found[:, 0] != found[:, 1], axis=1)
    return {
        "a head against itself": "dense, another seed, block5_pool",
        "runs": RUNS,
        "folds": f"{FEW_FOLDS}, of {FEW} people",
        "accuracy": float(found.mean()),
        "differ in some fold": int(differ.sum()),
        "mean difference, absolute": float(np.mean(np.abs(found[:, 0].mean(axis=1) - found[:, 1].mean(axis=1)))),
        "tied": int(np.sum(p_values >= LEVEL)),
    }


def other_seed(X: Any, y: Any, run: int) -> Any:
    """Return the accuracies of two seeds on a few people, shape (2, n_folds)."""
    who = np.sort(np.random.default_rng(run).permutation(np.unique(y))[:FEW])
    rows = np.flatnonzero(np.isin(y, who))
    mine = np.searchsorted(who, y[rows]).astype(np.int32)
    cut = cut_into(mine, FEW_FOLDS, run)
    trials = [Trial("dense", {**DENSE, "random_state": seed}) for seed in (run, 1000 + run)]
    return np.array([accuracies(X[rows], mine, mine, cut, trial) for trial in trials])


def shuffled(X: Any, y: Any, head: str = "lda", n_folds: int = 10) -> dict[str, Any]:
    """Count how often a head that learnt shuffled labels is found worse than the same head on true ones."""
    worse, means = 0, []
    for run in range(RUNS):
        cut = cut_into(y, n_folds, run)
        wrong = np.random.default_rng(run).permutation(y)
        learnt, true = (accuracies(X, labels, y, cut, Trial(head)) for labels in (wrong, y))
        found = corrected_t(learnt - true, 1 / n_folds)
        worse += found.p_value < LEVEL and found.mean < 0
        means.append((learnt.mean(), true.mean()))
    of_shuffled, of_true = np.mean(means, axis=0)
    return {
        "shuffled labels": f"{head}, block4_pool",
        "runs": RUNS,
        "folds": n_folds,
        "accuracy after shuffled labels": float(of_shuffled),
        "after true ones": float(of_true),
        "found worse": worse,
    }


def cut_into(y: Any, n_folds: int, seed: int) -> Folds:
    """Deal a table whose pictures are all different."""
    people = tuple(f"{person}" for person in np.unique(y))
    return folds(y, np.arange(len(y)), people, n_folds=n_folds, random_state=seed)


def accuracies(X: Any, labels: Any, y: Any, cut: Folds, trial: Trial) -> Any:
    """Return the accuracy in each fold of a head that learns ``labels``, where ``y`` is true."""
    (found,) = cross_validate(X, labels, cut.splits, [trial], 1)
    shares = []
    for one, (_, test) in zip(found, cut.splits, strict=True):
        if not isinstance(one, Outcome):
            raise RuntimeError(one)
        shares.append(np.mean(one.named == y[test]))
    return np.array(shares)


if __name__ == "__main__":
    main(measure, __doc__)
