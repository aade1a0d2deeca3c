"""The structure of an HDF5 file without its rows: what HDF5 itself writes, and where each dataset is to lie."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from facefeat.features.store.sealed import BLOCK

Place = tuple[int | None, Any, tuple[int, ...]]  # offset in bytes (None without rows), dtype, shape

_PAGE = 4096


@dataclass(frozen=True)
class Skeleton:
    """A file that lacks its rows.

    Attributes
    ----------
    size : int
        Of the whole file, bytes.
    parts : tuple of (int, bytes)
        What is not rows: offset and content, in order. Between them are zeros, or rows.
    datasets : dict of str to Place
    """

    size: int
    parts: tuple[tuple[int, bytes], ...]
    datasets: dict[str, Place]


def skeleton(columns: Mapping[str, tuple[Any, tuple[int, ...]]], attrs: Mapping[str, str]) -> Skeleton:
    """Lay out an HDF5 file whose datasets have their place but no content.

    Each lies in one piece, so that it can be written and mapped without HDF5. The bytes depend on the
    arguments alone, and however many rows there are, they take a few kilobytes.

    Parameters
    ----------
    columns : mapping of str to (dtype, shape)
    attrs : mapping of str to str

    Returns
    -------
    Skeleton
    """
    import h5py

    target, datasets = _Sparse(), {}
    with h5py.File(target, "w", libver=("earliest", "v110"), userblock_size=BLOCK, track_order=False) as file:
        for name, text in sorted(attrs.items()):
            file.attrs[name] = text
        for name, (dtype, shape) in sorted(columns.items()):
            made = _reserved(file, name, np.dtype(dtype), shape)
            datasets[name] = (made.get_offset() if math.prod(shape) else None, np.dtype(dtype), shape)
    ends = [start + n_bytes(dtype, shape) for start, dtype, shape in datasets.values() if start is not None]
    return Skeleton(max([target.size, *ends]), target.parts(), datasets)


def _reserved(file: Any, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """Create one dataset in one piece, without writing it."""
    import h5py

    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    layout.set_obj_track_times(False)
    kind = h5py.string_dtype("utf-8", dtype.itemsize) if dtype.kind == "S" else dtype
    group, _, leaf = name.rpartition("/")
    where = file.require_group(group).id if group else file.id
    space = h5py.h5s.create_simple(shape)
    return h5py.h5d.create(where, leaf.encode(), h5py.h5t.py_create(kind, logical=True), space, layout)


def n_bytes(dtype: Any, shape: tuple[int, ...]) -> int:
    """Return how many bytes an array takes, without overflow."""
    return math.prod(shape) * int(np.dtype(dtype).itemsize)


class _Sparse(io.RawIOBase):
    """A file in memory that keeps the pages that were written and takes the others for zeros."""

    def __init__(self) -> None:
        self.size = 0
        self._pages: dict[int, bytearray] = {}
        self._position = 0

    def parts(self) -> tuple[tuple[int, bytes], ...]:
        """Return the pages: offset and content, cut at the end of the file."""
        starts = ((number * _PAGE, page) for number, page in sorted(self._pages.items()))
        return tuple((start, bytes(page[: self.size - start])) for start, page in starts if start < self.size)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        return self._position

    def truncate(self, size: int | None = None) -> int:
        self.size = self._position if size is None else size
        last, inside = divmod(self.size, _PAGE)
        self._pages = {number: page for number, page in self._pages.items() if number <= last}
        if last in self._pages:
            self._pages[last][inside:] = bytes(_PAGE - inside)  # what lay there does not come back
        return self.size

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        n = max(0, min(len(target), self.size - self._position))
        for inside, page, where in self._spans(n):
            found = self._pages.get(page)
            target[where] = bytes(found[inside]) if found else bytes(where.stop - where.start)
        self._position += n
        return n

    def write(self, data: Any) -> int:
        source = memoryview(data).cast("B")
        for inside, page, where in self._spans(len(source)):
            self._pages.setdefault(page, bytearray(_PAGE))[inside] = source[where]
        self._position += len(source)
        self.size = max(self.size, self._position)
        return len(source)

    def _spans(self, n: int) -> list[tuple[slice, int, slice]]:
        """Cut the next n bytes at the pages' borders: where in the page, which page, where in the bytes."""
        spans, done = [], 0
        while done < n:
            page, start = divmod(self._position + done, _PAGE)
            length = min(_PAGE - start, n - done)
            spans.append((slice(start, start + length), page, slice(done, done + length)))
            done += length
        return spans
