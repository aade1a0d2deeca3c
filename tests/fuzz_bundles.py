"""Bundles that were damaged, or made to do harm, each read and used in a process that may die of it.

python -m tests.fuzz_bundles --n 100000 --seed 1

Half of the mutations are blind: bytes of the file. The other half know the format: arrays, their headers, the
schemas, the manifest and the archives within are changed, and every hash is put right again. The mutations
themselves are in ``tests.bundle_mutations``. One process imports everything once and forks a child for each batch, so a
crash costs the rest of a batch, and a limit of time ends whatever hangs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facefeat.errors import FileFormatError
from facefeat.learn import bundle as bundles
from facefeat.learn.bundle import Bundle
from facefeat.learn.head import decision_scores
from facefeat.learn.naming import namings
from facefeat.learn.nearest import TrainingPictures
from facefeat.learn.unknown import similarities
from tests import bundle_mutations as mutations
from tests.crafted import Whole, canary_of

BATCH = 200
LIMIT = 5.0  # seconds for one mutation
MEMORY = 4 * 1024**3  # a child may take that much more than it has
ROOT = Path(__file__).resolve().parents[1]
# A process with threads of its own may not be forked.
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


@dataclass
class Fuzzed:
    """What became of them."""

    mutations: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by the error's class
    unchanged: int = 0  # read, and the same bundle as before
    changed: int = 0  # read, with other numbers or words; only where the format was known
    slowest: float = 0.0  # seconds to read and use one
    largest: int = 0  # MB that one took
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    misread: list[str] = field(default_factory=list)  # blind, read, and another bundle than before
    unlisted: list[str] = field(default_factory=list)  # errors that are no refusal in one sentence
    canary_untouched: bool = True

    @property
    def faults(self) -> list[str]:
        """Everything that must not happen."""
        canary = [] if self.canary_untouched else ["something in a bundle was run"]
        return [*self.crashes, *self.hangs, *self.misread, *self.unlisted, *canary]

    def add(self, record: dict[str, Any]) -> None:
        """Count one mutation."""
        self.mutations += 1
        self.slowest, self.largest = max(self.slowest, record["seconds"]), max(self.largest, record["mb"])
        outcome, said = record["outcome"], f"mutation {record['number']} ({record['kind']}): {record['said']}"
        if outcome in ("unchanged", "changed"):
            setattr(self, outcome, getattr(self, outcome) + 1)
        elif outcome in ("crashes", "hangs", "misread", "unlisted"):
            getattr(self, outcome).append(said)
        else:
            self.refused[outcome] += 1


def fuzz_bundles(
    n: int, seed: int, models: Sequence[Path], tell: Callable[[int], None] = lambda done: None, first: int = 0
) -> Fuzzed:
    """Read and use n mutations of some bundles; the same arguments make the same ones."""
    found = Fuzzed()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, open(Path(folder) / "stderr", "w+") as errors:
        command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz_bundles", "--serve", folder]
        numbers = ["--n", str(n), "--seed", str(seed), "--first", str(first)]
        with subprocess.Popen(
            [*command, *numbers, *map(str, models)],
            stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env={**os.environ, **ONE_THREAD},
        ) as server:  # fmt: skip
            for line in server.stdout or ():
                found.add(json.loads(line))
                tell(found.mutations)
        found.canary_untouched = not os.path.lexists(canary_of(Path(folder)))
        if server.returncode or found.mutations != n:
            errors.seek(0)
            raise RuntimeError(f"the server ended with {server.returncode}: {errors.read()[-2000:]}")
    return found


def serve(n: int, seed: int, first: int, models: Sequence[Path], folder: Path) -> None:
    """Read mutations in children, and print a record of each."""
    whole = [Whole.of(path.read_bytes()) for path in models]
    before = [fingerprint(used(bundles.read(path))) for path in models]
    number = first
    while number < first + n:
        stop = min(number + BATCH, first + n)
        for record in batch(range(number, stop), seed, whole, before, folder):
            number = record["number"] + 1
            print(json.dumps(record), flush=True)


def batch(numbers: range, seed: int, whole: list[Whole], before: list[str], folder: Path) -> Iterator[dict[str, Any]]:
    """Read mutations in one child; yield a record of each, up to the one that it dies or hangs of."""
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        os.close(receiver)
        _run(numbers, seed, whole, before, folder, sender)
    os.close(sender)
    done, waiting = 0, b""
    with open(receiver, "rb", buffering=0) as records:
        while done < len(numbers):
            ready, _, _ = select.select([records], [], [], LIMIT)
            data = records.read(1 << 16) if ready else b""
            if not data:
                break
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                done += 1
                yield json.loads(line)
    if done < len(numbers):
        os.kill(child, signal.SIGKILL) if not ready else None
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if done < len(numbers):
        what = {"outcome": "crashes" if ready else "hangs", "said": f"ended with {status}", "seconds": 0.0, "mb": 0}
        yield {"number": numbers[done], "kind": mutations.mutation(numbers[done], seed, whole, folder)[0], **what}


def _run(numbers: range, seed: int, whole: list[Whole], before: list[str], folder: Path, sender: int) -> None:
    """Be the child: never returns."""
    try:
        here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (pages + MEMORY, pages + MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        path = folder / "m.facefeat"
        for number in numbers:
            kind, which, data = mutations.mutation(number, seed, whole, folder)
            path.write_bytes(data)
            started = time.perf_counter()
            outcome, said = _outcome(path, before[which], kind)
            seconds = time.perf_counter() - started
            mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - here) // 1024
            record = {"number": number, "kind": kind, "outcome": outcome, "said": said, "seconds": seconds, "mb": mb}
            os.write(sender, json.dumps(record).encode() + b"\n")
    finally:
        os._exit(0)


def _outcome(path: Path, before: str, kind: str) -> tuple[str, str]:
    """Read and use one; say what became of it, in the words of ``Fuzzed``."""
    try:
        found = fingerprint(used(bundles.read(path)))
    except FileFormatError as refusal:
        said, cause = str(refusal), refusal.__cause__
        if isinstance(cause, MemoryError):
            return "unlisted", f"too much memory was asked for: {said}"
        if "\n" in said or not 20 < len(said) < 1000 or not said.isprintable():
            return "unlisted", f"no sentence: {said[:300]!r}"
        return type(refusal).__name__, ""
    except Exception as error:
        return "unlisted", f"{type(error).__name__}: {str(error)[:300]}"
    if found == before:
        return "unchanged", ""
    return ("misread" if kind.startswith("blind") else "changed"), "another bundle"


def used(bundle: Bundle) -> tuple[Bundle, bytes]:
    """Name some faces, as predict and evaluate do; return the numbers with the bundle."""
    width = bundle.gallery.vectors.shape[1]
    X = np.random.default_rng(0).gamma(2.0, 0.2, (11, width)).astype(np.float32)
    named = namings(bundle, X, 3, TrainingPictures(bundle))
    numbers = decision_scores(bundle.estimator, X).tobytes() + similarities(bundle.unknown, X).tobytes()
    return bundle, numbers + repr(named).encode()


def fingerprint(found: tuple[Bundle, bytes]) -> str:
    """Hash what a bundle says."""
    bundle, numbers = found
    words = (
        bundle.recipe.to_json(), bundle.head, bundle.params, bundle.layer, bundle.people, bundle.threshold,
        bundle.scores, bundle.versions, bundle.gallery.paths,
    )  # fmt: skip
    arrays = (bundle.gallery.vectors, bundle.gallery.person, bundle.gallery.sha256)
    data = repr(words).encode() + b"".join(np.ascontiguousarray(array).tobytes() for array in arrays) + numbers
    return hashlib.sha256(data).hexdigest()


def make_models(folder: Path) -> list[Path]:
    """Fit small bundles of every head: four people, vectors of 16 numbers."""
    from facefeat import plugins
    from facefeat.features.encode import plan
    from facefeat.features.extract import extract
    from facefeat.learn.fit import fit
    from tests.making import write_people

    data = write_people(folder / "people", {"ada": 3, "bob": 3, "cleo": 2, "dan": 3})
    file = extract(data, folder / "features.h5", plan("thumb", layers=("grey4",), faces_mode="none")).file
    quick = {"dense": {"epochs": 3, "hidden": [6]}}
    knobs = [(head, quick.get(head, {})) for head in plugins.names("head")]
    knobs += [
        ("svm", {"kernel": "rbf"}),
        ("knn", {"weights": "uniform", "n_neighbors": 2}),
        ("prototype", {"whiten": False}),
    ]
    return [
        fit(file, folder / f"{i}.facefeat", head=head, params=params).output for i, (head, params) in enumerate(knobs)
    ]


def main() -> None:
    """Print the figures."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="Number of the first mutation.")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("models", type=Path, nargs="*", help="Bundles; small ones are made where none are given.")
    given = parser.parse_args()
    if given.serve:
        serve(given.n, given.seed, given.first, given.models, given.serve)
        return
    with tempfile.TemporaryDirectory(prefix="fuzz-models-") as folder:
        models = given.models or make_models(Path(folder))
        started = time.perf_counter()
        found = fuzz_bundles(given.n, given.seed, models, lambda done: None, given.first)
    for name, value in vars(found).items():
        print(f"{name:16} {value}")
    print(f"{time.perf_counter() - started:.0f} s, {len(found.faults)} faults")


if __name__ == "__main__":
    main()
