"""What a model says of faces, by their vectors: the name or "unknown", the score, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import RecipeMismatch
from facefeat.learn.bundle import Bundle
from facefeat.learn.calibration import logits, probabilities
from facefeat.learn.nearest import Nearest, TrainingPictures, no_score
from facefeat.learn.unknown import NO_THRESHOLD, directions, to_means


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


def namings(bundle: Bundle, X: NDArray[Any], top: int, gallery: TrainingPictures | None = None) -> list[Naming]:
    """Name faces by their vectors, with or without the nearest training pictures.

    Raises
    ------
    RecipeMismatch
        If the vectors are of another width than the model's.
    DamagedFile
        If the model has no finite score for a face.
    """
    scores, cosines, sure, towards = _numbers(bundle, X)
    nearest = [()] * len(X) if gallery is None else gallery.nearest(towards)
    return [_naming(bundle, *rows, top) for rows in zip(scores, cosines, sure, nearest, strict=True)]


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
    named = [_naming(bundle, *rows, (), top) for rows in zip(scores, cosines, sure, strict=True)]
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
    gallery, towards = TrainingPictures(bundle), directions(bundle.unknown, X)
    return [
        (replace(naming, nearest=nearest), gallery.of_person(toward, who))
        for naming, nearest, toward, who in zip(named, gallery.nearest(towards), towards, truth.tolist(), strict=True)
    ]


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
        raise no_score(bundle) from error
    if not all(np.isfinite(numbers).all() for numbers in (scores, cosines, sure)):
        raise no_score(bundle)
    return scores, cosines, sure, towards


def _naming(
    bundle: Bundle,
    scores: NDArray[np.float64],
    cosines: NDArray[np.float64],
    sure: NDArray[np.float64],
    nearest: tuple[Nearest, ...],
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
        nearest=nearest,
        runner_up=Candidate(bundle.people[second], float(cosines[second])),
        probability=float(sure[best]) if len(sure) else None,
    )
