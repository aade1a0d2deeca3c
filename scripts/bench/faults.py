"""What survives faults: every one is made to happen, the run is resumed, and its file is compared, byte for byte.

    scripts/bench/faults.py --json faults.json

1. points: at every call that writes, in three situations, a run is killed, refused, cut short or loses power.
2. kills: the program itself is killed with SIGKILL at random moments, again and again.
3. histories: random changes to a data set between runs, some of them disturbed.
4. pictures: random damage to the bytes of pictures.
5. models: random damage to the bytes of models, and to what is in them.

The seed is printed; the same seed gives the same histories, and the same delays before each kill.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from kills import kills  # noqa: E402

from tests.faulty import HALVES, KILL, LASTING, ONCE, POWER, Machine  # noqa: E402
from tests.fuzz_bundles import fuzz_bundles, make_models  # noqa: E402
from tests.fuzz_pictures import fuzz_pictures  # noqa: E402
from tests.trials import scenarios, trial  # noqa: E402

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


# ---- 4. and 5. random damage ---------------------------------------------------------------------------------


def pictures(options: argparse.Namespace, scratch: Path) -> Iterator[Row]:
    """Decode pictures with random damage."""
    found = fuzz_pictures(options.mutations, options.seed)
    yield {"mutations": found.mutations, **dict(found.outcomes.most_common()), "slowest, s": f"{found.slowest:.2f}"}
    print(f"\nanything else that happened: {found.unlisted or 'nothing'}")


def models(options: argparse.Namespace, scratch: Path) -> Iterator[Row]:
    """Read models with random damage, blind and knowing, and use those that are read."""
    found = fuzz_bundles(options.mutations, options.seed, make_models(scratch))
    counts = {"refused": found.refused.total(), "read, the same": found.unchanged, "read, other numbers": found.changed}
    harm = {"crashes": len(found.crashes), "hangs": len(found.hangs), "misread": len(found.misread)}
    canary = "untouched" if found.canary_untouched else "TOUCHED"
    yield {"mutations": found.mutations, **counts, **harm, "slowest, s": f"{found.slowest:.2f}", "canary": canary}
    print(f"\nanything else that happened: {found.faults or 'nothing'}")


SECTIONS: dict[str, Callable[[argparse.Namespace, Path], Iterator[Row]]] = {
    "points": points,
    "kills": kills,
    "histories": histories,
    "pictures": pictures,
    "models": models,
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
    parser.add_argument("--kills", type=int, default=200, help="that hit")
    parser.add_argument("--backbone", default="thumb", help="the network of the program that is killed")
    parser.add_argument("--faces", default="none", help="its face step: auto or none")
    parser.add_argument("--shard-rows", type=int, default=8, help="pictures of one shard there")
    parser.add_argument("--examples", type=int, default=500, help="histories")
    parser.add_argument("--mutations", type=int, default=100_000, help="of pictures, and of models")
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
