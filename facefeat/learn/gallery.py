"""The pictures a head was fitted on, as a bundle keeps them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facefeat.data.quality import SIDE
from facefeat.errors import DamagedFile
from facefeat.learn import archive, pieces

MOST_FACES = 20_000  # whose grey pixels are kept; they would make larger galleries twice as large

_COLUMNS = {
    "vectors": (np.float16, 2),
    "person": (np.int32, 1),
    "paths": (np.bytes_, 1),
    "sha256": (np.uint8, 2),
    "pixels": (np.uint8, 3),
}


@dataclass(frozen=True)
class Gallery:
    """The pictures a head was fitted on; a path that stands again is that of an augmented copy.

    Attributes
    ----------
    vectors : ndarray of shape (n_images, n_features), float16
    person : ndarray of shape (n_images,), int32
        Index into the bundle's people.
    paths : tuple of str, length n_images
    sha256 : ndarray of shape (n_images, 32), uint8
    pixels : ndarray of shape (n_images, SIDE, SIDE), uint8
        The faces in grey; of shape (0, SIDE, SIDE) for more than ``MOST_FACES``, and in bundles of format 1.
    """

    vectors: NDArray[np.float16]
    person: NDArray[np.int32]
    paths: tuple[str, ...]
    sha256: NDArray[np.uint8]
    pixels: NDArray[np.uint8]

    @cached_property
    def own(self) -> NDArray[np.int64]:
        """The row of the picture that each row is, or is an augmented copy of, shape (n_images,)."""
        first: dict[str, int] = {}
        return np.array([first.setdefault(path, row) for row, path in enumerate(self.paths)], np.int64)

    @cached_property
    def pictures(self) -> Gallery:
        """The same without augmented copies; itself where there are none."""
        rows = np.unique(self.own)
        if len(rows) == len(self.paths):
            return self
        paths = tuple(self.paths[row] for row in rows)
        pixels = self.pixels[rows] if len(self.pixels) else self.pixels
        return Gallery(self.vectors[rows], self.person[rows], paths, self.sha256[rows], pixels)

    @property
    def n_copies(self) -> int:
        """Number of rows that are augmented copies."""
        return len(self.paths) - len(self.pictures.paths)

    def to_pieces(self) -> pieces.Pieces:
        """Lay it out as an .npz of plain arrays, none of which is copied."""
        paths = np.array([path.encode() for path in self.paths]) if self.paths else np.empty(0, "S1")
        return pieces.npz(
            {
                "vectors": self.vectors,
                "person": self.person,
                "paths": paths,
                "sha256": self.sha256,
                "pixels": self.pixels,
            }
        )

    def to_bytes(self) -> bytes:
        """Write it as an .npz of plain arrays."""
        return b"".join(self.to_pieces())

    def without(self, who: int) -> Gallery:
        """Take everything of one person out; those after move up by one."""
        stays = self.person != who
        return Gallery(
            vectors=self.vectors[stays],
            person=(self.person - (self.person > who))[stays].astype(np.int32),
            paths=tuple(path for path, one in zip(self.paths, stays, strict=True) if one),
            sha256=self.sha256[stays],
            pixels=self.pixels[stays] if len(self.pixels) else self.pixels,
        )

    def with_place_for(self, who: int) -> Gallery:
        """Move those from a place among the people on down by one, for somebody without pictures yet."""
        return replace(self, person=(self.person + (self.person >= who)).astype(np.int32))

    def with_pictures(self, others: Gallery) -> Gallery:
        """Put in pictures of one person, each before the first of theirs whose path is later.

        Parameters
        ----------
        others : Gallery
            Of one person, by rising path.

        Returns
        -------
        Gallery
            In the order of a feature file, where this one is.
        """
        who = int(others.person[0])
        mine = np.flatnonzero(self.person == who)
        after = np.append(np.flatnonzero(self.person > who), len(self.person))[0]
        end = mine[-1] + 1 if len(mine) else after
        places = [next((row for row in mine if self.paths[row] > path), end) for path in others.paths]
        paths = np.insert(np.array(self.paths, object), places, np.array(others.paths, object))
        kept = len(self.pixels) and len(self.paths) + len(others.paths) <= MOST_FACES
        return Gallery(
            vectors=np.insert(self.vectors, places, others.vectors, axis=0),
            person=np.insert(self.person, places, others.person),
            paths=tuple(paths.tolist()),
            sha256=np.insert(self.sha256, places, others.sha256, axis=0),
            pixels=np.insert(self.pixels, places, others.pixels, axis=0) if kept else self.pixels[:0],
        )

    def renamed(self, who: int, name: str) -> Gallery:
        """Put one person's pictures into a folder of another name."""
        paths = zip(self.paths, self.person, strict=True)
        return replace(
            self, paths=tuple(f"{name}/{path.partition('/')[2]}" if one == who else path for path, one in paths)
        )


def read_gallery(data: bytes | memoryview, people: tuple[str, ...], whose: str, version: int) -> Gallery:
    """Read a gallery, which may come from anybody.

    Parameters
    ----------
    data : bytes or memoryview
        An .npz.
    people : tuple of str
    whose : str
        The file, for sentences.
    version : int
        Of the bundle's format.

    Returns
    -------
    Gallery

    Raises
    ------
    DamagedFile
    """
    columns = {name: kind for name, kind in _COLUMNS.items() if version >= 2 or name != "pixels"}
    arrays = archive.arrays(data, columns, whose)
    arrays.setdefault("pixels", np.empty((0, SIDE, SIDE), np.uint8))
    n = len(arrays["person"]) if arrays["person"].ndim else 0
    for name, (dtype, ndim) in _COLUMNS.items():
        found = arrays[name]
        allowed = (0, n) if name == "pixels" else (n,)
        if not np.issubdtype(found.dtype, dtype) or found.ndim != ndim or len(found) not in allowed:
            raise DamagedFile(f"{whose} is damaged: {name} has another type or length than the format says.")
    person, vectors, sha256 = arrays["person"], arrays["vectors"], arrays["sha256"]
    if (
        not n
        or not 0 <= person.min() <= person.max() < len(people)
        or not np.bincount(person, minlength=len(people)).all()
    ):
        raise DamagedFile(f"{whose} is damaged: it has people that the manifest does not name, or none of somebody.")
    if not vectors.shape[1] or sha256.shape[1] != 32 or arrays["pixels"].shape[1:] != (SIDE, SIDE):
        raise DamagedFile(f"{whose} is damaged: its vectors, hashes or faces are of no length that they can have.")
    paths = tuple(path.decode() for path in arrays["paths"].tolist())
    for path, index in zip(paths, person.tolist(), strict=True):
        folder, *inner = path.split("/")
        if folder != people[index] or not inner or not {"", ".", ".."}.isdisjoint(inner):
            raise DamagedFile(
                f"{whose} is refused: {archive.shown(path)} is no picture of {archive.shown(people[index])}."
            )
    return Gallery(vectors, person, paths, sha256, arrays["pixels"])
