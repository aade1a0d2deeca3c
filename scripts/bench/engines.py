"""Whether the engines agree, on every ORL face, and how fast each is: Keras in float32 is the reference.

scripts/bench/engines.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from faces import find, main, orl_people, vectors

from facefeat.engines.choose import choose
from facefeat.engines.network import Engine, describe
from facefeat.errors import UsageError

RUNS = 3
OTHERS = (("keras", "float32"), ("openvino", "float32"), ("openvino", "bfloat16"), ("openvino", "float16"))


def measure(_: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Compare every engine and precision that this machine has with the reference."""
    orl = find(orl_people(), engine)
    reference: dict[str, Any] | None = None
    for name, precision in OTHERS:
        try:
            other = choose(name, precision)
        except UsageError:
            continue
        vectors(orl, other)  # exports and warms up
        seconds = []
        for _run in range(RUNS):
            started = time.perf_counter()
            found = vectors(orl, other)
            seconds.append(time.perf_counter() - started)
        reference = reference or found
        row: dict[str, Any] = {"engine": describe(other), "faces a second": round(400 / float(np.median(seconds)))}
        for layer, mine in found.items():
            a, b = mine.astype(np.float64), reference[layer].astype(np.float64)
            cosines = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            row[f"lowest cosine, {layer}"] = f"{cosines.min():.7f}"
        yield row


if __name__ == "__main__":
    main(measure, __doc__)
