"""What a model says of faces, by their vectors: the name or "unknown", the score, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import DamagedFile, RecipeMismatch
from facefeat.heads._rows import blocks
from facefeat.learn.bundle import Bundle
from facefeat.learn.calibration import logits, probabilities
from facefeat.learn.unknown import NO_THRESHOLD, directions, to_means

N_NEAREST = 3
MOST_EXACT = 2**25  # numbers of a gallery whose directions are kept in float64

_BLOCK = 2**22  # numbers of a larger one that are worked on together


@dataclass(frozen=True)
class Candidate:
    """A person that a face may be.

    Attributes
    ----------
    name : str
    score : float
        Cosine to the person's mean; see ``facefeat.learn.unknown``.
    """

    name: str
    score: float


@dataclass(frozen=True)
class Nearest:
    """A training picture that looks like a face.

    Attributes
    ----------
    path, name : str
    similarity : float
        Cosine in the same space as the score.
    """

    path: str
    name: str
    similarity: float


@dataclass(frozen=True)
class Naming:
    """What a model says of one face.

    Attributes
    ----------
    name : str or None
        ``None``: unknown.
    best : str
        Who it is most like, known or not.
    score : float
        Cosine to that person's mean.
    margin : float
        How far the runner-up is behind; negative where the runner-up's mean is nearer.
    threshold : float
        Scores below it are unknown.
    candidates : tuple of Candidate
        As the head ranks them; the first is ``best``.
    nearest : tuple of Nearest
        Training pictures, most alike first.
    runner_up : Candidate or None
        Of all others, the person of the highest score.
    probability : float or None
        That ``best`` is right if the face is of somebody whom the model knows; see ``facefeat.learn.calibration``. ``None``
        for models that cannot say.
    """

    name: str | None
    best: str
    score: float
    margin: float
    threshold: float
    candidates: tuple[Candidate, ...]
    nearest: tuple[Nearest, ...]
    runner_up: Candidate | None = None
    probability: float | None = None

    @property
    def over_threshold(self) -> float | None:
        """How far the score lies over the threshold, negative under it; ``None`` for a model without one."""
        return None if self.threshold <= NO_THRESHOLD else self.score - self.threshold


def namings(
    bundle: Bundle, X: NDArray[Any], top: int, gallery: NDArray[np.floating[Any]] | None = None
) -> list[Naming]:
    """Name faces by their vectors, with or without the nearest training pictures.

    Raises
    ------
    RecipeMismatch
        If the vectors are of another width than the model's.
    DamagedFile
        If the model has no finite score for a face.
    """
    scores, cosines, sure, towards = _numbers(bundle, X)
    own = np.empty((len(X), 0)) if gallery is None else _alike(bundle, towards, gallery)
    return [_naming(bundle, *rows, top) for rows in zip(scores, cosines, sure, own, strict=True)]


def ranked(
    bundle: Bundle, X: NDArray[Any], truth: NDArray[np.int64], top: int
) -> tuple[list[Naming], NDArray[np.int64]]:
    """Name faces of which it is known whose they are, without the nearest training pictures.

    Parameters
    ----------
    bundle : Bundle
    X : ndarray of shape (n_faces, n_features)
    truth : ndarray of shape (n_faces,), int64
        Index into the bundle's people; -1 for a stranger.
    top : int
        How many candidates to list.

    Returns
    -------
    named : list of Naming, length n_faces
    ranks : ndarray of shape (n_faces,), int64
        Where among all people the head puts the right one, from 1; 0 for a stranger.

    Raises
    ------
    RecipeMismatch, DamagedFile
        As ``namings``.
    """
    scores, cosines, sure, _ = _numbers(bundle, X)
    named = [_naming(bundle, *rows, np.empty(0), top) for rows in zip(scores, cosines, sure, strict=True)]
    rows, own = np.arange(len(X)), np.maximum(truth, 0)
    score, cosine = scores[rows, own][:, None], cosines[rows, own][:, None]
    earlier = np.arange(scores.shape[1]) < own[:, None]
    before = (scores > score) | ((scores == score) & ((cosines > cosine) | ((cosines == cosine) & earlier)))
    return named, np.where(truth >= 0, before.sum(axis=1) + 1, 0)


def explained(
    bundle: Bundle, X: NDArray[Any], named: Sequence[Naming], truth: NDArray[np.int64]
) -> list[tuple[Naming, Nearest | None]]:
    """Add the nearest training pictures to faces that were named wrong.

    Parameters
    ----------
    bundle : Bundle
    X : ndarray of shape (n_faces, n_features)
    named : sequence of Naming, length n_faces
    truth : ndarray of shape (n_faces,), int64
        As for ``ranked``.

    Returns
    -------
    list of (Naming, Nearest or None), length n_faces
        The second is the right person's own picture that is most alike; ``None`` for a stranger.
    """
    if not named:
        return []
    people, found = bundle.gallery.pictures.person, []
    gallery = gallery_directions(bundle)
    for block in blocks(len(X), len(gallery)):
        for naming, own, index in zip(
            named[block], _alike(bundle, directions(bundle.unknown, X[block]), gallery), truth[block], strict=True
        ):
            theirs = np.flatnonzero(people == index)
            missed = _picture(bundle, own, int(theirs[own[theirs].argmax()])) if len(theirs) else None
            found.append((replace(naming, nearest=tuple(_nearest(bundle, own))), missed))
    return found


_Numbers = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _numbers(bundle: Bundle, X: NDArray[Any]) -> _Numbers:
    """Return for each face the head's score of each person, the cosine to each person's mean, probabilities and direction.

    The probabilities have a width of 0 where the model has none.
    """
    width = bundle.gallery.vectors.shape[1]
    if X.shape[1] != width:
        raise RecipeMismatch(
            f"The model takes vectors of {width} numbers, but {bundle.layer} of its recipe has {X.shape[1]} here: "
            "one of the two was not made by that recipe."
        )
    try:
        with np.errstate(all="ignore"):  # a model from anybody may hold numbers of any size
            scores, towards = logits(bundle.estimator, X), directions(bundle.unknown, X)
            cosines = to_means(bundle.unknown, towards)
            known = bundle.confidence
            sure = probabilities(scores, known.temperature) if known else np.empty((len(X), 0))
    except ValueError as error:
        raise _no_score(bundle) from error
    if not all(np.isfinite(numbers).all() for numbers in (scores, cosines, sure)):
        raise _no_score(bundle)
    return scores, cosines, sure, towards


def gallery_directions(bundle: Bundle) -> NDArray[np.floating[Any]]:
    """Return the directions of the training pictures, augmented copies left out.

    Returns
    -------
    ndarray of shape (n_pictures, n_features)
        float64; float32 of galleries with more than ``MOST_EXACT`` numbers, where it saves gigabytes.
    """
    X = bundle.gallery.pictures.vectors
    with np.errstate(all="ignore"):  # see _numbers
        if X.size <= MOST_EXACT:
            return directions(bundle.unknown, X.astype(np.float32))
        found = np.empty(X.shape, np.float32)
        for block in blocks(len(X), X.shape[1], _BLOCK):
            found[block] = directions(bundle.unknown, X[block].astype(np.float32))
    return found


def _alike(bundle: Bundle, towards: NDArray[np.float64], gallery: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the cosine of each face to each training picture, both given by their directions."""
    with np.errstate(all="ignore"):
        own = np.asarray(towards.astype(gallery.dtype, copy=False) @ gallery.T, np.float64)
    if not np.isfinite(own).all():
        raise _no_score(bundle)
    return own


