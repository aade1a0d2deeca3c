"""What a picture costs whoever drives an extraction, wherever it is computed: listing, hashing, lists, shards, the file.

    scripts/bench/driver.py [--counts 10000 100000] [--bytes 20000] [--size 80] [--folder FOLDER] [--no-rows]

Files of random bytes lie a hundred in a folder; nothing decodes them, and rows are drawn instead of computed, which is not
counted. All else is the code of ``facefeat extract --cluster``, with shards that are returned: hashing twice, the second
time from notes; lists cut and written as JSON; every shard checked, written, synced and mapped; the file published. Each
count is a process of its own, and "memory" what it has grown by at a step's end, without pages of mapped files.
``--no-rows`` stops before the shards; a row of the default recipe is 25 kB, twice on disk while the file is made.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from extract import show
from scale import anonymous

from facefeat.data.augment import AUGMENTATION
from facefeat.data.remote import list_data
from facefeat.features import extract, hashes
from facefeat.features.cluster import driver
from facefeat.features.cluster.job import list_to_json
from facefeat.features.compute import SHARD_ROWS, Task
from facefeat.features.contents import contents_of
from facefeat.features.encode import plan
from facefeat.features.known import Known
from facefeat.features.recipe import Recipe, canonical_json
from facefeat.features.store.columns import FEATURES, ROW, Columns
from facefeat.features.store.publish import publish
from facefeat.features.store.shards import Shard, WorkFolder, packed

EACH = 100  # files a folder
MADE_BY = {"engine": "none", "device": "drawn at random", "precision": "float32", "versions": {}}


def write_files(folder: Path, n: int, size: int) -> None:
    """Write n files of random bytes, none like another."""
    rng = np.random.default_rng(0)
    for number in range(n):
        person = folder / f"person {number // EACH:06d}"
        if number % EACH == 0:
            person.mkdir(parents=True)
        (person / f"{number:08d}.jpg").write_bytes(rng.bytes(size))


def drawn(tasks: list[Task], recipe: Recipe) -> Columns:
    """Draw the rows of some pictures."""
    n, rng = len(tasks), np.random.default_rng(0)
    columns: Columns = {name: np.zeros((n, *shape), kind) for name, (kind, shape) in ROW.items()}
    columns["images/sha256"][:] = np.frombuffer(b"".join(task.sha256 for task in tasks), np.uint8).reshape(n, 32)
    columns["faces/pixels"][:] = rng.integers(0, 256, (n, 64, 64), dtype=np.uint8)
    for layer, width in zip(recipe.layers, (1024, 2048, 2048), strict=True):
        columns[FEATURES + layer] = rng.random((n, width), np.float32)
    return columns


class Steps:
    """What each step took, and what it left in memory."""

    def __init__(self, n: int) -> None:
        self.n, self.first, self.rows = n, anonymous(os.getpid()), list[dict[str, Any]]()

    @contextmanager
    def step(self, name: str, n_bytes: float = 0) -> Iterator[None]:
        """Count what is done within."""
        started = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - started, n_bytes)

    def add(self, name: str, seconds: float, n_bytes: float = 0) -> None:
        """Add a row of the table."""
        grown = (anonymous(os.getpid()) - self.first) * 1024**2
        self.rows.append(
            {
                "pictures": f"{self.n:,}",
                "step": name,
                "seconds": f"{seconds:.2f}",
                "pictures a second": f"{self.n / seconds:,.0f}",
                "MB/s": f"{n_bytes / seconds / 1e6:.0f}" if n_bytes else "",
                "memory, bytes a picture": f"{grown / self.n:,.0f}",
            }
        )


def drive(folder: Path, output: Path, n: int, size: int, side: int, rows: bool) -> list[dict[str, Any]]:
    """Do what a driver does."""
    steps, recipe = Steps(n), plan(size=side).recipe
    with steps.step("listing"):
        dataset = list_data(folder)
    with steps.step("hashing", n * size):
        hashes.of_all(dataset, rehash=True)
    with steps.step("hashing, from notes"):
        digests = hashes.of_all(dataset)
    known = Known(canonical_json(AUGMENTATION.as_dict()))
    with steps.step("lists"):
        tasks = (Task(dataset.entries[i].path, digests[i]) for i in extract._unique(digests))
        lists = [list_to_json(some, dataset.where) for some in driver._lists(tasks, SHARD_ROWS)]
    steps.rows[-1]["step"] += f", {sum(map(len, lists)) / n:.0f} bytes a picture"
    if not rows:
        return steps.rows
    seconds, n_bytes, work = 0.0, 0, WorkFolder(output, recipe)
    with work.held():
        for some in driver._lists(
            (Task(dataset.entries[i].path, digests[i]) for i in extract._unique(digests)), SHARD_ROWS
        ):
            name, data = packed(Shard(drawn(some, recipe), (), json.dumps(MADE_BY)), recipe)
            started = time.perf_counter()
            known.add_shard(work.put(name, data))
            seconds += time.perf_counter() - started
            n_bytes += len(data)
        steps.add("shards", seconds, n_bytes)
        with steps.step("publishing", n_bytes):
            publish(output, recipe, contents_of(dataset, digests, known, 0))
        with steps.step("clearing"):
            work.clear()
    steps.rows[-2]["step"] += f", {output.stat().st_size / n:,.0f} bytes a row"
    return steps.rows


def measure(counts: list[int], size: int, side: int, place: Path, rows: bool) -> Iterator[dict[str, Any]]:
    """Drive ever more pictures."""
    for n in counts:
        with tempfile.TemporaryDirectory(dir=place) as inside:
            folder = Path(inside)
            os.environ["FACEFEAT_CACHE_DIR"] = str(folder / "cache")
            write_files(folder / "people", n, size)
            os.sync()
            with multiprocessing.get_context("spawn").Pool(1) as process:
                yield from process.apply(drive, (folder / "people", folder / "features.h5", n, size, side, rows))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--bytes", type=int, default=20_000, help="of a file")
    parser.add_argument("--size", type=int, default=80)
    parser.add_argument("--folder", type=Path, help="where files are written")
    parser.add_argument("--no-rows", action="store_true")
    options = parser.parse_args()
    show(measure(options.counts, options.bytes, options.size, options.folder, not options.no_rows))


if __name__ == "__main__":
    main()
