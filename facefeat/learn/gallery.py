"""The pictures a head was fitted on, as a bundle keeps them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facefeat.data.quality import SIDE
from facefeat.errors import DamagedFile
from facefeat.learn import archive

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
    def pictures(self) -> Gallery:
        """The same without augmented copies; itself where there are none."""
        first: dict[str, int] = {}
        for row, path in enumerate(self.paths):
            first.setdefault(path, row)
        rows = list(first.values())
        if len(rows) == len(self.paths):
            return self
        paths = tuple(self.paths[row] for row in rows)
        pixels = self.pixels[rows] if len(self.pixels) else self.pixels
        return Gallery(self.vectors[rows], self.person[rows], paths, self.sha256[rows], pixels)

    @property
    def n_copies(self) -> int:
        """Number of rows that are augmented copies."""
        return len(self.paths) - len(self.pictures.paths)

    def to_bytes(self) -> bytes:
        """Write it as an .npz of plain arrays."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            vectors=self.vectors,
            person=self.person,
            paths=np.array([path.encode() for path in self.paths]) if self.paths else np.empty(0, "S1"),
            sha256=self.sha256,
            pixels=self.pixels,
        )
        return buffer.getvalue()


def read_gallery(data: bytes, people: tuple[str, ...], whose: str, version: int) -> Gallery:
    """Read a gallery, which may come from anybody.

    Parameters
    ----------
    data : bytes
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
