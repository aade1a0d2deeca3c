"""Columns of a shard, mapped while they are looked at: a process may have few files open, and shards may be very many."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import regular
from facefeat.errors import StorageError
from facefeat.features.store import columns as layout
from facefeat.features.store.skeleton import Place

OPEN = 32  # files that are mapped at a time

Mark = tuple[int, ...]  # what tells a file from another, or from itself before it was written to


class MappedColumns(Mapping[str, NDArray[Any]]):
    """Columns of a file whose bytes were checked; nobody writes into such a file any more.

    Parameters
    ----------
    path : Path
    seen : tuple of int
        ``mark_of`` the file that was checked.
    places : mapping of str to (offset, dtype, shape)
        As ``facefeat.features.store.columns.places`` finds them.
    version : int
        Of the file's format; columns are those of the newest.
    """

    def __init__(self, path: Path, seen: Mark, places: Mapping[str, Place], version: int) -> None:
        self._path, self._seen, self._places, self._version = path, seen, dict(places), version
        self._names = tuple(self._columns()) if version < 2 else tuple(self._places)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column, read-only.

        Raises
        ------
        StorageError
            If the file is not there any more, or is another.
        """
        if self._version < 2:
            return self._columns()[name]
        return layout.view(self._bytes(), self._places[name], name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _columns(self) -> layout.Columns:
        raw = self._bytes()
        found = {name: layout.view(raw, where, name) for name, where in self._places.items()}
        return layout.lifted(found, self._version)

    def _bytes(self) -> NDArray[np.uint8]:
        try:
            return _mapped(self._path, self._seen)
        except OSError as error:
            raise StorageError(
                f"{self._path} was changed or deleted while it was in use; run the same again."
            ) from error


def let_go() -> None:
    """Unmap what is mapped and not looked at, so that deleting it frees the disk."""
    _mapped.cache_clear()


def mark_of(path: Path) -> Mark:
    """Tell a file from others, without reading it; raises OSError."""
    return _mark(path.stat())


@lru_cache(maxsize=OPEN)
def _mapped(path: Path, seen: Mark) -> NDArray[np.uint8]:
    with open(regular.opened(path), "rb") as file:
        if _mark(os.fstat(file.fileno())) != seen:
            raise FileNotFoundError(path)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def _mark(found: os.stat_result) -> Mark:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
