"""All heads on all layers, on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.errors import InputError
from facefeat.features import backbone as backbones
from facefeat.features.extract import Progress
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn.baselines import BASELINES, baseline_cost, score_baseline
from facefeat.learn.copies import groups_of
from facefeat.learn.crossval import Result, Trial, cross_validate
from facefeat.learn.metrics import Share, balanced_accuracy, macro_f1, wilson
from facefeat.learn.splits import Folds, folds

TOO_LONG = 1200.0  # seconds that a head may take for all folds of a layer, by its own estimate, if nobody named it


@dataclass(frozen=True, eq=False)  # two rows are never the same one by their figures
class Row:
    """One head on one layer.

    Attributes
    ----------
    head, layer : str
        For a baseline, its name and ``''``.
    accuracy : Share
        Of the pictures that were tested, each by a head that did not see it; Wilson's interval.
    balanced_accuracy, macro_f1 : float
    fit_seconds : float
        Median over folds. What heads share, such as the scaling, is done once a fold and counted for each that used
        it.
    predict_ms : float
        For one picture's vector, within a batch; median over folds.
    named : ndarray of shape (n_repeats, n_tested), int32
        Who each tested picture was taken for, rows in the order of ``Folds.tested``.
    """

    head: str
    layer: str
    accuracy: Share
    balanced_accuracy: float
    macro_f1: float
    fit_seconds: float
    predict_ms: float
    named: NDArray[np.int32]


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found.

    Attributes
    ----------
    rows : tuple of Row
        Best first.
    baselines : tuple of Row
    failed : tuple of (head, layer, sentence)
    left_out : tuple of (head, layer, seconds)
        What nobody named and would take too long on one core, for all folds; a baseline has the layer ``''``.
    n_people, n_images, n_tested : int
    copies, near_copies : int
        Pictures that are copies of another byte for byte, and others that are nearly so.
    with_leaks : Share or None
        The accuracy of the best row, had copies and near copies been dealt like other pictures; ``None`` where there
        are none.
    folds : Folds
    """

    rows: tuple[Row, ...]
    baselines: tuple[Row, ...]
    failed: tuple[tuple[str, str, str], ...]
    left_out: tuple[tuple[str, str, float], ...]
    n_people: int
    n_images: int
    n_tested: int
    copies: int
    near_copies: int
    with_leaks: Share | None
    folds: Folds

    @property
    def best(self) -> Row:
        """The first row."""
        return self.rows[0]

    @property
    def within_reach(self) -> tuple[Row, ...]:
        """Other rows whose accuracy lies inside the best one's interval: these pictures cannot rank them."""
        return tuple(row for row in self.rows[1:] if row.accuracy.mean >= self.best.accuracy.low)


