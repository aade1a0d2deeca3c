"""Who is in a model: their pictures, how sharp those are, and who else they look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.data.quality import SIDE, sharpness
from facefeat.errors import DamagedFile
from facefeat.heads._rows import blocks
from facefeat.learn.bundle import Bundle
from facefeat.learn.unknown import similarities


@dataclass(frozen=True)
class Sharpness:
    """How sharp somebody's faces are, as the model keeps them; see ``facefeat.data.quality.sharpness``.

    Attributes
    ----------
    median, least : float
    """

    median: float
    least: float


@dataclass(frozen=True)
class Member:
    """Somebody in a model.

    Attributes
    ----------
    name : str
    pictures : int
        Different ones; augmented copies do not count.
    sharpness : Sharpness or None
        ``None`` where the model keeps no grey faces.
    nearest : str
        Of all others, the person whom the pictures are most alike.
    similarity : float
        Mean over the pictures of their score for that person, in the space of ``Naming.score``.
    paths : tuple of str
        Of the pictures.
    """

    name: str
    pictures: int
    sharpness: Sharpness | None
    nearest: str
    similarity: float
    paths: tuple[str, ...]


def people(model: Bundle) -> tuple[Member, ...]:
    """List the people of a model.

    Parameters
    ----------
    model : Bundle

    Returns
    -------
    tuple of Member
        In the model's order.

    Raises
    ------
    DamagedFile
        If the model has no finite score for a picture.
    """
    gallery = model.gallery
    alike, sharp = _alike(model), _sharpness(gallery.pixels)
    found = []
    for who, name in enumerate(model.people):
        rows = np.flatnonzero(gallery.person == who)
        paths = tuple(dict.fromkeys(gallery.paths[row] for row in rows))
        quality = Sharpness(float(np.median(sharp[rows])), float(sharp[rows].min())) if len(sharp) else None
        nearest = int(alike[who].argmax())
        found.append(Member(name, len(paths), quality, model.people[nearest], float(alike[who, nearest]), paths))
    return tuple(found)


def _alike(model: Bundle) -> NDArray[np.float64]:
    """Return the mean score of each person's pictures for each other person; -inf for themselves."""
    gallery, n = model.gallery, len(model.people)
    sums = np.zeros((n, n))
    with np.errstate(all="ignore"):  # a model from anybody may hold numbers of any size
        for block in blocks(*gallery.vectors.shape):
            cosines = similarities(model.unknown, gallery.vectors[block].astype(np.float32))
            np.add.at(sums, gallery.person[block], cosines)
        means: NDArray[np.float64] = sums / np.bincount(gallery.person, minlength=n)[:, None]
    if not np.isfinite(means).all():
        raise DamagedFile("The model gives no number for its own pictures: its score for strangers is damaged.")
    np.fill_diagonal(means, -np.inf)
    return means


def _sharpness(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    parts = [sharpness(pixels[block]) for block in blocks(len(pixels), SIDE * SIDE)]
    return np.concatenate([np.empty(0, np.float32), *parts])
