"""NumPy's ``.npz``: a ZIP of arrays. Arrays of objects, which are pickles, are listed and never opened."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from facefeat.errors import ForeignFile
from facefeat.features.tensors.entry import Entry, Listing


@contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """List the arrays of a file, for as long as it is open.

    Raises
    ------
    ForeignFile
        If the ZIP is PyTorch's or a ``.keras`` file, both of which can hold code.
    """
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith("data.pkl") for name in names):
            raise ForeignFile(
                f"{path} is a file of PyTorch's, a pickle that could run code; save its tensors as .safetensors."
            )
        if "model.weights.h5" in names:
            raise ForeignFile(
                f"{path} is a .keras file, which could hold code; give what model.save_weights writes, a .weights.h5 file."
            )
        yield Listing(".npz", [_entry(archive, name) for name in names if name.endswith(".npy")])


def _entry(archive: zipfile.ZipFile, name: str) -> Entry:
    with archive.open(name) as member:
        shape, _, dtype = _header(member)
    *layers, leaf = name.removesuffix(".npy").replace(".", "/").split("/")
    plain = dtype.kind in "fiu" and not dtype.hasobject
    return Entry(tuple(layers), leaf, shape, (lambda: _read(archive, name)) if plain else None)


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[np.float32]:
    with archive.open(name) as member:
        shape, fortran, dtype = _header(member)
        n = math.prod(shape) * dtype.itemsize
        data = member.read(n)
        if len(data) < n or member.read(1):  # which also compares the checksum
            raise ValueError(f"{name} has not the length that its header says")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array, np.float32)


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    version = npy.read_magic(member)
    if version == (1, 0):
        return npy.read_array_header_1_0(member)
    if version == (2, 0):
        return npy.read_array_header_2_0(member)
    raise ValueError(f"its arrays are of the format {version}")
