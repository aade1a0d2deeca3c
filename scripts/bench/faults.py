"""What survives faults: every one is made to happen, the run is resumed, and its file is compared, byte for byte.

    scripts/bench/faults.py --json faults.json

1. points: at every call that writes, in three situations, a run is killed, refused, cut short or loses power.
2. kills: the program itself is killed with SIGKILL at random moments, again and again.
3. histories: random changes to a data set between runs, some of them disturbed.

The seed is printed; the same seed gives the same histories, and the same delays before each kill.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from facefeat.data.samples import N_PEOPLE, N_PICTURES, orl_folder  # noqa: E402
from facefeat.errors import FacefeatError  # noqa: E402
from facefeat.features.store import columns as layout  # noqa: E402
from facefeat.features.store import sealed  # noqa: E402
from facefeat.features.store.file import FeatureFile, read  # noqa: E402
from tests.faulty import HALVES, KILL, LASTING, ONCE, POWER, Machine  # noqa: E402
from tests.trials import scenarios, trial, work_of  # noqa: E402

Row = dict[str, Any]

# ---- 1. every call that writes -------------------------------------------------------------------------------


def points(options: argparse.Namespace, scratch: Path) -> Iterator[Row]:
    """Try every kind of fault at every call, in every situation."""
    with Machine(2) as machine, ThreadPoolExecutor(2) as pool:
        for scenario in scenarios(machine, scratch):
            for kind in (KILL, *ONCE, *HALVES, *LASTING, *POWER):

                def one(n: int, scenario: Any = scenario, kind: str = kind) -> tuple[Any, list[str]]:
                    return trial(machine, scenario, kind, n, scratch)

                tried = list(pool.map(one, scenario.points(kind)))
                ends = Counter(run.how for run, _ in tried)
                yield {
                    "situation": scenario.name,
                    "fault": kind,
                    "points": len(tried),
                    **{how: ends[how] for how in ("killed", "stopped", "done")},
                    "promises broken": sum(len(broken) for _, broken in tried),
                }
                for _, broken in tried:
                    print(*(f"  {one}" for one in broken), sep="\n", end="", flush=True)


# ---- 2. kills at random moments ------------------------------------------------------------------------------

# The program, with shards of another size.
PROGRAM = """
import sys
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

    rounds: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    equal: int = 0
    torn: int = 0  # files under a good name that were not whole
    shards: int = 0  # complete before a kill, and looked at again after it
    shards_lost: int = 0
    rows_lost: int = 0
    rows_doubled: int = 0
    rows_wrong: int = 0

    def as_row(self) -> Row:
        """Lay out the counts."""
        plain = {name.replace("_", " "): value for name, value in vars(self).items() if name != "phases"}
        return {**plain, **{f"hit {phase}": self.phases[phase] for phase in PHASES}}


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
    while total.rounds < options.rounds:
        total.rounds += 1
        shards = {path: path.read_bytes() for path in shards_of(target.output)}
        phase = kill_once(target, rng, aimed=total.rounds % AIMED == 0)
        total.phases[phase] += 1
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


# ---- 3. histories --------------------------------------------------------------------------------------------


def histories(options: argparse.Namespace, scratch: Path) -> Iterator[Row]:
    """Live through random histories; each must end as if there had been none."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from tests.features.test_interleavings import HISTORIES, Action, play

    ends: Counter[str] = Counter()
    broken: list[str] = []
    lengths: list[int] = []
    with Machine() as machine:

        @seed(options.seed)
        @settings(
            deadline=None,
            max_examples=options.examples,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(history=HISTORIES)
        def live(history: list[Action]) -> None:
            how, wrong = play(machine, history, scratch)
            ends.update(how)
            lengths.append(len(history))
            broken.extend(f"{history}: {one}" for one in wrong)

        live()
    print(*(f"  {one}\n" for one in broken), sep="", end="")
    yield {
        "histories": len(lengths),
        "actions": sum(lengths),
        "runs": ends.total(),
        **{f"runs {how}": n for how, n in sorted(ends.items())},
        "promises broken": len(broken),
    }


# ---- 4. pictures with random damage --------------------------------------------------------------------------


# ---- 5. models with random damage ----------------------------------------------------------------------------


SECTIONS: dict[str, Callable[[argparse.Namespace, Path], Iterator[Row]]] = {
    "points": points,
    "kills": kills,
    "histories": histories,
}


def machine() -> Row:
    """Describe what the figures were made on."""
    return {
        "system": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("facefeat", "numpy", "h5py", "pillow", "openvino")},
    }


def main() -> None:
    """Read the command line, run the sections, print their rows as tables and, with --json, as one document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="run these sections only")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32, help="by default the time")
    parser.add_argument("--rounds", type=int, default=200, help="kills")
    parser.add_argument("--backbone", default="thumb", help="the network of the program that is killed")
    parser.add_argument("--faces", default="none", help="its face step: auto or none")
    parser.add_argument("--shard-rows", type=int, default=8, help="pictures of one shard there")
    parser.add_argument("--examples", type=int, default=500, help="histories")
    parser.add_argument("--json", type=Path, help="also write everything here")
    options = parser.parse_args()
    print(f"# seed {options.seed}")
    document: Row = {"machine": machine(), "options": {**vars(options), "json": None}}
    for name in options.only:
        print(f"\n## {name}", flush=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["FACEFEAT_CACHE_DIR"] = str(Path(scratch) / "cache")
            rows = [show(row, first=not i) for i, row in enumerate(SECTIONS[name](options, Path(scratch)))]
        document[name] = {"rows": rows, "seconds": round(time.monotonic() - started)}
        print(f"\n{document[name]['seconds']} s")
    if options.json:
        options.json.write_text(json.dumps(document, indent=1))


def show(row: Row, *, first: bool) -> Row:
    """Print a row of a table, with the heads of its columns over the first."""
    if first:
        print("\n| " + " | ".join(row) + " |\n|" + "---|" * len(row))
    print("| " + " | ".join(map(str, row.values())) + " |", flush=True)
    return row


if __name__ == "__main__":
    main()
