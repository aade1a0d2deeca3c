"""Films for a camera that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.making import Pixels


def write_y4m(path: Path, picture: Pixels, frames: int = 5) -> Path:
    """Write a film of one picture, whose sides are even, as YUV4MPEG2 with BT.601's limited range."""
    height, width = picture.shape[:2]
    red, green, blue = np.moveaxis(picture.astype(np.float64) / 255, 2, 0)
    light = 16 + 65.481 * red + 128.553 * green + 24.966 * blue
    colours = (
        128 - 37.797 * red - 74.203 * green + 112 * blue,
        128 + 112 * red - 93.786 * green - 18.214 * blue,
    )
    halved = [plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)) for plane in colours]
    planes = b"".join(np.rint(plane).astype(np.uint8).tobytes() for plane in (light, *halved))
    head = f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420mpeg2\n".encode()
    path.write_bytes(head + (b"FRAME\n" + planes) * frames)
    return path
