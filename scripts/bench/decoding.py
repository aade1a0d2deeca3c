"""What it costs to decode in a process of its own: one picture at a time, both ways in turn.

scripts/bench/decoding.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from faces import main
from PIL import Image

from facefeat.data import isolated, pixels
from facefeat.data.samples import orl_folder
from facefeat.engines.network import Engine

PHOTOGRAPHS = ((640, 480, 100), (1920, 1080, 40), (4000, 3000, 15))  # width, height, runs


def pictures() -> Iterator[tuple[str, bytes, int]]:
    """Yield a name, the bytes of a file, and how often it is decoded."""
    yield "ORL face, 92 x 112, PGM", (orl_folder() / "s1" / "1.pgm").read_bytes(), 300
    cells = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    for width, height, runs in PHOTOGRAPHS:
        buffer = BytesIO()
        Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        yield f"{width} x {height}, JPEG", buffer.getvalue(), runs


def measure(_: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Decode each picture both ways, turn about."""
    for name, data, runs in pictures():
        here, there = [], []
        for _run in range(runs):
            here.append(timed(pixels.decode, data))
            there.append(timed(isolated.decode, data))
        inside, outside = (1000 * float(np.median(times)) for times in (here, there))
        yield {
            "picture": name,
            "in this process, ms": f"{inside:.2f}",
            "in its own, ms": f"{outside:.2f}",
            "ratio": f"{outside / inside:.2f}",
        }


def timed(decode: Callable[[bytes], Any], data: bytes) -> float:
    """Return the seconds that one decoding takes."""
    started = time.perf_counter()
    decode(data)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(measure, __doc__)
