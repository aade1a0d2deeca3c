"""The training pictures of a model that look most like a face: why it was named so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import DamagedFile
from facefeat.heads._lists import MANY
from facefeat.heads._rows import blocks
from facefeat.learn.bundle import Bundle
from facefeat.learn.unknown import directions, to_means

N_NEAREST = 3
NEAR_PEOPLE = 32  # whose pictures are looked at, where there are very many
MOST_EXACT = 2**25  # numbers of a gallery whose directions are kept in float64

_BLOCK = 2**22  # numbers of a larger one that are worked on together

_Alike = tuple[NDArray[np.int64], NDArray[np.float64]]  # pictures, and the cosine of a face to each


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


class TrainingPictures:
    """The pictures a model was fitted on, augmented copies left out, to be found by a face's direction.

    Of more than ``MANY``, those of the ``NEAR_PEOPLE`` people are looked at whose means are nearest, and nothing is held but
    how far each that was looked at lies from the centre. Of fewer all are, and their directions are held: in float64, or in
    float32 where that saves gigabytes.

    Parameters
    ----------
    bundle : Bundle
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._gallery = bundle, bundle.gallery.pictures
        person = self._gallery.person
        self._by_person = np.argsort(person, kind="stable")
        self._starts = np.searchsorted(person[self._by_person], np.arange(len(bundle.people) + 1))
        self._held = None if len(person) > MANY else self._all()
        self._lengths = np.zeros(0 if self._held is not None else len(person), np.float32)  # 0: not known yet

    def nearest(self, towards: NDArray[np.float64]) -> list[tuple[Nearest, ...]]:
        """Find the pictures that look most like each face.

        Parameters
        ----------
        towards : ndarray of shape (n_faces, n_features), float64
            Directions; see ``facefeat.learn.unknown.directions``.

        Returns
        -------
        list of tuple of Nearest, length n_faces
            ``N_NEAREST`` each, the most alike first.

        Raises
        ------
        DamagedFile
            If the model has no finite number for a picture.
        """
        found = []
        for rows, cosines in self._alike(towards):
            best = np.argsort(-self._finite(cosines), kind="stable")[:N_NEAREST]
            found.append(tuple(self._picture(rows[one], cosines[one]) for one in best))
        return found

    def of_person(self, toward: NDArray[np.float64], who: int) -> Nearest | None:
        """Find the picture of one person that looks most like a face; ``None`` for nobody, or where there is none."""
        if who < 0:
            return None
        rows = self._of(who)
        cosines = self._finite(self._cosines(toward, rows) if self._held is None else self._held[rows] @ toward)
        best = int(cosines.argmax())
        return self._picture(rows[best], cosines[best])

    def _alike(self, towards: NDArray[np.float64]) -> Iterator[_Alike]:
        with np.errstate(all="ignore"):  # a model from anybody may hold numbers of any size
            if self._held is None:
                for toward, cosines in zip(towards, to_means(self._bundle.unknown, towards), strict=True):
                    near = np.argsort(-cosines, kind="stable")[:NEAR_PEOPLE]
                    rows = np.concatenate([self._of(who) for who in near])
                    yield rows, self._cosines(toward, rows)
                return
            every = np.arange(len(self._held))
            for block in blocks(len(towards), len(self._held)):
                for own in towards[block].astype(self._held.dtype, copy=False) @ self._held.T:
                    yield every, np.asarray(own, np.float64)

    def _all(self) -> NDArray[Any]:
        X = self._gallery.vectors
        if X.size <= MOST_EXACT:
            return self._made(X)
        found = np.empty(X.shape, np.float32)
        for block in blocks(len(X), X.shape[1], _BLOCK):
            found[block] = self._made(X[block])
        return found

    def _of(self, who: int) -> NDArray[np.int64]:
        return self._by_person[self._starts[who] : self._starts[who + 1]]

    def _cosines(self, toward: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the cosine of a direction to some pictures; whitening them all would take most of the time."""
        score = self._bundle.unknown
        with np.errstate(all="ignore"):  # see _alike
            moved = score[:-1].transform(self._gallery.vectors[rows].astype(np.float32))
            new = self._lengths[rows] == 0
            if new.any():
                self._lengths[rows[new]] = score[-1].lengths(moved[new])
            found: NDArray[np.float64] = score[-1].cosines_to(toward, moved, self._lengths[rows])
        return found

    def _made(self, X: NDArray[np.float16]) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):  # see _alike
            return directions(self._bundle.unknown, X.astype(np.float32))

    def _finite(self, cosines: NDArray[np.float64]) -> NDArray[np.float64]:
        if not np.isfinite(cosines).all():
            raise no_score(self._bundle)
        return cosines

    def _picture(self, row: int, cosine: float) -> Nearest:
        person = self._gallery.person[row]
        return Nearest(self._gallery.paths[row], self._bundle.people[person], float(cosine))


def no_score(bundle: Bundle) -> DamagedFile:
    """Build the error for a model without a finite number for a face."""
    return DamagedFile(f"The model gives no number for a face: its head {bundle.head}, or the vectors, are damaged.")
