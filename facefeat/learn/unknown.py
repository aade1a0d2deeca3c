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
from facefeat.learn.splits import folds
from facefeat.learn.threads import side_by_side
from facefeat.learn.training import TrainingSet

PEOPLE_FOLDS = 5
MIN_PEOPLE = 3
SCORE = ("prototype", {"whiten": True})  # the head that strangers are refused by, and its knobs
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
    """

    value: float
    fpir: float
    fnir: float | None
    n_people: int
    n_pictures: int
    how: str


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
    cosines: NDArray[np.float64] = score[-1].similarities(score[:-1].transform(X))
    return cosines


def directions(score: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return unit vectors whose products are the cosines between faces, shape (n_images, n_features)."""
    found: NDArray[np.float64] = score[-1].directions(score[:-1].transform(X))
    return found


def choose_threshold(
    X: NDArray[Any],
    y: NDArray[np.int32],
    groups: NDArray[np.int64],
    people: tuple[str, ...],
    *,
    fpir: float = 0.01,
    random_state: int = 0,
    workers: int = 1,
) -> Threshold:
    """Choose the threshold for a rate of strangers that are given a name.

    People are dealt into five parts. Each part in turn is left out whole; the score is fitted on four
    fifths of the others' pictures. The pictures of those left out are strangers, the last fifth of the
    others' are known faces. The threshold is the strangers' quantile, or, where nearly all known faces
    lie above it, midway to the lowest of them.

    Parameters
    ----------
    X : ndarray of shape (n_images, n_features)
    y : ndarray of shape (n_images,), int32
    groups : ndarray of shape (n_images,), int64
        See ``facefeat.learn.copies.groups_of``.
    people : tuple of str
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
    strangers, known, right = _scores(X, y, groups, people, random_state, workers)
    if not len(strangers):
        return _not_measurable(fpir, "too few pictures to leave people out")
    value = float(np.nextafter(np.quantile(strangers, 1 - fpir, method="higher"), 2.0))
    n = len(strangers)
    how = f"chosen on {n} pictures of {len(people)} people, each left out in turn, for an FPIR of {100 * fpir:.2g} % at most"
    lowest = float(np.quantile(known, SPARED)) if len(known) else value
    if lowest > value:  # strangers and known faces lie apart: nearer to neither is safer against the next stranger
        value = (value + lowest) / 2
        how += ", midway between strangers and known faces, which lie apart"
    fnir = float(np.mean(~(right & (known >= value)))) if len(known) else None
    if n * fpir < 3:  # fewer than three expected: the rate itself cannot be told from zero (rule of three)
        how += f"; the lowest rate that {n} pictures can tell from none is {300 / n:.1f} %"
    return Threshold(value, fpir, fnir, len(people), n, how)


def _not_measurable(fpir: float, why: str) -> Threshold:
    return Threshold(-1.0, fpir, None, 0, 0, f"not measurable: {why}; so every face is given a name")


def _scores(
    X: NDArray[Any],
    y: NDArray[np.int32],
    groups: NDArray[np.int64],
    people: tuple[str, ...],
    random_state: int,
    workers: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return strangers' best scores, known faces' best scores, and whether the latter are their own person's."""
    n_parts = min(PEOPLE_FOLDS, len(people))
    order = np.random.default_rng(random_state).permutation(len(people))
    pictures = folds(y, groups, people, n_folds=PEOPLE_FOLDS, random_state=random_state).splits

    vectors = Vectors(X)

    def part(number: int) -> tuple[_Scores, _Scores]:
        outside = np.isin(y, order[number::n_parts])
        train, test = (rows[~outside[rows]] for rows in pictures[number % len(pictures)])
        if len(np.unique(y[train])) < 2:
            return _NONE, _NONE
        space = vectors.space(y, train)
        score = heads.fit_shared(SCORE[0], heads.build(*SCORE)[-1], space)
        return _best(score, space, np.flatnonzero(outside)), _best(score, space, test)

    parts = list(side_by_side(part, range(n_parts), workers))
    strangers = np.concatenate([scores for (scores, _), _ in parts])
    known, right = (np.concatenate(columns) for columns in zip(*(seen for _, seen in parts), strict=True))
    return strangers, known, right


_Scores = tuple[NDArray[np.float64], NDArray[np.bool_]]
_NONE: _Scores = (np.empty(0), np.empty(0, bool))


def _best(score: Any, space: Space, rows: NDArray[np.int64]) -> _Scores:
    """Return the best score of rows of the table, and whether it is their own person's."""
    found = [_NONE]
    for block in blocks(len(rows), max(space.width, len(space.classes))):
        cosines = score.similarities(space.coordinates(rows[block]))
        named = space.classes[cosines.argmax(axis=1)]
        found.append((cosines.max(axis=1), named == space.y[rows[block]]))
    scores, right = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return scores, right
