"""Make one feature file of rows from several places, and put it in place as a whole."""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import FileFormatError
from facefeat.features.recipe import Recipe, canonical_json
from facefeat.features.store import columns as layout
from facefeat.features.store import durable, sealed
from facefeat.features.store.columns import Columns, Kept, Skipped
from facefeat.features.store.file import FeatureFile, read
from facefeat.features.store.skeleton import Place, skeleton

BLOCK_ROWS = 4096  # that are gathered together, if they are not more than
BLOCK_BYTES = 4 * 1024**2


@dataclass(frozen=True)
class Contents:
    """What a feature file is to hold.

    Attributes
    ----------
    people : tuple of str
    paths : sequence of str, length n_images
        Sorted by person and path.
    person : ndarray of shape (n_images,), int32
    pieces : sequence of dict of str to ndarray
        Columns of shards and of the file published before.
    piece, row : ndarray of shape (n_images,), int64
        Where each image's numbers lie: row ``row[i]`` of ``pieces[piece[i]]``.
    skipped : sequence of Skipped
        Sorted by path.
    made_by : dict
    augmentation : str
        The ranges of the augmented copies, canonical JSON; ``''`` where there are none.
    """

    people: tuple[str, ...]
    paths: Sequence[str]
    person: NDArray[np.int32]
    pieces: Sequence[Kept]
    piece: NDArray[np.int64]
    row: NDArray[np.int64]
    skipped: Sequence[Skipped]
    made_by: Mapping[str, Any]
    augmentation: str = ""

    @classmethod
    def of(
        cls,
        rows: Iterable[tuple[str, str, int, int]],
        pieces: Sequence[Kept],
        skipped: Iterable[Skipped],
        made_by: Mapping[str, Any],
        augmentation: str = "",
    ) -> Contents:
        """Lay out rows in the format's order.

        Parameters
        ----------
        rows : iterable of (person, path, piece, row)
            In any order; at least one.
        pieces : sequence of dict of str to ndarray
        skipped : iterable of Skipped
            In any order.
        made_by : mapping
        augmentation : str, default=''
            The ranges of augmented copies, if there are any.

        Returns
        -------
        Contents
        """
        names: list[str] = []
        paths: list[str] = []
        places = array("q")  # there may be very many rows
        for name, path, piece, row in rows:
            names.append(name)
            paths.append(path)
            places.extend((piece, row))
        people = sorted(set(names))
        number = {name: index for index, name in enumerate(people)}
        person = np.fromiter((number[name] for name in names), "<i4", len(names))
        place = np.array(places).reshape(-1, 2)
        copy = _copies(pieces, place)
        order = _sorted(person, paths, copy)
        place = place[order]
        return cls(
            people=tuple(people),
            paths=tuple(paths[index] for index in order),
            person=person[order],
            pieces=pieces,
            piece=place[:, 0].copy(),
            row=place[:, 1].copy(),
            skipped=sorted(skipped, key=lambda one: one.path),
            made_by=made_by,
            augmentation=augmentation if copy.any() else "",
        )


def _copies(pieces: Sequence[Kept], place: NDArray[np.int64]) -> NDArray[np.int16]:
    """Return the number of the augmented copy that each row is; 0 for pictures themselves."""
    copy = np.zeros(len(place), np.int16)
    for index in np.unique(place[:, 0]):
        here = place[:, 0] == index
        copy[here] = pieces[index]["images/copy"][place[here, 1]]
    return copy


def _sorted(person: NDArray[np.int32], paths: Sequence[str], copy: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the order of rows by person, path and copy."""
    by_person = np.lexsort((copy, person))
    parts = np.split(by_person, np.cumsum(np.bincount(person))[:-1])
    return np.concatenate([np.array(sorted(part.tolist(), key=paths.__getitem__), np.int64) for part in parts])


def publish(path: Path, recipe: Recipe, contents: Contents) -> FeatureFile:
    """Write a feature file beside its place, check it, and replace what is there.

    The space is reserved before the first row is written; the same recipe and contents give the same
    bytes.

    Parameters
    ----------
    path : Path
    recipe : Recipe
    contents : Contents

    Returns
    -------
    FeatureFile
        The new file, read back.

    Raises
    ------
    StorageError
        No space, read-only, or another failure; the file that was there is untouched.
    """
    small = _small_columns(contents)
    gathered = contents.pieces[int(contents.piece[0])]
    shapes = {name: (column.dtype, column.shape) for name, column in small.items()}
    shapes |= {name: (column.dtype, (len(contents.paths), *column.shape[1:])) for name, column in gathered.items()}
    version = sealed.version_for(contents.augmentation)
    attrs = layout.attributes(recipe, version, canonical_json(dict(contents.made_by)), contents.augmentation)
    with durable.storage_errors(path), durable.beside(path) as (handle, temporary):
        datasets = _reserve(handle, shapes, attrs)
        for name, column in small.items():
            _put(handle, datasets[name][0], column)
        for name in gathered:
            _gather(handle, datasets[name][0], contents, name)
        _put(handle, 0, np.frombuffer(sealed.header(sealed.digest_of(handle), version), np.uint8))
        written = _read_back(temporary, path, len(contents.paths))
    return replace(written, path=path)


def _read_back(temporary: Path, path: Path, n: int) -> FeatureFile:
    try:
        written = read(temporary)  # every byte is compared with the checksum
    except FileFormatError as error:
        raise durable.unlike(path) from error
    if len(written) != n:
        raise durable.unlike(path)
    return written


def _small_columns(contents: Contents) -> Columns:
    return {
        "people": layout.text_column(contents.people),
        "images/path": layout.text_column(contents.paths),
        "images/person": contents.person.astype("<i4"),
        **layout.skipped_columns(contents.skipped),
    }


def _reserve(
    handle: int, shapes: Mapping[str, tuple[Any, tuple[int, ...]]], attrs: Mapping[str, str]
) -> dict[str, Place]:
    """Make the disk promise the space for all rows, then write the structure around them."""
    empty = skeleton(shapes, attrs)
    try:
        os.posix_fallocate(handle, 0, empty.size)
    except (AttributeError, OSError) as error:  # some systems and file systems promise nothing
        if isinstance(error, OSError) and error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        os.ftruncate(handle, empty.size)
    for offset, part in empty.parts:
        os.lseek(handle, offset, os.SEEK_SET)
        durable.write_all(handle, part)
    return empty.datasets


def _put(handle: int, offset: int | None, column: NDArray[Any]) -> None:
    if offset is not None and column.nbytes:
        os.lseek(handle, offset, os.SEEK_SET)
        durable.write_all(handle, np.ascontiguousarray(column).tobytes())


def _gather(handle: int, offset: int | None, contents: Contents, name: str) -> None:
    """Write one column row by row from wherever each row lies, a block at a time."""
    if offset is None:
        return
    os.lseek(handle, offset, os.SEEK_SET)
    sample = contents.pieces[int(contents.piece[0])][name]
    rows = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, sample[:1].nbytes)))
    for start in range(0, len(contents.paths), rows):
        piece, row = contents.piece[start : start + rows], contents.row[start : start + rows]
        block = np.empty((len(piece), *sample.shape[1:]), sample.dtype)
        for index in np.unique(piece):
            here = piece == index
            block[here] = contents.pieces[index][name][row[here]]
            sealed.release(contents.pieces[index][name])
        durable.write_all(handle, block.reshape(-1).view(np.uint8).data)
