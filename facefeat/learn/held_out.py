"""The rows of a comparison on a test set: fitted on all pictures, tested on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facefeat.data.folder import escaped
from facefeat.features.store.file import FeatureFile
from facefeat.learn.comparison import Row, TestScore, TestSet
from facefeat.learn.copies import Faces, among, near_copies_between
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.metrics import wilson
from facefeat.learn.people import matched
from facefeat.learn.statistics import holm, mcnemar


def tested(file: FeatureFile, other: FeatureFile, rows: Sequence[Row], workers: int) -> tuple[TestSet, tuple[Row, ...]]:
    """Test every row on other pictures of the same people.

    Parameters
    ----------
    file : FeatureFile
        On which the rows were compared; all of it trains.
    other : FeatureFile
        Of the same recipe, its augmented copies left out. People are matched by their names.
    rows : sequence of Row
        Best first.
    workers : int

    Returns
    -------
    test_set : TestSet
    rows : tuple of Row
        With their ``test``; without it where a head could not be fitted.

    Raises
    ------
    RecipeMismatch
    """
    file.recipe.require(other.recipe, str(other.path))
    other = other.originals()
    truth = matched(other.people, file.people)[other.person].astype(np.int32)
    known = np.flatnonzero(truth >= 0)
    same, near = _leaks(file, other, known)
    theirs = matched(tuple(one.path.partition("/")[0] for one in other.skipped), file.people)
    n_failures = int(np.sum(theirs >= 0))
    test_set = TestSet(
        path=escaped(str(other.path)),
        n_images=len(known),
        n_people=len(np.unique(truth[known])),
        n_others=len(other) - len(known),
        n_failures=n_failures,
        leaks=int(same.sum()),
        near_leaks=int(near.sum()),
    )
    if not len(known):
        return test_set, tuple(rows)
    right = _right(file, other, truth, known, rows, workers)
    return test_set, _with_scores(rows, right, same | near, n_failures)


def _leaks(
    file: FeatureFile, other: FeatureFile, known: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which of the known rows are in the training pictures byte for byte, and which nearly."""
    same = among(other.sha256, file.sha256)
    near = np.zeros(len(other), bool)
    near[[one.first for one in near_copies_between(Faces.of(other), Faces.of(file.originals()))]] = True
    return same[known], (near & ~same)[known]


def _right(
    file: FeatureFile,
    other: FeatureFile,
    truth: NDArray[np.int32],
    known: NDArray[np.int64],
    rows: Sequence[Row],
    workers: int,
) -> list[NDArray[np.bool_] | None]:
    """Return which of the known rows each head names right; ``None`` where it could not be fitted."""
    y = np.concatenate([file.person, truth[known]]).astype(np.int32)
    split = np.arange(len(file)), np.arange(len(file), len(y))
    right: list[NDArray[np.bool_] | None] = [None] * len(rows)
    for layer in dict.fromkeys(row.layer for row in rows):
        X = np.concatenate([file.vectors(layer), other.vectors(layer)[known]])
        mine = [number for number, row in enumerate(rows) if row.layer == layer]
        results = cross_validate(X, y, [split], [Trial(rows[number].head) for number in mine], workers)
        for number, (result,) in zip(mine, results, strict=True):
            if isinstance(result, Outcome):
                right[number] = result.named == truth[known]
    return right


def _with_scores(
    rows: Sequence[Row], right: Sequence[NDArray[np.bool_] | None], leaked: NDArray[np.bool_], n_failures: int
) -> tuple[Row, ...]:
    best = right[0]
    p_values = [mcnemar(best, one) if best is not None and one is not None else np.nan for one in right]
    adjusted = [1.0, *holm(p_values[1:])]
    found = []
    for row, its, p in zip(rows, right, adjusted, strict=True):
        if its is None:
            found.append(row)
            continue
        n, fresh = len(its) + n_failures, int(np.sum(~leaked)) + n_failures
        all_, rest = (wilson(float(hits.sum()) / max(of, 1), of) for hits, of in ((its, n), (its[~leaked], fresh)))
        found.append(replace(row, test=TestScore(all_, rest, p)))
    return tuple(found)
