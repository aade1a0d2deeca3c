"""Adding somebody to a model against building it anew, and whether forgetting leaves anything: ORL.

scripts/bench/membership.py

39 people with ten pictures each are in the model; five pictures of the 40th are added, or extracted and fitted with all the
others from nothing. The first time of ``add`` is that of a process that has just started, network and imports included, the
second that of one that is ready, as behind a page. Then the 40th person is forgotten, with every head, and the bytes of the
model are searched, each member unpacked, for name, paths, hashes and vectors in three precisions.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for tests.learn.membership

import numpy as np
from faces import main, orl_people

from facefeat import plugins
from facefeat.engines.network import Engine
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.prune import prune
from facefeat.features.store.file import FeatureFile
from facefeat.learn import bundle as bundles
from facefeat.learn.fit import fit
from facefeat.learn.membership import add, forget
from facefeat.learn.naming import namings
from facefeat.learn.predict import load
from tests.learn.membership import traces

NEW = "the 40th person"  # long enough that no number spells it by chance
REPEATS = 3


def measure(_: Path | None, __: Engine) -> Iterator[dict[str, Any]]:
    """Add, build anew, compare; then forget with every head."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pictures = _data(folder)
        started = time.perf_counter()
        anew = extract(folder / "orl", folder / "anew.h5", plan()).file
        extracting = time.perf_counter() - started
        shutil.copy(anew.path, folder / "39.h5")
        known = prune(folder / "39.h5", people=[NEW]).file
        assert known is not None
        everything = extract(folder / "all", folder / "all.h5", plan()).file  # what was added, too: known by its bytes
        for head in ("lda", "auto"):
            started = time.perf_counter()
            wanted = fit(anew, folder / "anew.facefeat", head=head).bundle
            building = extracting + time.perf_counter() - started
            model = fit(known, folder / "39.facefeat", head=wanted.head, layer=wanted.layer).output
            yield _compared(head, building, model, pictures, folder / "anew.facefeat", everything)
        yield from _forgotten(anew, folder)


def _data(folder: Path) -> list[Path]:
    """Lay out ORL with five pictures of the 40th person, and with all of them."""
    for number, (path, called) in enumerate(orl_people()):
        person = NEW if called == "s40" else called
        sides = ("all",) if person == NEW and number % 10 >= 5 else ("all", "orl")
        for side in sides:
            (folder / side / person).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / side / person / f"{number % 10 + 1:02}.pgm")
    return sorted((folder / "orl" / NEW).iterdir())


def _compared(
    head: str, building: float, model: Path, pictures: list[Path], anew: Path, file: FeatureFile
) -> dict[str, Any]:
    command = [sys.executable, "-m", "facefeat", "add", "MODEL", NEW, *map(str, pictures), "-q"]
    recogniser = load(model)
    cold = _median(model, lambda copy: subprocess.run([str(copy) if word == "MODEL" else word for word in command], check=True,
                                                      capture_output=True))  # fmt: skip
    ready = _median(model, lambda copy: add(copy, NEW, pictures, recogniser=recogniser))
    changed, wanted = bundles.read(model.with_name("copy.facefeat")), bundles.read(anew)
    X = file.vectors(changed.layer)
    one, other = ([naming.name for naming in namings(each, X, 1)] for each in (changed, wanted))
    return {
        "fit --head": head,
        "extract and fit anew, s": building,
        "add, new process, s": cold,
        "times": f"{building / cold:.1f}",
        "add, ready, s": ready,
        "times ": f"{building / ready:.1f}",
        "same names": f"{sum(a == b for a, b in zip(one, other, strict=True))} of {len(one)}",
        "threshold": f"{changed.threshold.value:.4f}, anew {wanted.threshold.value:.4f}",
    }


def _median(model: Path, change: Callable[[Path], Any]) -> float:
    """Time a change of fresh copies of a model."""
    seconds, copy = [], model.with_name("copy.facefeat")
    for _ in range(REPEATS):
        shutil.copy(model, copy)
        started = time.perf_counter()
        change(copy)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _forgotten(file: FeatureFile, folder: Path) -> Iterator[dict[str, Any]]:
    """Forget the added person with every head, and search."""
    for head in plugins.names("head"):
        model = fit(file, folder / f"{head}.facefeat", head=head).output
        gallery, people = bundles.read(model).gallery, bundles.read(model).people
        rows = np.flatnonzero(gallery.person == people.index(NEW))
        digests = [gallery.sha256[row].tobytes() for row in rows]
        theirs = NEW, tuple(gallery.paths[row] for row in rows), digests, gallery.vectors[rows]
        before = traces(model, *theirs)
        seconds = forget(model, NEW).seconds
        yield {
            "forget, head": head,
            "seconds": seconds,
            "found before": ", ".join(sorted(before)),
            "found after": ", ".join(sorted(traces(model, *theirs))) or "nothing",
        }


if __name__ == "__main__":
    main(measure, __doc__)
