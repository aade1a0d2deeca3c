"""Strangers: a score for every face, and the threshold under which it is called unknown.

The score is the cosine between a face and the mean of the person it was named, in the space where all
directions vary alike within a person (``facefeat.heads.prototype``). It does not depend on the head.
The threshold is chosen by leaving whole people out: they are strangers to a score fitted on the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._rows import blocks
from facefeat.heads._rowspace import Vectors
from facefeat.heads._space import Space
from facefeat.learn import head as heads
from facefeat.learn.rates import clustered, expected_threshold, measurable
from facefeat.learn.splits import folds, pictures_of
from facefeat.learn.threads import side_by_side
from facefeat.learn.training import TrainingSet

PEOPLE_FOLDS = 5
MOST_JUDGED = 100_000  # strangers' pictures that choose the threshold, and known faces beside them; drawn from more
MIN_PEOPLE = 3
SCORE = ("prototype", {"whiten": True})  # the head that strangers are refused by, and its knobs
NO_THRESHOLD = -1.0  # the lowest cosine there is: every face is given a name
SPARED = 0.01  # share of known faces that may lie below what counts as the lowest of them


@dataclass(frozen=True)
class Threshold:
    """Where "unknown" begins, and how that was found.

    Attributes
    ----------
    value : float
        Faces of a lower score are unknown.
    fpir : float
        Share of strangers' pictures that may be given a name (false positive identification rate).
    fnir : float or None
        Share of known faces not given their own name at this threshold (false negative identification
        rate), on pictures that did not train; ``None`` where it was not measured.
    n_people, n_pictures : int
        Strangers it was chosen on.
    how : str
        One sentence.
    reached, reached_low, reached_high : float or None
        Share of strangers' pictures that got a name at a threshold that other strangers chose in the same way, with its
        95 % interval; ``None`` where strangers are too few for that.
    """

    value: float
    fpir: float
    fnir: float | None
    n_people: int
    n_pictures: int
    how: str
    reached: float | None = None
    reached_low: float | None = None
    reached_high: float | None = None


def fit_score(X: NDArray[Any], y: NDArray[Any]) -> Any:
    """Fit the score that strangers are refused by.

    Parameters
    ----------
    X : ndarray of shape (n_images, n_features)
    y : ndarray of shape (n_images,)

    Returns
    -------
    Pipeline
        For ``similarities``.
    """
    return TrainingSet(Vectors(X), y).fit(*SCORE)


def similarities(score: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return the cosine of each face to each person's mean, shape (n_images, n_people)."""
    return to_means(score, directions(score, X))


def directions(score: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return unit vectors whose products are the cosines between faces, shape (n_images, n_features)."""
    found: NDArray[np.float64] = score[-1].directions(score[:-1].transform(X))
    return found


def to_means(score: Any, towards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what ``similarities`` does, of faces whose directions are there already."""
    cosines: NDArray[np.float64] = score[-1].cosines(towards)
    return cosines


def choose_threshold(
    X: NDArray[Any],
    y: NDArray[np.int32],
    groups: NDArray[np.int64],
    people: tuple[str, ...],
    *,
    own: NDArray[np.int64] | None = None,
    fpir: float = 0.01,
    random_state: int = 0,
    workers: int = 1,
) -> Threshold:
    """Choose the threshold for a rate of strangers that are given a name.

    People are dealt into five parts. Each part in turn is left out whole; the score is fitted on four
    fifths of the others' pictures. The pictures of those left out are strangers, the last fifth of the
    others' are known faces; of tables with more than ``MOST_JUDGED`` pictures, that share of both is drawn.
    The threshold is the strangers' quantile, or, where nearly all known faces
    lie above it, midway to the lowest of them.

    Parameters
    ----------
    X : ndarray of shape (n_images, n_features)
    y : ndarray of shape (n_images,), int32
    groups : ndarray of shape (n_images,), int64
        See ``facefeat.learn.copies.groups_of``.
    people : tuple of str
    own : ndarray of shape (n_images,), int64, optional
        See ``facefeat.learn.splits.folds``: augmented copies train, and choose nothing.
    fpir : float, default=0.01
    random_state : int, default=0
    workers : int, default=1
        Parts that are worked on side by side; the threshold does not depend on it.

    Returns
    -------
    Threshold
    """
    if len(people) < MIN_PEOPLE:
        return _not_measurable(fpir, f"with {len(people)} people nobody can be left out")
    if len(np.unique(np.stack([y, groups]), axis=1).T) == len(people):
        return _not_measurable(
            fpir, "everybody has a single picture, so nothing shows how alike pictures of one person are"
        )
    parts = _parts(X, y, groups, people, own, random_state, workers)
    strangers, known, right = (np.concatenate(columns) for columns in zip(*(one[:3] for one in parts), strict=True))
    if not len(strangers):
        return _not_measurable(fpir, "too few pictures to leave people out")
    value, n = expected_threshold(strangers, fpir), len(strangers)
    drawn = f", drawn from {n_all}," if (n_all := len(pictures_of(y, own))) > MOST_JUDGED else ""
    how = f"chosen on {n} pictures{drawn} of {len(people)} people, each left out in turn, for an FPIR of {100 * fpir:.2g} %"
    lowest = float(np.quantile(known, SPARED)) if len(known) else value
    if lowest > value:  # strangers and known faces lie apart: nearer to neither is safer against the next stranger
        value = (value + lowest) / 2
        how += ", midway between strangers and known faces, which lie apart"
    fnir = float(np.mean(~(right & (known >= value)))) if len(known) else None
    if not measurable(n, fpir):
        how += f"; the lowest rate that {n} pictures can tell from none is {300 / n:.1f} %"
    return Threshold(value, fpir, fnir, len(people), n, how, *_reached(parts, y, fpir))


def _not_measurable(fpir: float, why: str) -> Threshold:
    return Threshold(NO_THRESHOLD, fpir, None, 0, 0, f"not measurable: {why}; so every face is given a name")


_Part = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]


