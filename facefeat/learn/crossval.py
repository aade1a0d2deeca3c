"""Several heads on the same folds; what they share is computed once a fold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._rowspace import Vectors
from facefeat.heads._space import Space
from facefeat.learn import head as heads
from facefeat.learn.calibration import logits
from facefeat.learn.threads import cores, side_by_side
from facefeat.learn.training import TrainingSet, scored

Split = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Trial:
    """A head and its knobs.

    Attributes
    ----------
    head : str
    params : mapping of str to value
    """

    head: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> Any:
        """Return the head, unfitted."""
        return heads.build(self.head, self.params)


@dataclass(frozen=True)
class Outcome:
    """How a trial did in one fold.

    Attributes
    ----------
    named : ndarray of shape (n_test,), int32
        Whom each tested picture was taken for.
    ranks : ndarray of shape (n_test,), int32
        Of its own person among all, from 1; 0 for somebody who did not train.
    scores : ndarray of shape (n_kept, n_people), float32
        Of every so many tested pictures; see ``facefeat.learn.calibration.logits``.
    fit_seconds : float
        The head's own time, and that of the work it shares: each head is charged for all that it used.
    predict_seconds : float
        For one picture.
    """

    named: NDArray[np.int32]
    ranks: NDArray[np.int32]
    scores: NDArray[np.float32]
    fit_seconds: float
    predict_seconds: float


Result = Outcome | str  # a sentence where a head could not be fitted


class _Judge:
    """Names and ranks for the tested pictures of one split, block by block.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Who trained.
    truth : ndarray of shape (n_test,)
    step : int
        Of how many pictures one has its scores kept; 0 for none.
    """

    def __init__(self, classes: NDArray[Any], truth: NDArray[np.int32], step: int) -> None:
        self.classes, self.truth, self.step = classes, truth, step
        self.named, self.ranks = (np.zeros(len(truth), np.int32) for _ in range(2))
        self.kept: list[NDArray[np.float32]] = [np.empty((0, len(classes)), np.float32)]

    def see(self, block: slice, scores: NDArray[np.float64]) -> None:
        """Take the scores of some of the pictures."""
        truth = self.truth[block]
        self.named[block] = self.classes[scores.argmax(axis=1)]
        place = np.minimum(np.searchsorted(self.classes, truth), len(self.classes) - 1)
        own = scores[np.arange(len(truth)), place][:, None]
        before = (scores > own) | ((scores == own) & (np.arange(len(self.classes)) < place[:, None]))
        self.ranks[block] = np.where(self.classes[place] == truth, 1 + before.sum(axis=1), 0)
        if self.step:
            self.kept.append(scores[-block.start % self.step :: self.step].astype(np.float32))

    def outcome(self, fit_seconds: float, predict_seconds: float) -> Outcome:
        """Return what was found, with the seconds for all pictures."""
        each = predict_seconds / len(self.truth)
        return Outcome(self.named, self.ranks, np.concatenate(self.kept), fit_seconds, each)


def cross_validate(
    X: NDArray[Any],
    y: NDArray[np.int32],
    splits: Sequence[Split],
    trials: Sequence[Trial],
    workers: int,
    tell: Callable[[str, int], None] = lambda what, done: None,
    step: int = 0,
) -> list[list[Result]]:
    """Fit and test every trial on every fold.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    y : ndarray of shape (n,), int32
    splits : sequence of (train, test)
        Row numbers.
    trials : sequence of Trial
    workers : int
        Folds that are worked on side by side.
    tell : callable, optional
        Called with the heads that are at work and how many fits were finished since the last call.
    step : int, default=0
        Of how many tested pictures one has its scores kept; 0 for none.

    Returns
    -------
    list of list of (Outcome or str)
        For each trial, one for each fold.
    """
    results: list[list[Result]] = [[] for _ in trials]
    shared = [i for i, trial in enumerate(trials) if heads.shares(trial.head)]
    if shared:
        together = [trials[i] for i in shared]
        what = ", ".join(dict.fromkeys(trial.head for trial in together))
        tell(what, 0)
        vectors = Vectors(X)
        in_turn = _alone if vectors.is_large and len(splits) == 1 else side_by_side
        for fold in in_turn(lambda split: _fold(vectors, y, split, together, step), splits, workers):
            for i, result in zip(shared, fold, strict=True):
                results[i].append(result)
            tell(what, len(shared))
    for i in sorted(set(range(len(trials))) - set(shared)):
        tell(trials[i].head, 0)
        if heads.streams(trials[i].head) and Vectors(X).is_large:
            results[i] = [_fold(Vectors(X), y, split, [trials[i]], step)[0] for split in splits]
        else:
            n_workers = 1 if heads.is_slow(trials[i].head) else workers
            results[i] = in_processes(trials[i].build, X, y, splits, n_workers, step)
        tell(trials[i].head, len(splits))
    return results


def _alone(work: Callable[[Split], list[Result]], splits: Sequence[Split], workers: int) -> Iterator[list[Result]]:
    """Work on folds one after the other, each on all cores: the only one of a large table would leave them idle."""
    with cores(workers):
        yield from map(work, splits)


def in_processes(
    build: Callable[[], Any],
    X: NDArray[Any],
    y: NDArray[np.int32],
    splits: Sequence[Split],
    workers: int,
    step: int = 0,
) -> list[Result]:
    """Fit and test one estimator on every fold, for heads that may hold threads up; see ``cross_validate``."""
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1 if workers > 1 else None):
        found: list[Result] = Parallel()(delayed(alone)(build(), X, y, split, step) for split in splits)
    return found


def alone(estimator: Any, X: NDArray[Any], y: NDArray[np.int32], split: Split, step: int = 0) -> Result:
    """Fit and test an estimator on one fold, sharing nothing."""
    train, test = split
    inputs, queries = np.asarray(X[train]), np.asarray(X[test])
    started = time.perf_counter()
    try:
        estimator.fit(inputs, y[train])
        fitted = time.perf_counter()
        scores = logits(estimator, queries)
        judge = _Judge(estimator.classes_, y[test], step)
        judge.see(slice(0, len(test)), scores)
    except ValueError as error:
        return _sentence(error)
    return judge.outcome(fitted - started, time.perf_counter() - fitted)


def _fold(vectors: Vectors, y: NDArray[np.int32], split: Split, trials: Sequence[Trial], step: int) -> list[Result]:
    rows, results = TrainingSet(vectors, y, split[0]), []
    for trial in trials:
        estimator = trial.build()
        space = rows.space(trial.head, estimator)
        if space is None:
            results.append(alone(estimator, vectors.X, y, split, step))
        else:
            results.append(_together(trial.head, estimator[-1], space, split[1], step))
    return results


def _together(head: str, classifier: Any, space: Space, test: NDArray[np.int64], step: int) -> Result:
    """Fit and test a classifier in shared coordinates."""
    space.begin()
    started = time.perf_counter()
    try:
        fitted = heads.fit_in(head, classifier, space)
        between = time.perf_counter()
        judge = _Judge(fitted.classes_, space.y[test], step)
        for block, scores in scored(fitted, space, test):
            judge.see(block, scores)
    except ValueError as error:
        return _sentence(error)
    return judge.outcome(between - started + space.borrowed(), time.perf_counter() - between)


def _sentence(error: ValueError) -> str:
    return " ".join(str(error).split())
