"""The program itself, killed with SIGKILL at random moments: the second part of ``scripts/bench/faults.py``."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facefeat.data.samples import N_PEOPLE, N_PICTURES, orl_folder
from facefeat.errors import FacefeatError
from facefeat.features.store import columns as layout
from facefeat.features.store import sealed
from facefeat.features.store.file import FeatureFile, read
from tests.trials import work_of

Row = dict[str, Any]

# The program, with shards of another size.
PROGRAM = """
import sys
import tempfile
from facefeat.features import compute
compute.SHARD_ROWS = int(sys.argv.pop(1))
from facefeat.cli.app import app
app(sys.argv[1:])
"""
PHASES = ("starting", "computing", "publishing", "tidying", "ended before")
AIMED = 4  # of so many kills, one waits for the file to be written, and then a little


@dataclass
class Kills:
    """What happened over all rounds."""

    rounds: int = 0  # those too that ended before their kill
    phases: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    equal: int = 0
    torn: int = 0  # files under a good name that were not whole
    shards: int = 0  # complete before a kill, and looked at again after it
    shards_lost: int = 0
    rows_lost: int = 0
    rows_doubled: int = 0
    rows_wrong: int = 0

    @property
    def kills(self) -> int:
        """Kills that hit."""
        return self.rounds - self.phases["ended before"]

    def as_row(self) -> Row:
        """Lay out the counts."""
        plain = {name.replace("_", " "): value for name, value in vars(self).items() if name != "phases"}
        return {"kills": self.kills, **plain, **{phase: self.phases[phase] for phase in PHASES}}


class Target:
    """A data set, the files that undisturbed runs make of it and of half of it, and one that is killed.

    Parameters
    ----------
    options : Namespace
    folder : Path
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.output = options, folder / "out" / "features.h5"
        self.data = write_orl(folder / "all", N_PEOPLE)
        started = time.monotonic()
        self.whole = self._undisturbed(self.data, folder / "whole.h5")  # makes what is kept in the cache, too
        for _ in range(2):
            started = time.monotonic()
            self._undisturbed(self.data, folder / "again.h5")
            self.seconds = time.monotonic() - started
        self.half = self._undisturbed(write_orl(folder / "half", N_PEOPLE // 2), folder / "half.h5")
        self.rows = rows_of(read(folder / "whole.h5"))
        self.before: bytes | None = None
        self.output.parent.mkdir()

    def _undisturbed(self, data: Path, output: Path) -> bytes:
        output.unlink(missing_ok=True)
        _, said = self.start(data, output).communicate()
        if not output.exists():
            raise SystemExit(f"the undisturbed run failed: {said}")
        return output.read_bytes()

    def start(self, data: Path, output: Path) -> subprocess.Popen[str]:
        """Start the program."""
        wanted = ("--backbone", self.options.backbone, "--faces", self.options.faces, "-q")
        command = [sys.executable, "-c", PROGRAM, str(self.options.shard_rows), "extract", str(data), *wanted]
        return subprocess.Popen(
            [*command, "-o", str(output)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def begin(self, rng: np.random.Generator) -> None:
        """Clear the place, and publish half of the pictures there, or nothing."""
        shutil.rmtree(self.output.parent)
        self.output.parent.mkdir()
        self.before = self.half if rng.random() < 0.5 else None
        if self.before:
            self.output.write_bytes(self.before)

    def is_whole(self) -> bool:
        """Tell whether the new file is in place."""
        return self.output.exists() and self.output.read_bytes() == self.whole


def write_orl(folder: Path, n_people: int) -> Path:
    """Write the ORL faces of the first people."""
    for person in range(1, n_people + 1):
        (folder / f"s{person:02}").mkdir(parents=True)
        for number in range(1, N_PICTURES + 1):
            source = orl_folder() / f"s{person}" / f"{number}.pgm"
            shutil.copyfile(source, folder / f"s{person:02}" / f"{number:02}.pgm")
    return folder


def rows_of(file: FeatureFile) -> dict[bytes, bytes]:
    """Return all numbers of each picture, by the hash of its bytes."""
    return _rows(file.numbers)


def _rows(columns: dict[str, Any]) -> dict[bytes, bytes]:
    names = sorted(columns)
    digests = columns["images/sha256"]
    return {digests[i].tobytes(): b"".join(columns[name][i].tobytes() for name in names) for i in range(len(digests))}


def rows_of_shard(path: Path) -> dict[bytes, bytes]:
    """Return the same of a shard."""
    raw = sealed.checked_map(path)
    found = {name: layout.view(raw, where, name) for name, where in layout.places(path)[0].items()}
    return _rows({name: column for name, column in found.items() if not name.startswith("skipped/")})


def kills(options: argparse.Namespace, scratch: Path) -> Iterator[Row]:
    """Kill the program again and again, and look at what is there each time."""
    rng, total = np.random.default_rng(options.seed), Kills()
    target = Target(options, scratch)
    print(
        f"# an undisturbed run takes {target.seconds:.1f} s, {len(target.whole):,} bytes, {len(target.rows)} pictures"
    )
    target.begin(rng)
    while total.kills < options.kills:
        total.rounds += 1
        shards = {path: path.read_bytes() for path in shards_of(target.output)}
        phase = kill_once(target, rng, aimed=total.rounds % AIMED == 0)
        total.phases[phase] += 1
        target.seconds *= 0.95 if phase == "ended before" else 1.02  # the machine may be busier than it was
        look(target, shards, total)
        if target.is_whole():
            finish(target, total)
            target.begin(rng)
    yield total.as_row()


def finish(target: Target, total: Kills) -> None:
    """Let the program end, where only tidying up is left to do."""
    process = target.start(target.data, target.output)
    process.communicate()
    total.finished += process.returncode == 0
    total.equal += target.is_whole() and list(target.output.parent.iterdir()) == [target.output]


def shards_of(output: Path) -> list[Path]:
    """List finished shards."""
    return sorted(work_of(output).glob("shard-*.h5"))


def kill_once(target: Target, rng: np.random.Generator, *, aimed: bool) -> str:
    """Start the program and kill it after a random delay; return what it was doing."""
    old = set(target.output.parent.glob(".*.tmp"))
    process = target.start(target.data, target.output)
    if aimed:
        while process.poll() is None and not set(target.output.parent.glob(".*.tmp")) - old:
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.03))
    else:
        time.sleep(rng.uniform(0.4 if rng.random() < 0.9 else 0.0, 1.0) * target.seconds)
    process.kill()
    said = process.communicate()[1]
    if process.returncode == 0:
        return "ended before"
    if process.returncode > 0:
        raise SystemExit(f"a run that was to go on failed: {said}")
    if target.is_whole():
        return "tidying"
    try:
        took_lock = json.loads((work_of(target.output) / "lock").read_bytes())["pid"] == process.pid
    except (OSError, ValueError):
        took_lock = False
    if not took_lock:
        return "starting"
    return "publishing" if set(target.output.parent.glob(".*.tmp")) else "computing"


def look(target: Target, shards: dict[Path, bytes], total: Kills) -> None:
    """Compare what is there with what was there and with what should be."""
    published = target.output.read_bytes() if target.output.exists() else None
    done = published == target.whole
    total.torn += not done and published != target.before
    total.shards += len(shards)
    there = {path: path.read_bytes() for path in shards_of(target.output)}
    total.shards_lost += 0 if done else sum(there.get(path) != data for path, data in shards.items())
    seen: Counter[bytes] = Counter()
    for path in there:
        try:
            rows = rows_of_shard(path)
        except FacefeatError:
            total.torn += 1
            continue
        seen.update(list(rows))
        total.rows_wrong += sum(numbers != target.rows.get(digest) for digest, numbers in rows.items())
    total.rows_doubled += sum(n - 1 for n in seen.values())
    if published is not None:
        seen.update(set(check_published(target, total)))
    total.rows_lost += 0 if done else len(known_in(shards.values()) - set(seen))


def check_published(target: Target, total: Kills) -> dict[bytes, bytes]:
    """Read the published file; count rows that are wrong."""
    try:
        rows = rows_of(read(target.output))
    except FacefeatError:
        total.torn += 1
        return {}
    total.rows_wrong += sum(numbers != target.rows.get(digest) for digest, numbers in rows.items())
    return rows


def known_in(images: Any) -> set[bytes]:
    """Return the pictures of shards, given as bytes."""
    found: set[bytes] = set()
    with tempfile.TemporaryDirectory() as folder:
        for image in images:
            (Path(folder) / "shard.h5").write_bytes(image)
            with suppress(FacefeatError):
                found |= set(rows_of_shard(Path(folder) / "shard.h5"))
    return found
