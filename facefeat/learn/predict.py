"""Who is in these photographs: every face, its name or "unknown", and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import isolated, picture
from facefeat.data.faces import Face
from facefeat.errors import DamagedFile, PictureRefused, RecipeMismatch
from facefeat.features.encode import Encoder, engine_for, plan_of
from facefeat.features.layers import joined
from facefeat.learn import bundle as bundles
from facefeat.learn.bundle import Bundle
from facefeat.learn.head import decision_scores
from facefeat.learn.unknown import directions, similarities

SMALL_BATCH = 4  # photographs rarely hold more faces, and a short batch is padded
N_NEAREST = 3


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
        How far the next person is behind; negative where another person's mean is nearer.
    threshold : float
        Scores below it are unknown.
    candidates : tuple of Candidate
        As the head ranks them; the first is ``best``.
    nearest : tuple of Nearest
        Training pictures, most alike first.
    """

    name: str | None
    best: str
    score: float
    margin: float
    threshold: float
    candidates: tuple[Candidate, ...]
    nearest: tuple[Nearest, ...]


@dataclass(frozen=True)
class Photo:
    """One photograph and its faces, left to right.

    Attributes
    ----------
    path : str
    faces : tuple of (Face, Naming)
    error : PictureRefused or None
        Why it could not be read.
    """

    path: str
    faces: tuple[tuple[Face, Naming], ...]
    error: PictureRefused | None = None


class Recogniser:
    """A model that is ready: bundle, network and detector in memory.

    Parameters
    ----------
    bundle : Bundle
    encoder : Encoder
        Of the bundle's recipe.
    """

    def __init__(self, bundle: Bundle, encoder: Encoder) -> None:
        self.bundle = bundle
        self.encoder = encoder
        with np.errstate(all="ignore"):  # see namings
            self._gallery = directions(bundle.unknown, bundle.gallery.vectors.astype(np.float32))

    def predict(self, pictures: Iterable[str | Path], top: int = 3) -> list[Photo]:
        """Name every face of some photographs.

        Parameters
        ----------
        pictures : iterable of path-like
        top : int, default=3
            How many candidates to list.

        Returns
        -------
        list of Photo
            One a picture, in order; one that cannot be read carries its refusal.
        """
        return [self._photo(path, top) for path in pictures]

    def _photo(self, path: str | Path, top: int) -> Photo:
        finder = self.encoder.finder
        try:
            faces = finder.all_faces(finder.open(picture.read(path)))
        except PictureRefused as refused:
            return Photo(str(path), (), refused)
        vectors = joined(self.encoder.vectors([face.pixels for face in faces]), self.bundle.layer)
        return Photo(str(path), tuple(zip(faces, self.name(vectors, top), strict=True)))

    def name(self, X: NDArray[np.float32], top: int = 3) -> list[Naming]:
        """Name faces by their vectors.

        Parameters
        ----------
        X : ndarray of shape (n_faces, n_features), float32
            Of the bundle's recipe and layer.
        top : int, default=3

        Returns
        -------
        list of Naming, length n_faces
        """
        return namings(self.bundle, X, top, self._gallery)


def load(
    model: str | Path,
    *,
    engine: str = "auto",
    precision: str = "auto",
    weights: str | None = None,
    detector: Path | None = None,
) -> Recogniser:
    """Make a model ready to name faces.

    Parameters
    ----------
    model : path-like
    engine, precision : str
        See ``facefeat.features.encode.engine_for``.
    weights : str or None
        The weights file, for a model whose vectors were made with a user's own.
    detector : Path or None
        The detector's file, likewise.

    Returns
    -------
    Recogniser

    Raises
    ------
    InputError, DamagedFile, ForeignFile, NewerFile
    """
    isolated.begin()  # it starts while the model is read
    bundle = bundles.read(model)
    chosen = engine_for(bundle.recipe, engine, precision)
    return Recogniser(bundle, Encoder(plan_of(bundle.recipe, weights, detector), chosen, SMALL_BATCH))


def predict(model: str | Path, pictures: Iterable[str | Path], top: int = 3) -> list[Photo]:
    """Name every face of some photographs, once; ``load`` keeps the model for more.

    Parameters
    ----------
    model : path-like
    pictures : iterable of path-like
    top : int, default=3
        How many candidates to list.

    Returns
    -------
    list of Photo
    """
    return load(model).predict(pictures, top)


def namings(bundle: Bundle, X: NDArray[Any], top: int, gallery: NDArray[np.float64] | None = None) -> list[Naming]:
    """Name faces by their vectors, with or without the nearest training pictures.

    Raises
    ------
    RecipeMismatch
        If the vectors are of another width than the model's.
    DamagedFile
        If the model has no finite score for a face.
    """
    width = bundle.gallery.vectors.shape[1]
    if X.shape[1] != width:
        raise RecipeMismatch(
            f"The model takes vectors of {width} numbers, but {bundle.layer} of its recipe has {X.shape[1]} here: "
            "one of the two was not made by that recipe."
        )
    try:
        with np.errstate(all="ignore"):  # a model from anybody may hold numbers of any size
            scores, cosines = decision_scores(bundle.estimator, X), similarities(bundle.unknown, X)
            own = directions(bundle.unknown, X) @ gallery.T if gallery is not None else np.empty((len(X), 0))
    except ValueError as error:
        raise _no_score(bundle) from error
    if not all(np.isfinite(numbers).all() for numbers in (scores, cosines, own)):
        raise _no_score(bundle)
    return [_naming(bundle, *rows, top) for rows in zip(scores, cosines, own, strict=True)]


def _no_score(bundle: Bundle) -> DamagedFile:
    return DamagedFile(f"The model gives no number for a face: its head {bundle.head}, or the vectors, are damaged.")


def _naming(
    bundle: Bundle, scores: NDArray[np.float64], cosines: NDArray[np.float64], own: NDArray[np.float64], top: int
) -> Naming:
    # Where the head cannot tell (votes of one neighbour are 0 or 1), the cosine orders the rest.
    order = np.lexsort((-cosines, -scores))
    best = int(order[0])
    score = float(cosines[best])
    others = np.delete(cosines, best)
    threshold = bundle.threshold.value
    return Naming(
        name=bundle.people[best] if score >= threshold else None,
        best=bundle.people[best],
        score=score,
        margin=score - float(others.max(initial=-1.0)),
        threshold=threshold,
        candidates=tuple(Candidate(bundle.people[i], float(cosines[i])) for i in order[: max(top, 1)]),
        nearest=tuple(_nearest(bundle, own)),
    )


def _nearest(bundle: Bundle, own: NDArray[np.float64]) -> Sequence[Nearest]:
    found = np.argsort(-own, kind="stable")[:N_NEAREST]
    gallery = bundle.gallery
    return [Nearest(gallery.paths[i], bundle.people[gallery.person[i]], float(own[i])) for i in found]
