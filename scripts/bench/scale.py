"""Time and memory against the number of rows, up to a million: info, check, fit and predict.

    scripts/bench/scale.py [--rows 10000 100000 1000000] [--heads prototype logreg] [--keep FOLDER]

The feature file has one layer of 512 numbers, a hundred rows a person, and is written by the store's own code, shard by
shard; a row is 6 kB, so a million take 6 GB of disk, twice that while the file is made, and each model another 1 GB.
Vectors are drawn around one for each person in 64 directions, and become like a network's by a square that is cut at 0;
the network of the recipe is VGG16, which predict runs on one of ORL's pictures.

Every command is a process of its own. "peak" is the most memory that it had at once (``ru_maxrss``). "its own" is that
without pages of mapped files, which the system takes back when it needs them, by what ``smaps_rollup`` says ten times a
second; it is missing where there is no such thing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from extract import show

from facefeat.data.samples import orl_folder
from facefeat.features.encode import plan
from facefeat.features.recipe import Recipe
from facefeat.features.store.columns import FEATURES, ROW, Columns
from facefeat.features.store.publish import Contents, publish
from facefeat.features.store.shards import Shard, WorkFolder

LAYER, WIDTH = "block5_pool", 512
EACH = 100  # rows a person
SHARD = 10_000
DIRECTIONS, SPREAD = 64, 0.6  # in which people differ; how pictures of one differ beside people
MADE_BY = {"engine": "none", "device": "drawn at random", "precision": "float32", "versions": {}}


def make(path: Path, n: int) -> None:
    """Write a feature file of n rows, unless it is there."""
    if path.exists():
        return
    recipe = plan("vgg16", layers=[LAYER], pooling="avg", faces_mode="none", size=64).recipe
    work = WorkFolder(path, recipe)
    with work.held():
        for start in range(0, n, SHARD):
            work.add(Shard(drawn(np.arange(start, min(start + SHARD, n)), recipe), (), json.dumps(MADE_BY)))
        by_first = sorted((shard.columns for shard in work.shards()), key=lambda one: int(one["faces/box"][0, 0]))
        row = np.arange(n)
        person = (row // EACH).astype("<i4")
        people = tuple(f"person {who:05d}" for who in range(person[-1] + 1))
        paths = [f"{people[who]}/{number:07d}.jpg" for number, who in enumerate(person.tolist())]
        publish(path, recipe, Contents(people, paths, person, by_first, row // SHARD, row % SHARD, [], MADE_BY))
        work.clear()


def drawn(rows: Any, recipe: Recipe) -> Columns:
    """Draw the columns of some rows; the same row is always the same, and its box says its number."""
    n, rng = len(rows), np.random.default_rng([1, int(rows[0])])
    columns: Columns = {name: np.zeros((n, *shape), kind) for name, (kind, shape) in ROW.items()}
    columns["images/sha256"][:] = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    columns["faces/box"][:] = rows[:, None] + np.array([0, 0, 200, 200])
    columns["faces/score"][:] = np.nan
    columns["faces/landmarks"][:] = np.nan
    columns["faces/pixels"][:] = rng.integers(0, 256, (n, 64, 64), dtype=np.uint8)
    spread = np.random.default_rng(0).normal(0, 0.3 / np.sqrt(DIRECTIONS), (DIRECTIONS, WIDTH))
    own = np.stack([np.random.default_rng([2, who]).normal(size=DIRECTIONS) for who in np.unique(rows // EACH)])
    seen = own[(rows - rows[0]) // EACH] + SPREAD * rng.normal(size=(n, DIRECTIONS))
    columns[FEATURES + recipe.layers[0]] = (np.maximum(1 + seen @ spread, 0) ** 2).astype("<f4")
    return columns


def run(*words: str) -> dict[str, Any]:
    """Run a command in a process of its own; return what it said, its seconds, its peak and its own memory, MiB."""
    started, own = time.perf_counter(), 0.0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, "-m", "facefeat", *words, "--json"], stdout=said)
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            own = max(own, anonymous(process.pid))
            time.sleep(0.1)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        assert process.returncode == 0, words
        said.seek(0)
        return {"said": json.load(said), "seconds": seconds, "peak": used.ru_maxrss / 1024, "own": own}


def anonymous(pid: int) -> float:
    """Return how much memory of a process is no page of a file, MiB; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Anonymous:")), 0.0)


def measure(counts: list[int], heads: list[str], folder: Path) -> Iterator[dict[str, Any]]:
    """Run all commands on ever larger files."""
    picture = str(orl_folder() / "s1" / "1.pgm")
    for n in counts:
        file = folder / f"{n}.h5"
        with multiprocessing.get_context("spawn").Pool(
            1
        ) as process:  # a command's peak begins with that of who starts it
            process.apply(make, (file, n))
        for command in ("info", "check"):
            yield row(n, command, run(command, str(file)))
        for head in heads:
            model = str(folder / f"{n}-{head}.facefeat")
            yield row(n, f"fit --head {head}", run("fit", str(file), "--head", head, "-o", model, "-q"))
            for words in (["info", model], ["check", model], ["predict", model, picture]):
                yield row(n, f"{words[0]}, the model of {head}", run(*words))


def row(n: int, command: str, found: dict[str, Any]) -> dict[str, Any]:
    """Make a row of the table."""
    said = found["said"]
    if command.startswith("fit"):
        shown = said["threshold"] | {"confidence": said.get("confidence")}
        print(json.dumps(shown), file=sys.stderr)
    return {
        "rows": f"{n:,}",
        "command": command,
        "seconds": f"{found['seconds']:.1f}",
        "peak, MiB": f"{found['peak']:.0f}",
        "its own, MiB": f"{found['own']:.0f}" if found["own"] else "",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--heads", nargs="+", default=["prototype", "logreg"])
    parser.add_argument("--keep", type=Path, help="a folder where files are looked for, and stay")
    options = parser.parse_args()
    with nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory() as folder:
        show(measure(options.rows, options.heads, Path(folder)))


if __name__ == "__main__":
    main()
