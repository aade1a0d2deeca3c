"""All heads on all layers, on the same folds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.errors import InputError
from facefeat.features import backbone as backbones
from facefeat.features.compute import Progress
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn import openset
from facefeat.learn.baselines import BASELINES, baseline_cost, score_baseline, without_copies
from facefeat.learn.comparison import Comparison, Row
from facefeat.learn.copies import groups_of
from facefeat.learn.crossval import Result, Trial, cross_validate
from facefeat.learn.held_out import tested
from facefeat.learn.metrics import Share
from facefeat.learn.mistakes import mistakes_of
from facefeat.learn.openset import OpenSet, Trials
from facefeat.learn.scoring import against_best, benefit_of, calibration_of, row_of, step_of
from facefeat.learn.splits import Folds, folds

TOO_LONG = 1200.0  # seconds that a head may take for all folds of a layer, by its own estimate, if nobody named it
REPEATS = 3
STRANGER_REPEATS = 5


def compare(
    file: FeatureFile,
    *,
    heads_wanted: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    slow: bool = True,
    n_folds: int = 10,
    repeats: int = REPEATS,
    stranger_repeats: int = STRANGER_REPEATS,
    test: FeatureFile | None = None,
    random_state: int = 0,
    workers: int = 2,
    baselines: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Compare heads and layers by cross-validation.

    Augmented copies train where their pictures do, and are never tested; each head is also fitted without them.

    Every head sees the same stratified folds; copies of one picture never stand on both sides. Scaling is
    part of a head and learned on the training rows of each fold.

    Parameters
    ----------
    file : FeatureFile
    heads_wanted : sequence of str or None
        By default all, but for those that would take longer than ``TOO_LONG``; slow ones on what the backbone recommends, unless
        layers are named.
    layers : sequence of str or None
        By default all of the file, and what its backbone recommends.
    slow : bool, default=True
        Whether slow heads take part, where none was named.
    n_folds, repeats, random_state : int
        See ``facefeat.learn.splits.folds``. Three repeats tell heads apart that one cannot, without more false alarms;
        docs/benchmarks.md has the simulation.
    stranger_repeats : int, default=5
        How often half of the people are held out as strangers; see ``facefeat.learn.openset``. 0: never.
    test : FeatureFile or None
        Other pictures of the same people, on which the heads are tested as well.
    workers : int, default=2
        Folds that are worked on side by side; the figures do not depend on it.
    baselines : bool, default=True
        Whether what heads are held against is scored as well: pixels, the majority class, and the same heads without
        augmented copies.
    progress : callable or None
        Called with what is fitted, how many fits are done, of how many.

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError
        For an unknown head or layer.
    InputError
        With fewer than two people, where nobody has two pictures, or where no head could be fitted.
    RecipeMismatch
        If the test set is of another recipe.
    """
    started = time.perf_counter()
    if test is not None:  # a mismatch is said before any work
        file.recipe.require(test.recipe, str(test.path))
    costs = _costs(file, heads_wanted, layers, slow)
    if baselines:
        costs |= {(name, ""): baseline_cost(name, file.n_pictures) for name in BASELINES}
    groups, own = groups_of(file, workers=workers), file.own
    cut = folds(file.person, groups, file.people, own=own, n_folds=n_folds, repeats=repeats, random_state=random_state)
    trials = openset.deal(file.person, groups, stranger_repeats, random_state, own=own) if stranger_repeats else None
    n_fits = len(cut.splits) + (len(trials.splits) if trials else 0)
    chosen, left_out = _affordable(costs, n_fits, named=bool(heads_wanted))
    tell = progress or (lambda what, n, total: None)
    wanted = [one for one in chosen if one[1]]
    found, failed = _scored(file, cut, trials, wanted, workers, tell, plain=baselines and file.n_each > 0)
    if not found:
        raise InputError(f"No head could be fitted; the first, {failed[0][0]}, said: {failed[0][2]}")
    beside = _baselines(file, cut, [name for name, layer in chosen if not layer], workers, tell)
    rows = against_best(sorted(found, key=lambda row: _rank(row, file)), cut)
    test_set = None
    if test is not None:
        tell("the test set", 0, 0)
        test_set, rows = tested(file, test, rows, workers)
    unlike, apart = len(np.unique(file.first_alike())), len(np.unique(groups))
    return Comparison(
        rows=rows,
        baselines=beside,
        failed=tuple(failed),
        left_out=left_out,
        n_people=len(file.people),
        n_images=file.n_pictures,
        n_tested=len(cut.tested),
        n_augmented=len(file) - file.n_pictures,
        n_each=file.n_each,
        copies=file.n_pictures - unlike,
        near_copies=unlike - apart,
        with_leaks=_with_leaks(file, rows[0], cut, workers) if apart < file.n_pictures else None,
        folds=cut,
        trials=trials,
        test=test_set,
        mistakes=mistakes_of(file, rows[0], cut, groups),
        seconds=time.perf_counter() - started,
        backbone=file.recipe.backbone,
    )


def _affordable(
    costs: Mapping[tuple[str, str], float], n_fits: int, *, named: bool
) -> tuple[list[tuple[str, str]], tuple[tuple[str, str, float], ...]]:
    """Leave out what would take too long, unless its head was named; baselines may always be left out."""
    left_out = tuple(
        (name, layer, seconds * n_fits)
        for (name, layer), seconds in costs.items()
        if seconds * n_fits > TOO_LONG and not (named and layer)
    )
    chosen = [one for one in costs if one not in {(name, layer) for name, layer, _ in left_out}]
    if not any(layer for _, layer in chosen):
        raise InputError("Every head would take too long on so many pictures; name one with --heads.")
    return chosen, left_out