def compare(
    file: FeatureFile,
    *,
    heads_wanted: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    slow: bool = True,
    n_folds: int = 10,
    repeats: int = 1,
    random_state: int = 0,
    workers: int = 2,
    baselines: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Compare heads and layers by cross-validation.

    Every head sees the same stratified folds; copies of one picture never stand on both sides. Scaling is
    part of a head and learned on the training rows of each fold.

    Parameters
    ----------
    file : FeatureFile
    heads_wanted : sequence of str or None
        By default all, but for those that would take longer than ``TOO_LONG``.
    layers : sequence of str or None
        All of the file by default.
    slow : bool, default=True
        Whether slow heads take part, where none was named.
    n_folds, repeats, random_state : int
        See ``facefeat.learn.splits.folds``.
    workers : int, default=2
        Folds that are worked on side by side; the figures do not depend on it.
    baselines : bool, default=True
        Whether pixels and the majority class are scored as well.
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
    """
    wanted = list(heads_wanted or (name for name in plugins.names("head") if slow or not heads.is_slow(name)))
    for head in wanted:
        heads.build(head)  # an unknown name is said before any work
    groups = groups_of(file, workers=workers)
    usual = backbones.usual_layer(file.recipe)
    costs = _costs(file, wanted, list(layers or dict.fromkeys((*file.layers, usual))), baselines)
    cut = folds(file.person, groups, file.people, n_folds=n_folds, repeats=repeats, random_state=random_state)
    left_out = tuple(
        (name, layer, seconds * len(cut.splits))
        for (name, layer), seconds in costs.items()
        if seconds * len(cut.splits) > TOO_LONG and not (heads_wanted and layer)
    )
    chosen = [one for one in costs if one not in {(name, layer) for name, layer, _ in left_out}]
    fitted, tell = [one for one in chosen if one[1]], progress or (lambda what, n, total: None)
    rows, failed = _scored(file, cut, fitted, workers, tell)
    if not rows:
        raise InputError(f"No head could be fitted; the first, {failed[0][0]}, said: {failed[0][2]}")
    beside = []
    for name in (name for name, layer in chosen if not layer):
        tell(name, len(fitted) * len(cut.splits), len(fitted) * len(cut.splits))
        beside.append(_row(name, "", file.person, cut, score_baseline(name, file, cut.splits, workers)))
    rows.sort(key=lambda row: _rank(row, file))
    unlike, apart = len(np.unique(file.first_alike())), len(np.unique(groups))
    return Comparison(
        rows=tuple(rows),
        baselines=tuple(beside),
        failed=tuple(failed),
        left_out=left_out,
        n_people=len(file.people),
        n_images=len(file),
        n_tested=len(cut.tested),
        copies=len(file) - unlike,
        near_copies=unlike - apart,
        with_leaks=_with_leaks(file, rows[0], cut, workers) if apart < len(file) else None,
        folds=cut,
    )


def _with_leaks(file: FeatureFile, best: Row, cut: Folds, workers: int) -> Share:
    """Score the best row again on folds that know of no copies."""
    alone, X = np.arange(len(file)), file.vectors(best.layer)
    loose = folds(
        file.person, alone, file.people, n_folds=cut.n_folds, repeats=cut.repeats, random_state=cut.random_state
    )
    results = cross_validate(X, file.person, loose.splits, [Trial(best.head)], workers)[0]
    return _row(best.head, best.layer, file.person, loose, results).accuracy


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
    file: FeatureFile, wanted: Sequence[str], layers: Sequence[str], baselines: bool
) -> dict[tuple[str, str], float]:
    """Estimate the seconds of a fold of every head on every layer, and of the baselines, whose layer is ''."""
    widths = {layer: file.width(layer) for layer in layers}
    costs = {
        (head, layer): heads.cost(head, len(file), widths[layer], len(file.people))
        for layer in layers
        for head in wanted
    }
    return costs | {(name, ""): baseline_cost(name, len(file)) for name in BASELINES if baselines}


def _scored(
    file: FeatureFile, cut: Folds, chosen: list[tuple[str, str]], workers: int, tell: Progress
) -> tuple[list[Row], list[tuple[str, str, str]]]:
    """Cross-validate heads, layer by layer; return rows, and what failed."""
    done, total = 0, len(chosen) * len(cut.splits)
    rows: list[Row] = []
    failed: list[tuple[str, str, str]] = []
    for layer in dict.fromkeys(layer for _, layer in chosen):

        def told(what: str, n: int, layer: str = layer) -> None:
            nonlocal done
            done += n
            tell(f"{what} on {layer}", done, total)

        names = [head for head, its in chosen if its == layer]
        trials = [Trial(head) for head in names]
        found = cross_validate(file.vectors(layer), file.person, cut.splits, trials, workers, told)
        for head, results in zip(names, found, strict=True):
            failures = [result for result in results if isinstance(result, str)]
            if failures:
                failed.append((head, layer, failures[0]))
            else:
                rows.append(_row(head, layer, file.person, cut, results))
    return rows, failed


def _rank(row: Row, file: FeatureFile) -> tuple[float, float, bool, int, str, str]:
    """Order rows by what was measured; ties by the backbone's own layer and the head's rank, so that runs agree."""
    usual, rank = backbones.usual_layer(file.recipe), heads.rank(row.head)
    return -row.accuracy.mean, -row.balanced_accuracy, row.layer != usual, rank, row.head, row.layer


def _row(head: str, layer: str, y: NDArray[np.int32], cut: Folds, results: Sequence[Result]) -> Row:
    outcomes = [result for result in results if not isinstance(result, str)]
    tested = cut.tested
    named = np.full((cut.repeats, len(y)), -1, np.int32)
    for repeat, (_, test), outcome in zip(cut.repeat_of, cut.splits, outcomes, strict=True):
        named[repeat, test] = outcome.named
    named = named[:, tested]
    truth = y[tested]
    return Row(
        head=head,
        layer=layer,
        accuracy=wilson(float(np.mean(named == truth)), len(tested)),
        balanced_accuracy=float(np.mean([balanced_accuracy(truth, one) for one in named])),
        macro_f1=float(np.mean([macro_f1(truth, one) for one in named])),
        fit_seconds=float(np.median([outcome.fit_seconds for outcome in outcomes])),
        predict_ms=float(np.median([outcome.predict_seconds for outcome in outcomes])) * 1000,
        named=named,
    )
