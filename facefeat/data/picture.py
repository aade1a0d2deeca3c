"""One file to upright RGB pixels, or a refusal with a code.

Every door of facefeat (folder, command line, page, camera, cluster) reads its pictures here. What a
file is called does not matter: its bytes decide its format.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefeat.data import isolated, regular
from facefeat.data.pixels import Decoded
from facefeat.errors import PictureRefused

CODES = {
    "unreadable": "the file cannot be opened or read",
    "not_a_file": "a folder, link to nowhere, pipe or device",
    "link_outside": "a link that leads out of the data set",
    "changed": "the bytes changed while they were read",
    "empty": "no bytes",
    "too_many_bytes": "more than MAX_BYTES",
    "not_a_picture": "bytes that are no picture of an accepted format",
    "damaged": "a picture that is cut off or cannot be decoded",
    "too_many_pixels": "more than MAX_PIXELS",
    "too_small": "a side under MIN_SIDE pixels",
    "timeout": "a picture whose decoding does not end in time",
    "crashed": "a picture that the decoder dies of",
    "several_faces": "more than one face, where the recipe wants one only",
    "no_face": "no face, where the recipe wants one",
}

# Refusals that come of decoding, and so of the bytes alone.
OF_DECODING = frozenset({"not_a_picture", "damaged", "too_many_pixels", "too_small", "timeout", "crashed"})
# By one recipe these too are the same next time.
OF_THE_BYTES = OF_DECODING | {"several_faces", "no_face"}

MAX_BYTES = 128 * 1024**2


@dataclass(frozen=True)
class Picture:
    """A picture that was read.

    Attributes
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        Upright, RGB, sRGB as found (colour profiles are not applied).
    sha256 : bytes
        Of the file's bytes, 32 bytes.
    """

    pixels: NDArray[np.uint8]
    sha256: bytes


def load(path: str | Path) -> Picture:
    """Read one picture from a file.

    Parameters
    ----------
    path : path-like
        A regular file.

    Returns
    -------
    Picture

    Raises
    ------
    PictureRefused
        With one of ``CODES``.
    """
    data = read(path)
    return Picture(decode(data), hashlib.sha256(data).digest())


def read(path: str | Path) -> bytes:
    """Read the bytes of a regular file, within the limit.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    bytes

    Raises
    ------
    PictureRefused
        ``unreadable``, ``not_a_file``, ``empty`` or ``too_many_bytes``.
    """
    try:
        handle = regular.opened(path)
    except regular.NotRegular as error:
        raise PictureRefused(
            "not_a_file", "A folder, not a file." if error.is_folder else "Not a regular file."
        ) from error
    except ValueError as error:
        raise PictureRefused("unreadable", "The file cannot be opened: its name holds a null byte.") from error
    except OSError as error:
        code = "not_a_file" if isinstance(error, FileNotFoundError) and os.path.islink(path) else "unreadable"
        raise PictureRefused(code, f"The file cannot be opened: {error.strerror}.") from error
    with open(handle, "rb") as file:
        try:
            size = os.fstat(handle).st_size
            if size > MAX_BYTES:
                raise too_many(size)
            data = file.read((size or MAX_BYTES) + 1)  # a buffer of the size asked for is made first
        except OSError as error:
            raise PictureRefused("unreadable", f"The file cannot be read: {error.strerror}.") from error
    if not data:
        raise empty()
    return data


def too_many(n_bytes: int) -> PictureRefused:
    """Build the refusal of a file of more than ``MAX_BYTES``."""
    message = f"{n_bytes / 1024**2:,.0f} MB; at most {MAX_BYTES // 1024**2} MB are read."
    return PictureRefused("too_many_bytes", message)


def empty() -> PictureRefused:
    """Build the refusal of a file without bytes."""
    return PictureRefused("empty", "The file is empty.")


def checked(data: bytes) -> bytes:
    """Return the bytes of a picture that is no file, if they are as many as ``read`` takes.

    Raises
    ------
    PictureRefused
        ``empty`` or ``too_many_bytes``.
    """
    if len(data) > MAX_BYTES:
        raise too_many(len(data))
    if not data:
        raise PictureRefused("empty", "There are no bytes.")
    return data


def decode(data: bytes) -> NDArray[np.uint8]:
    """Turn the bytes of a picture into upright RGB pixels, in a process that may hang or die of them.

    EXIF orientation is applied, 16-bit and floating-point pictures are scaled to 8 bits, transparency
    is laid over white, and of an animation the first frame is taken.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    ndarray of shape (height, width, 3), uint8

    Raises
    ------
    PictureRefused
        With one of ``OF_DECODING``.
    StorageError
        If the process that decodes cannot be started.
    """
    return isolated.decode(data).pixels


def decode_for(data: bytes, *, longer: int = 0, shorter: int = 0) -> Decoded:
    """Turn the bytes of a picture into no more pixels than are needed, where its format saves time so.

    Parameters
    ----------
    data : bytes
    longer, shorter : int
        Pixels that are needed along the picture's longer and shorter side. A JPEG with at least twice, four or
        eight times as many is decoded at a half, a quarter or an eighth of its size.

    Returns
    -------
    Decoded

    Raises
    ------
    PictureRefused, StorageError
        As ``decode``.
    """
    return isolated.decode(data, longer, shorter)