def _no_score(bundle: Bundle) -> DamagedFile:
    return DamagedFile(f"The model gives no number for a face: its head {bundle.head}, or the vectors, are damaged.")


def _naming(
    bundle: Bundle,
    scores: NDArray[np.float64],
    cosines: NDArray[np.float64],
    sure: NDArray[np.float64],
    own: NDArray[np.float64],
    top: int,
) -> Naming:
    # Where the head cannot tell (votes of one neighbour are 0 or 1), the cosine orders the rest.
    order = np.lexsort((-cosines, -scores))
    best = int(order[0])
    score = float(cosines[best])
    others = cosines.copy()
    others[best] = -np.inf
    second = int(others.argmax())
    threshold = bundle.threshold.value
    return Naming(
        name=bundle.people[best] if score >= threshold else None,
        best=bundle.people[best],
        score=score,
        margin=score - float(cosines[second]),
        threshold=threshold,
        candidates=tuple(Candidate(bundle.people[i], float(cosines[i])) for i in order[: max(top, 1)]),
        nearest=tuple(_nearest(bundle, own)),
        runner_up=Candidate(bundle.people[second], float(cosines[second])),
        probability=float(sure[best]) if len(sure) else None,
    )


def _nearest(bundle: Bundle, own: NDArray[np.float64]) -> Sequence[Nearest]:
    return [_picture(bundle, own, int(i)) for i in np.argsort(-own, kind="stable")[:N_NEAREST]]


def _picture(bundle: Bundle, own: NDArray[np.float64], index: int) -> Nearest:
    gallery = bundle.gallery.pictures
    return Nearest(gallery.paths[index], bundle.people[gallery.person[index]], float(own[index]))