def _reached(parts: list[_Part], y: NDArray[np.int32], fpir: float) -> tuple[float | None, float | None, float | None]:
    """Return the share of strangers named at the threshold of the other parts' strangers, and its interval."""
    scores = [part[0] for part in parts]
    if sum(map(bool, map(len, scores))) < 2:
        return None, None, None
    named = 0
    for number, mine in enumerate(scores):
        others = np.concatenate([one for i, one in enumerate(scores) if i != number])
        named += int(np.sum(mine >= expected_threshold(others, fpir)))
    strangers = np.concatenate(scores)
    share = clustered(named / len(strangers), strangers, y[np.concatenate([part[3] for part in parts])])
    return share.mean, share.low, share.high


def _parts(
    X: NDArray[Any],
    y: NDArray[np.int32],
    groups: NDArray[np.int64],
    people: tuple[str, ...],
    own: NDArray[np.int64] | None,
    random_state: int,
    workers: int,
) -> list[_Part]:
    """Leave people out, a part after the other.

    Returns of each part strangers' best scores, known faces' best scores, whether the latter are their own person's, and
    the rows of the strangers.
    """
    n_parts = min(PEOPLE_FOLDS, len(people))
    order = np.random.default_rng(random_state).permutation(len(people))
    cut = folds(y, groups, people, own=own, n_folds=PEOPLE_FOLDS, random_state=random_state).splits
    pictures = pictures_of(y, own)
    share = min(1.0, MOST_JUDGED / len(pictures))
    vectors = Vectors(X)

    def part(number: int) -> _Part:
        outside = np.isin(y, order[number::n_parts])
        train, test = (rows[~outside[rows]] for rows in cut[number % len(cut)])
        if len(np.unique(y[train])) < 2:
            return np.empty(0), np.empty(0), np.empty(0, bool), np.empty(0, np.int64)
        space = vectors.space(y, train)
        score = heads.fit_shared(SCORE[0], heads.build(*SCORE)[-1], space)
        strangers, test = (_drawn(rows, share, [random_state, number]) for rows in (pictures[outside[pictures]], test))
        return _best(score, space, strangers)[0], *_best(score, space, test), strangers

    return list(side_by_side(part, range(n_parts), workers))


def _drawn(rows: NDArray[np.int64], share: float, seed: list[int]) -> NDArray[np.int64]:
    """Draw a share of some rows, rising."""
    if share >= 1:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, round(share * len(rows)), replace=False))


def _best(score: Any, space: Space, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the best score of rows of the table, and whether it is their own person's."""
    found = [(np.empty(0), np.empty(0, bool))]
    for block in blocks(len(rows), max(space.width, len(space.classes))):
        cosines = score.similarities(space.coordinates(rows[block]))
        named = space.classes[cosines.argmax(axis=1)]
        found.append((cosines.max(axis=1), named == space.y[rows[block]]))
    scores, right = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return scores, right
