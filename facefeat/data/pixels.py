"""The bytes of a picture to upright RGB pixels, in this process.

Decoders are large, and their input is anybody's: ``facefeat.data.isolated`` runs this in a process of its
own, which is what every door uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import PictureRefused

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")

MAX_PIXELS = 80_000_000  # below the 89 million at which Pillow itself warns of a decompression bomb
MIN_SIDE = 16

_EXIF_ORIENTATION = 0x0112
_REDUCIBLE = ("JPEG", "MPO")
_BLOCK = 2**20  # numbers that are scaled at once; doubles of a whole picture would fill the memory


@dataclass(frozen=True)
class Decoded:
    """A picture's pixels, perhaps fewer than it has.

    Attributes
    ----------
    pixels : ndarray of shape (h, w, 3), uint8
        Upright, RGB.
    height, width : int
        Of the upright picture in full.
    """

    pixels: NDArray[np.uint8]
    height: int
    width: int

    @property
    def is_reduced(self) -> bool:
        """Whether pixels were left out."""
        return self.pixels.shape[:2] != (self.height, self.width)


def decode(data: bytes, longer: int = 0, shorter: int = 0) -> Decoded:
    """Turn the bytes of a picture into pixels, in this process; see ``facefeat.data.picture.decode``.

    Parameters
    ----------
    data : bytes
    longer, shorter : int
        Pixels that are needed along either side of the picture; a JPEG that has at least twice as many is decoded
        at a half, a quarter or an eighth of its size, in a fraction of the time. 0 and 0: all pixels.

    Raises
    ------
    PictureRefused
        ``not_a_picture``, ``damaged``, ``too_many_pixels`` or ``too_small``.
    """
    image = _open(data)
    _check_size(*image.size)
    full = image.size
    try:
        if longer or shorter:
            _reduce(image, longer, shorter)
        image.load()
        upright = _transposed(image)
        width, height = full if upright is image or upright.size == image.size else full[::-1]
        return Decoded(np.asarray(_to_rgb(upright)), height, width)
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


def _reduce(image: Image.Image, longer: int, shorter: int) -> None:
    """Have a JPEG decoded at the smallest scale that its transform gives and that has the pixels needed.

    Where a longer side is asked for, faces are to be found: then only at a scale that leaves no part of a pixel, which
    would lie at another border when the picture is turned, and move the face.
    """
    width, height = image.size
    for scale in (8, 4, 2):
        whole = not longer or (width % scale == 0 and height % scale == 0)
        enough = max(image.size) >= longer * scale and min(image.size) >= shorter * scale
        if image.format in _REDUCIBLE and enough and whole:
            image.draft(None, (width // scale, height // scale))
            return


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
    flat = values.reshape(-1)
    low, high = _range_of(flat)
    scaled = np.empty(flat.shape, np.uint8)
    for start in range(0, len(flat), _BLOCK):
        grey = (_finite(flat[start : start + _BLOCK]) - low) * (255.0 / max(high - low, 1e-12))
        scaled[start : start + _BLOCK] = np.clip(np.rint(grey), 0, 255)
    return scaled.reshape(values.shape)


def _range_of(values: NDArray[Any]) -> tuple[float, float]:
    if values.dtype.newbyteorder("=") == np.uint16:
        return 0.0, 65535.0
    ends = []
    for start in range(0, len(values), _BLOCK):
        block = _finite(values[start : start + _BLOCK])
        ends += [float(block.min()), float(block.max())]
    lowest, highest = min(ends), max(ends)
    if lowest < 0 or highest > 65535:
        return lowest, highest
    if highest <= 1 and values.dtype.kind == "f":
        return 0.0, 1.0
    return 0.0, 255.0 if highest <= 255 else 65535.0


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
