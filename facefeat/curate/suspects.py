"""Pictures that look like another person: by people and by neighbours, judged without themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._rows import blocks
from facefeat.heads._rowspace import Vectors
from facefeat.learn.splits import Folds
from facefeat.learn.threads import side_by_side
from facefeat.learn.training import TrainingSet
from facefeat.learn.unknown import SCORE, directions, similarities


@dataclass(frozen=True)
class Suspicion:
    """How much more each picture is like somebody else than like its own person.

    Attributes
    ----------
    margin : ndarray of shape (n_images,), float64
        Mean of two differences of cosines, that of the nearest other person's mean less that of the own, and that of
        the nearest picture of anybody else less that of the nearest own one; NaN for pictures that were not tested.
    person : ndarray of shape (n_images,), int64
        The other person.
    nearest : ndarray of shape (n_images,), int64
        The row of that person's nearest picture.
    """

    margin: NDArray[np.float64]
    person: NDArray[np.int64]
    nearest: NDArray[np.int64]


def suspicion(X: NDArray[np.floating], y: NDArray[np.int32], cut: Folds, workers: int) -> Suspicion:
    """Judge every picture by a score that was fitted without it and its copies.

    Pictures whose label is wrong lie among those of another person, which a score fitted on the others sees; ranking
    them by such out-of-fold margins is what C. G. Northcutt et al., "Confident Learning" (JAIR 70, 2021), call
    self-confidence.

    Parameters
    ----------
    X : ndarray of shape (n_images, n_features)
    y : ndarray of shape (n_images,), int32
    cut : Folds
    workers : int

    Returns
    -------
    Suspicion
    """
    found = Suspicion(np.full(len(y), np.nan), np.full(len(y), -1), np.full(len(y), -1))
    vectors = Vectors(X)
    parts = side_by_side(lambda split: _fold(vectors, y, *split), cut.splits, workers)
    for (_, test), (margin, person, nearest) in zip(cut.splits, parts, strict=True):
        found.margin[test], found.person[test], found.nearest[test] = margin, person, nearest
    return found


def _fold(
    vectors: Vectors, y: NDArray[np.int32], train: NDArray[np.int64], test: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    score = TrainingSet(vectors, y, train).fit(*SCORE)
    gallery = directions(score, vectors.X[train])
    parts = [_judged(score, gallery, vectors, y, train, test[rows]) for rows in blocks(len(test), len(train))]
    margin, person, nearest = (np.concatenate(part) for part in zip(*parts, strict=True))
    return margin, person, nearest


def _judged(
    score: object,
    gallery: NDArray[np.float64],
    vectors: Vectors,
    y: NDArray[np.int32],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    classes = np.unique(y[train])
    means = similarities(score, vectors.X[test])
    pictures = directions(score, vectors.X[test]) @ gallery.T
    own = classes == y[test][:, None]
    own_rows = y[train] == y[test][:, None]
    person = classes[np.argmax(np.where(own, -np.inf, means), axis=1)]
    nearest = train[np.argmax(np.where(y[train] == person[:, None], pictures, -np.inf), axis=1)]
    by_people = _most(means, ~own) - _most(means, own)
    by_pictures = _most(pictures, ~own_rows) - _most(pictures, own_rows)
    return (by_people + by_pictures) / 2, person, nearest


def _most(cosines: NDArray[np.float64], which: NDArray[np.bool_]) -> NDArray[np.float64]:
    most: NDArray[np.float64] = np.where(which, cosines, -1.0).max(axis=1)
    return most
