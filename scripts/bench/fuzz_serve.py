"""Damaged pictures, one after the other, sent to a server: what became of them, and of its memory.

    scripts/bench/fuzz_serve.py [--requests 100000] [--seed 1] [--quick]

The model looks at whole pictures with the weightless backbone, so that the time goes into reading and decoding. Ends with
exit code 1 where anything but names or a listed refusal came, or the server's memory grew by more than a tenth in the
second half of the requests. Its decoders, which hold no more than their largest picture took, are shown beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extract import show
from served import Server, server

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.learn.fit import fit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fuzz_serving import fuzz_server
from tests.making import write_people

PARTS = 10


def make_model(folder: Path) -> Path:
    """Fit a model on synthetic people."""
    data = write_people(folder / "people", {"ada": 4, "bob": 4, "cleo": 4, "dan": 4})
    file = extract(data, folder / "features.h5", plan("thumb", faces_mode="none")).file
    return fit(file, folder / "model.facefeat", head="prototype").output


def parts(served: Server, n: int, seed: int, wrong: list[str], held: list[float]) -> Iterator[dict[str, Any]]:
    """Send the requests in ten parts; note what should not happen, and the server's memory after each."""
    for part in range(PARTS):
        found = fuzz_server(served.port, part * (n // PARTS), n // PARTS, seed)
        wrong += found.unlisted
        own, decoders = served.memory()
        held.append(own)
        outcomes = Counter(found.outcomes)
        yield {
            "requests": f"{(part + 1) * (n // PARTS):,}",
            **{name: outcomes.pop(name, 0) for name in ("named", "damaged", "not_a_picture")},
            "other refusals": sum(outcomes.values()) - len(found.unlisted),
            "unlisted": len(found.unlisted),
            "slowest, s": f"{found.slowest:.2f}",
            "server, MB": f"{own:.0f}",
            "decoders, MB": f"{decoders:.0f}",
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="2,000 requests: to try the script")
    options = parser.parse_args()
    n = 2000 if options.quick else options.requests
    wrong: list[str] = []
    held: list[float] = []
    with tempfile.TemporaryDirectory() as place, server(make_model(Path(place))) as served:
        show(parts(served, n, options.seed, wrong, held))
    for line in wrong[:20]:
        print(line)
    grown = held[-1] / held[PARTS // 2 - 1] - 1
    print(f"\nThe server's memory at the end against that after half of the requests: {grown:+.1%}")
    if wrong or grown > 0.1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
