"""Augmented copies of an aligned face: turned, moved, scaled, mirrored and lit otherwise, as its bytes decide."""

from __future__ import annotations

import cmath
import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PADDING = 0.25  # of a side: what a copy may show from beyond the border, more than the ranges reach
_STEPS = 2**32


@dataclass(frozen=True)
class Augmentation:
    """How far a copy may be from its face; every number is drawn evenly from the range.

    Attributes
    ----------
    rotation : float
        Degrees to either side.
    shift : float
        Of the side, to either side, along and across.
    scale : float
        1 more or less so much.
    brightness : float
        All channels are multiplied by 1 more or less so much.
    flip : bool
        Whether every other copy is the mirror image, by chance.
    """

    rotation: float = 10.0
    shift: float = 0.05
    scale: float = 0.05
    brightness: float = 0.2
    flip: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the ranges as plain JSON values."""
        return asdict(self)


AUGMENTATION = Augmentation()


def augmented(
    square: NDArray[np.uint8], sha256: bytes, copy: int, ranges: Augmentation = AUGMENTATION
) -> NDArray[np.uint8]:
    """Make one copy of a face.

    What becomes of it is read off a hash of the picture's and the copy's number, so that a copy is the same in
    every run, on every machine, and whichever copies are made beside it.

    Parameters
    ----------
    square : ndarray of shape (size, size, 3), uint8
        As it was aligned.
    sha256 : bytes
        Of the picture's file.
    copy : int
        From 1; 0 is the face itself.
    ranges : Augmentation

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        What lies beyond the face's border is its mirror image.
    """
    if copy == 0:
        return square
    across, along, angle, scale, light, mirror = _draws(sha256, copy)
    turn = cmath.rect(1 + ranges.scale * scale, math.radians(ranges.rotation) * angle)
    moved = _moved(square, turn, complex(across, along) * ranges.shift)
    if ranges.flip and mirror < 0:
        moved = moved[:, ::-1]
    lit: NDArray[np.float32] = moved * np.float32(1 + ranges.brightness * light)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def _draws(sha256: bytes, copy: int) -> tuple[float, ...]:
    """Return six numbers from -1 to 1."""
    digest = hashlib.sha256(b"facefeat augmented copy" + sha256 + copy.to_bytes(4, "little")).digest()
    return tuple(2 * int(word) / _STEPS - 1 for word in np.frombuffer(digest, "<u4")[:6])


def _moved(square: NDArray[np.uint8], turn: complex, shift: complex) -> NDArray[np.uint8]:
    """Turn and scale a face around its middle and move it; ``shift`` is a share of its side."""
    from PIL import Image

    size = len(square)
    border = math.ceil(_PADDING * size)
    padded = np.pad(square, ((border, border), (border, border), (0, 0)), mode="symmetric")
    middle = complex(size, size) / 2
    # Pillow wants where each pixel comes from.
    back = 1 / turn
    start = middle + complex(border, border) - back * (middle + shift * size)
    moved = Image.fromarray(padded).transform(
        (size, size),
        Image.Transform.AFFINE,
        (back.real, -back.imag, start.real, back.imag, back.real, start.imag),
        resample=Image.Resampling.BICUBIC,
    )
    return np.asarray(moved)
