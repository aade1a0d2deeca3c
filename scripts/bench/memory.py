"""Memory and time of an extraction against the number of pictures.

    scripts/bench/memory.py [--counts 1000 10000 100000] [--size 80]

The pictures are ORL's faces at half their size, each with its own noise, so that no two are alike. Every extraction
is a process of its own; "peak" is the most memory that it had at once (``ru_maxrss``), mapped files among it, without
the processes that decode. "ms a picture" is without the seconds that every extraction takes to start; "CPU" is the time of
all cores, of the processes that decode too, which other work on the machine changes less than the clock's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from extract import show
from PIL import Image

from facefeat.data.samples import orl_folder

FEW = 400
CODE = """
import json, sys
from facefeat.features.encode import plan
from facefeat.features.extract import extract
made = extract(sys.argv[1], sys.argv[2], plan(size=int(sys.argv[3]), pooling="avg", faces_mode="none", flip=False))
assert len(made.file) == int(sys.argv[4])
print(json.dumps(made.seconds.total))
"""


def write_pictures(folder: Path, n: int) -> None:
    """Write n small pictures of 40 people."""
    rng = np.random.default_rng(0)
    faces = [Image.open(file).reduce(2) for file in sorted(orl_folder().glob("*/*.pgm"))]
    for i in range(n):
        face = np.asarray(faces[i % len(faces)], np.int16)
        noisy = np.clip(face + rng.integers(-4, 5, face.shape), 0, 255).astype(np.uint8)
        person = folder / f"s{i % len(faces) // 10:02d}"
        person.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(person / f"{i:06d}.pgm")


def run(folder: Path, output: Path, size: int, n: int) -> tuple[float, float, float]:
    """Extract in a process of its own; return its seconds, the seconds of all cores, and its peak, MB."""
    output.unlink(missing_ok=True)
    command = [sys.executable, "-c", CODE, str(folder), str(output), str(size), str(n)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return json.loads(said), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(counts: list[int], size: int) -> Iterator[dict[str, Any]]:
    """Extract ever more pictures; few ones in turn with them, which tell what every extraction takes to start."""
    first: tuple[float, float, float] | None = None
    for n in counts:
        with tempfile.TemporaryDirectory() as place:
            folder, few, output = (Path(place) / name for name in ("people", "few", "features.h5"))
            write_pictures(folder, n)
            write_pictures(few, FEW)
            times = max(1, min(9, 30_000 // n))
            starts, runs = [], []
            for _ in range(times):
                starts.append(run(few, output, size, FEW))
                runs.append(run(folder, output, size, n))
            seconds, peak = median(one for one, _, _ in runs), max(one for _, _, one in runs)
            each, cores = (
                (median(one[i] for one in runs) - median(one[i] for one in starts)) / (n - FEW) for i in (0, 1)
            )
            first = first or (each, cores, peak)
            yield {
                "pictures": f"{n:,}",
                "runs": str(times),
                "seconds": f"{seconds:.1f}",
                "ms a picture": f"{1000 * each:.2f}",
                "ratio": f"{each / first[0]:.2f}",
                "CPU ms a picture": f"{1000 * cores:.2f}",
                "ratio of CPU": f"{cores / first[1]:.2f}",
                "peak, MB": f"{peak:.0f}",
                "ratio of peaks": f"{peak / first[2]:.2f}",
                "file, MB": f"{output.stat().st_size / 1e6:.0f}",
            }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--size", type=int, default=80)
    options = parser.parse_args()
    show(measure(options.counts, options.size))


if __name__ == "__main__":
    main()
