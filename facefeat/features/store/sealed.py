"""HDF5 behind a digest: any byte that changes is found before anything is read.

The file starts with a block of 512 bytes, which HDF5 leaves to its users and every HDF5 program skips:
a line with the format and a line with the SHA-256 of all bytes that follow.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import regular
from facefeat.errors import DamagedFile, ForeignFile, NewerFile

FORMAT = "facefeat-features"
VERSION = 3  # the highest that is read
PLAIN = 2  # of files without augmented copies, which readers of that number may have
BLOCK = 512

_CHUNK = 4 * 1024**2
_HDF5 = b"\x89HDF\r\n\x1a\n"


def header(digest: str, version: int = PLAIN) -> bytes:
    """Return the first 512 bytes for a digest in hex."""
    return f"{FORMAT}/{version}\nsha256 {digest}\n".encode().ljust(BLOCK, b"\0")


def digest_of(handle: int) -> str:
    """Hash a file from behind its first block to its end, in hex."""
    hashed = hashlib.sha256()
    os.lseek(handle, BLOCK, os.SEEK_SET)
    while chunk := os.read(handle, _CHUNK):
        hashed.update(chunk)
    return hashed.hexdigest()


def version_for(augmentation: str) -> int:
    """Return the number of the format: a file with augmented copies is not for readers who would test on them."""
    return VERSION if augmentation else PLAIN


def seal(image: bytes, version: int = PLAIN) -> bytes:
    """Fill the first block of an HDF5 image that was made with a block for its user."""
    body = memoryview(image)[BLOCK:]
    return header(hashlib.sha256(body).hexdigest(), version) + bytes(body)


def checked_map(path: Path) -> NDArray[np.uint8]:
    """Map a sealed file into memory, after all its bytes were checked.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray of shape (n_bytes,), uint8
        Read-only, read from the disk as it is used.

    Raises
    ------
    DamagedFile, ForeignFile, NewerFile
    OSError
        ``NotRegular`` among them.
    """
    with open(regular.opened(path), "rb") as file:
        expected = _expected(file.read(BLOCK), path)
        if digest_of(file.fileno()) != expected:
            raise DamagedFile(f"{path} is damaged: its bytes do not match their checksum.")
        # Not np.memmap: whoever hands that to another process hands over the name, and by then another
        # file may have it. This stays the file that was checked.
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def version_of(raw: NDArray[np.uint8]) -> int:
    """Return the number of the format of a file that was checked."""
    return int(raw[:BLOCK].tobytes().split(b"\n")[0].partition(b"/")[2])


def release(column: NDArray[Any]) -> None:
    """Let go of a mapped file's pages that were read, so that they do not add up; they are read again if needed."""
    base: Any = column
    while isinstance(base, np.ndarray):
        base = base.base
    base = base.obj if isinstance(base, memoryview) else base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def _expected(start: bytes, path: Path) -> str:
    found = re.match(rb"([a-z-]{1,40})/(\d{1,9})\n(?:sha256 ([0-9a-f]{64})\n)?", start)
    if not found or found[1].decode() != FORMAT:
        if start.startswith(_HDF5):
            raise ForeignFile(f"{path} is an HDF5 file that facefeat did not make.")
        if not start or not any(start):
            raise DamagedFile(f"{path} is damaged: it is empty, or its start was lost.")
        raise ForeignFile(f"{path} is not a feature file; facefeat extract makes one.")
    if int(found[2]) < 1:
        raise ForeignFile(f"{path} is not a feature file; facefeat extract makes one.")
    if int(found[2]) > VERSION:
        raise NewerFile(
            f"{path} has format {int(found[2])}; this facefeat reads up to {VERSION}. Install a newer facefeat."
        )
    if len(start) < BLOCK or not found[3] or start != header(found[3].decode(), int(found[2])):
        raise DamagedFile(f"{path} is damaged: its first bytes are cut off.")
    return found[3].decode()
