"""One file to upright RGB pixels, or a refusal with a code.

Every door of facefeat (folder, command line, page, camera, cluster) reads its pictures here. What a
file is called does not matter: its bytes decide its format.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import PictureRefused

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")

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
}

MAX_BYTES = 128 * 1024**2
MAX_PIXELS = 80_000_000  # below the 89 million at which Pillow itself warns of a decompression bomb
MIN_SIDE = 16

_EXIF_ORIENTATION = 0x0112


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
        # O_NONBLOCK: opening a pipe that nobody writes to must not wait.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:
        raise PictureRefused("unreadable", "The file cannot be opened: its name holds a null byte.") from error
    except OSError as error:
        code = "not_a_file" if isinstance(error, FileNotFoundError) and os.path.islink(path) else "unreadable"
        raise PictureRefused(code, f"The file cannot be opened: {error.strerror}.") from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        is_folder = stat.S_ISDIR(status.st_mode)
        raise PictureRefused("not_a_file", "A folder, not a file." if is_folder else "Not a regular file.")
    with open(handle, "rb") as file:
        try:
            if status.st_size > MAX_BYTES:
                raise PictureRefused(
                    "too_many_bytes",
                    f"{status.st_size / 1024**2:,.0f} MB; at most {MAX_BYTES // 1024**2} MB are read.",
                )
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise PictureRefused("unreadable", f"The file cannot be read: {error.strerror}.") from error
    if not data:
        raise PictureRefused("empty", "The file is empty.")
    return data


def decode(data: bytes) -> NDArray[np.uint8]:
    """Turn the bytes of a picture into upright RGB pixels.

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
        ``not_a_picture``, ``damaged``, ``too_many_pixels`` or ``too_small``.
    """
    image = _open(data)
    _check_size(*image.size)
    try:
        image.load()
        upright = _transposed(image)
        return np.asarray(_to_rgb(upright))
    except MemoryError as error:
        raise PictureRefused("too_many_pixels", "Not enough memory to decode the picture.") from error
    except Exception as error:  # a decoder may raise anything on hostile bytes
        raise PictureRefused("damaged", f"The picture cannot be decoded: {_one_line(error)}.") from error


def _open(data: bytes) -> Image.Image:
    pillow = _pillow()
    try:
        image: Image.Image = pillow.open(BytesIO(data), formats=[name for name in FORMATS if name in pillow.OPEN])
    except pillow.DecompressionBombError as error:
        raise PictureRefused("too_many_pixels", f"More than {MAX_PIXELS:,} pixels.") from error
    except pillow.UnidentifiedImageError:
        kinds = ", ".join(FORMATS)
        raise PictureRefused("not_a_picture", f"Not a picture of an accepted format ({kinds}).") from None
    except Exception as error:
        raise PictureRefused("damaged", f"The picture cannot be opened: {_one_line(error)}.") from error
    return image


def _pillow() -> Any:
    import warnings

    from PIL import Image

    # Our own limits are tighter than those Pillow warns about, and a damaged file has its refusal.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    Image.init()
    return Image


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureRefused(
            "too_many_pixels", f"{width} x {height} pixels; at most {MAX_PIXELS:,} in all are decoded."
        )
    if min(width, height) < MIN_SIDE:
        raise PictureRefused("too_small", f"{width} x {height} pixels; each side needs at least {MIN_SIDE}.")


def _transposed(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation, where there is one that can be read."""
    from PIL import ImageOps

    try:
        if image.getexif().get(_EXIF_ORIENTATION, 1) == 1:
            return image
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF says nothing about the pixels
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image as pillow

    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return pillow.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = pillow.new("RGBA", rgba.size, (255, 255, 255, 255))
        return pillow.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale grey values of 16 or 32 bits, or floating point, to 0..255.

    The range is the format's where it shows: 0..1 for floats within it, 0..255 for values within it,
    0..65535 for 16-bit pictures; else the picture's own lowest and highest value.
    """
    grey = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = 0.0, 65535.0
    if values.dtype.kind == "f" and grey.min() >= 0 and grey.max() <= 1:
        high = 1.0
    elif values.dtype.newbyteorder("=") != np.uint16 and grey.min() >= 0 and grey.max() <= 255:
        high = 255.0
    elif grey.min() < 0 or grey.max() > 65535:
        low, high = float(grey.min()), float(grey.max())
    scaled = (grey - low) * (255.0 / max(high - low, 1e-12))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
