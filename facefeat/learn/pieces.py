"""Files in memory whose parts are not copied: one that is written into an archive, and one that an archive is read from."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Pieces(io.RawIOBase):
    """A file to be written: it holds what is written as it is, and keeps arrays in it from being copied.

    Whatever is written must not change afterwards. Parts may be replaced by others of the same length alone, as
    zipfile does with the header of a member once it knows its checksum.
    """

    def __init__(self, *parts: bytes | memoryview) -> None:
        self._parts: dict[int, bytes | memoryview] = {}
        self._at = self.size = 0
        for part in parts:
            self.write(part)

    def __iter__(self) -> Iterator[bytes | memoryview]:  # type: ignore[override]
        return iter(self._parts.values())

    def write(self, data: Any, /) -> int:
        """Hold bytes, or a memoryview of bytes, at the file's position.

        Raises
        ------
        ValueError
            Where they would replace something of another length.
        """
        n, there = len(data), self._parts.get(self._at)
        if n and self._at != self.size and (there is None or len(there) != n):
            raise ValueError("only a part of the same length can be replaced")
        if n:
            self._parts[self._at] = data
        self._at += n
        self.size = max(self.size, self._at)
        return n

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place from the start, or from the end."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence])
        return self._at

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def writable(self) -> bool:
        """Say yes."""
        return True

    def sha256(self) -> str:
        """Return the SHA-256 of all of it, in hex."""
        hashed = hashlib.sha256()
        for part in self:
            hashed.update(part)
        return hashed.hexdigest()


class Held(io.RawIOBase):
    """A file to be read, of bytes that are there.

    Attributes
    ----------
    held : memoryview
        All of it.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self.held = memoryview(data)
        self._at = 0

    def readinto(self, room: Any, /) -> int:
        """Copy bytes from the file's position."""
        part = self.held[self._at : self._at + len(room)]
        room[: len(part)] = part
        self._at += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place from the start, from here, or from the end."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self.held)}[whence])
        return self._at

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def readable(self) -> bool:
        """Say yes."""
        return True


def npz(arrays: dict[str, NDArray[Any]]) -> Pieces:
    """Lay out an .npz, byte for byte as ``numpy.savez`` does, in which the arrays are no copies.

    Parameters
    ----------
    arrays : dict of str to ndarray
        In C order, or they are copied.

    Returns
    -------
    Pieces
    """
    made = Pieces()
    with zipfile.ZipFile(made, "w") as packed:
        for name, values in arrays.items():
            plain = np.ascontiguousarray(values)
            with packed.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = io.BytesIO()
                np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(plain))
                member.write(header.getvalue())
                member.write(plain.reshape(-1).view(np.uint8).data)
    return made


def archive(members: Iterable[tuple[str, Pieces]], time: tuple[int, int, int, int, int, int]) -> Pieces:
    """Lay out an archive whose members are stored, all at one time.

    Parameters
    ----------
    members : iterable of (name, Pieces)
    time : tuple of int
        Year to second.

    Returns
    -------
    Pieces
    """
    made = Pieces()
    with zipfile.ZipFile(made, "w") as packed:
        for name, pieces in members:
            info = zipfile.ZipInfo(name, time)
            info.file_size = pieces.size  # which decides on the kind of its header
            with packed.open(info, "w") as member:
                for part in pieces:
                    member.write(part)
    return made
