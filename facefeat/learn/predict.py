"""Who is in these photographs: every face, and what a model says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefeat.data import isolated, picture
from facefeat.data.faces import Face
from facefeat.data.finder import Opened
from facefeat.errors import PictureRefused
from facefeat.features.encode import Encoder, engine_for, plan_of
from facefeat.features.layers import joined
from facefeat.learn import bundle as bundles
from facefeat.learn.bundle import Bundle
from facefeat.learn.naming import Naming, namings
from facefeat.learn.nearest import TrainingPictures
from facefeat.learn.threads import still_afterwards

Source = str | Path | bytes | NDArray[np.uint8]


@dataclass(frozen=True)
class Photo:
    """One photograph and its faces, left to right.

    Attributes
    ----------
    path : str
        Empty for what was no file.
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
        self._gallery = TrainingPictures(bundle)

    def predict(self, pictures: Iterable[Source], top: int = 3) -> list[Photo]:
        """Name every face of some photographs.

        Parameters
        ----------
        pictures : iterable of path-like, bytes or ndarray
            Files, the bytes of files, or upright RGB pixels, of shape (height, width, 3), uint8.
        top : int, default=3
            How many candidates to list.

        Returns
        -------
        list of Photo
            One a picture, in order; one that cannot be read carries its refusal.
        """
        return [self._photo(one, top) for one in pictures]

    def open(self, source: Source) -> Opened:
        """Decode a picture as far as it is needed; raises ``PictureRefused``."""
        finder = self.encoder.finder
        if isinstance(source, np.ndarray):
            return finder.opened(source)
        return finder.open(picture.checked(source) if isinstance(source, bytes) else picture.read(source))

    def _photo(self, source: Source, top: int) -> Photo:
        path = str(source) if isinstance(source, str | Path) else ""
        try:
            faces = self.encoder.finder.all_faces(self.open(source))
        except PictureRefused as refused:
            return Photo(path, (), refused)
        return Photo(path, tuple(zip(faces, self.name(self.vectors(faces), top), strict=True)))

    def vectors(self, faces: Sequence[Face]) -> NDArray[np.float32]:
        """Return what the head takes of faces, shape (n_faces, n_features)."""
        return joined(self.encoder.vectors([face.pixels for face in faces]), self.bundle.layer)

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
        with still_afterwards():
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
    return Recogniser(bundle, encoder_of(bundle, engine, precision, weights, detector))


def encoder_of(
    bundle: Bundle,
    engine: str = "auto",
    precision: str = "auto",
    weights: str | None = None,
    detector: Path | None = None,
) -> Encoder:
    """Make ready what finds faces and makes vectors as a model wants them; see ``load``."""
    recipe = bundle.recipe
    together = 2 if recipe.flip else 1  # one face: most photographs have no more, and a short batch is padded
    return Encoder(plan_of(recipe, weights, detector), engine_for(recipe, engine, precision), together)


def predict(model: str | Path, pictures: Iterable[Source], top: int = 3) -> list[Photo]:
    """Name every face of some photographs, once; ``load`` keeps the model for more. See ``Recogniser.predict``."""
    return load(model).predict(pictures, top)