def _baselines(file: FeatureFile, cut: Folds, names: Sequence[str], workers: int, tell: Progress) -> tuple[Row, ...]:
    """Score what any head should beat, on the same folds."""
    rows = []
    for name in names:
        tell(name, 0, 0)
        rows.append(row_of(name, "", file.person, cut, score_baseline(name, file, cut.splits, workers)))
    return tuple(rows)


def _with_leaks(file: FeatureFile, best: Row, cut: Folds, workers: int) -> Share:
    """Score the best row again on folds that know of no copies."""
    own, X = file.own, file.vectors(best.layer)
    options = {"n_folds": cut.n_folds, "repeats": cut.repeats, "random_state": cut.random_state}
    loose = folds(file.person, own, file.people, own=own, **options)
    results = cross_validate(X, file.person, loose.splits, [Trial(best.head)], workers)[0]
    return row_of(best.head, best.layer, file.person, loose, results).accuracy


def left_out_sentence(left_out: Sequence[tuple[str, str, float]], option: str) -> str:
    """Say what was left out, and why; an empty text where nothing was.

    Parameters
    ----------
    left_out : sequence of (head, layer, seconds)
        See ``Comparison``.
    option : str
        How a head is named on the command line.

    Examples
    --------
    >>> left_out_sentence([("svm", "block4_pool", 340_000.0)], "--heads")
    'Left out, as more than 20 minutes on one core: svm on block4_pool (about 94 hours). Name a head with --heads to have it all the same.'
    """
    if not left_out:
        return ""
    named = [f"{' on '.join(filter(None, one))} (about {_duration(seconds)})" for *one, seconds in left_out]
    return (
        f"Left out, as more than {_duration(TOO_LONG)} on one core: {', '.join(named)}. "
        f"Name a head with {option} to have it all the same."
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:,.0f} hours" if seconds >= 5400 else f"{seconds / 60:.0f} minutes"


def _costs(
    file: FeatureFile, heads_wanted: Sequence[str] | None, layers: Sequence[str] | None, slow: bool
) -> dict[tuple[str, str], float]:
    """Choose heads and layers, and estimate the seconds that each takes for a fold."""
    wanted = heads_wanted or [name for name in plugins.names("head") if slow or not heads.is_slow(name)]
    for head in wanted:
        heads.build(head)  # an unknown name is said before any work
    usual = backbones.usual_layer(file.recipe)
    widths = {layer: file.width(layer) for layer in layers or (*file.layers, usual)}
    return {
        (head, layer): heads.cost(head, len(file), width, len(file.people))
        for layer, width in widths.items()
        for head in wanted
        # What is slow is tried where it is most likely to be worth its time.
        if heads_wanted or layers or layer == usual or not heads.is_slow(head)
    }


def _scored(
    file: FeatureFile,
    cut: Folds,
    trials: Trials | None,
    chosen: Sequence[tuple[str, str]],
    workers: int,
    tell: Progress,
    *,
    plain: bool,
) -> tuple[list[Row], list[tuple[str, str, str]]]:
    """Cross-validate heads and put strangers before them, layer by layer; return rows, and what failed.

    With ``plain``, heads are fitted without augmented copies as well.
    """
    n, less = len(cut.splits), without_copies(cut.splits, file) if plain else []
    splits = [*cut.splits, *less, *(trials.splits if trials else ())]
    done, total = 0, len(chosen) * len(splits)
    rows: list[Row] = []
    failed: list[tuple[str, str, str]] = []
    step = step_of(len(cut.tested), len(file.people))
    for layer in dict.fromkeys(layer for _, layer in chosen):

        def told(what: str, more: int, layer: str = layer) -> None:
            nonlocal done
            done += more
            tell(f"{what} on {layer}", done, total)

        X, y = file.vectors(layer), file.person
        names = [head for head, its in chosen if its == layer]
        results = cross_validate(X, y, splits, [Trial(head) for head in names], workers, told, step)
        parts = (slice(n), slice(n, n + len(less)), slice(n + len(less), None))
        known, without, strangers = ([found[part] for found in results] for part in parts)
        against = _against_strangers(X, y, trials, strangers, workers)
        for head, found, other, open_set in zip(names, known, without, against, strict=True):
            if failures := [result for result in found if isinstance(result, str)]:
                failed.append((head, layer, failures[0]))
            else:
                row = row_of(head, layer, y, cut, found)
                benefit = benefit_of(row, y, cut, other) if plain else None
                sure = calibration_of(y, cut, found, step)
                rows.append(replace(row, calibration=sure, open_set=open_set, benefit=benefit))
    return rows, failed


def _against_strangers(
    X: NDArray[Any], y: NDArray[np.int32], trials: Trials | None, results: Sequence[Sequence[Result]], workers: int
) -> Sequence[OpenSet | None]:
    """Measure heads against strangers, where there are any and their score can be fitted."""
    if trials:
        with suppress(ValueError):  # vectors that are not finite, of which each head speaks for itself
            return openset.measured(X, y, trials, results, workers)
    return [None] * len(results)


def _rank(row: Row, file: FeatureFile) -> tuple[float, float, bool, int, str, str]:
    """Order rows by what was measured; ties by the backbone's own layer and the head's rank, so that runs agree."""
    usual, rank = backbones.usual_layer(file.recipe), heads.rank(row.head)
    return -row.accuracy.mean, -row.balanced_accuracy.mean, row.layer != usual, rank, row.head, row.layer
