"""What it saves to look at few of very many rows, and what is missed.

    scripts/bench/search.py [--rows 200000] [--faces 500] [--keep FOLDER]

The feature file is that of ``scale.py``; the model is ``knn``'s, fitted by the command. Faces are drawn like its rows, of
its people, and are none of them. "recall" is the share of faces whose nearest row, or picture, is found; "same name" of those
that get the name they would get if all were looked at. The two ways take turns, one face at a time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from extract import show
from numpy.typing import NDArray
from scale import DIRECTIONS, EACH, SPREAD, WIDTH, make, run

from facefeat.heads import _applied
from facefeat.learn import bundle as bundles
from facefeat.learn import nearest
from facefeat.learn.search import search_of
from facefeat.learn.unknown import directions


def faces_of(n: int, n_people: int) -> NDArray[np.float32]:
    """Draw faces of some people, as ``scale.drawn`` draws rows."""
    rng = np.random.default_rng(3)
    spread = np.random.default_rng(0).normal(0, 0.3 / np.sqrt(DIRECTIONS), (DIRECTIONS, WIDTH))
    who = rng.integers(0, n_people, n)
    own = np.stack([np.random.default_rng([2, one]).normal(size=DIRECTIONS) for one in who])
    return (np.maximum(1 + (own + SPREAD * rng.normal(size=own.shape)) @ spread, 0) ** 2).astype(np.float32)


def both(
    few: Callable[[Any], Any], all_: Callable[[Any], Any], faces: Any
) -> tuple[list[Any], list[Any], float, float]:
    """Ask both ways of each face in turn; return their answers, and their median milliseconds."""
    answers: tuple[list[Any], list[Any]] = ([], [])
    seconds: tuple[list[float], list[float]] = ([], [])
    for face in faces:
        for way, ask in enumerate((few, all_)):
            started = time.perf_counter()
            answers[way].append(ask(face[None]))
            seconds[way].append(time.perf_counter() - started)
    return *answers, *(1000 * statistics.median(one) for one in seconds)


def measure(model: Path, faces: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Measure the head's search, and that for the nearest training pictures."""
    bundle = bundles.read(model)
    search, knn = search_of("knn", bundle.estimator), bundle.estimator[-1]
    assert search and search.n_probe, "there is no index"
    rows = bundle.estimator[:-1].transform(faces)
    kept, units = _applied.unit(knn._fit_X), _applied.unit(rows)

    def best(which: Any, unit: Any) -> int:
        return int(which[(kept[which] @ unit).argmax()])

    few, every, ms, all_ms = both(
        lambda unit: best(knn.index_.candidates(knn.index_.means(unit)[0]), unit[0]),
        lambda unit: int((kept @ unit[0]).argmax()),
        units,
    )
    names = (knn._y[few], knn._y[every])
    found = [
        row(len(kept), "rows of knn", f"{search.n_probe} of {search.n_lists:,} lists", few, every, names, ms, all_ms)
    ]
    towards = directions(bundle.unknown, faces)
    lookup = nearest.TrainingPictures(bundle)
    nearest.MANY = len(kept)
    held = nearest.TrainingPictures(bundle)
    few, every, ms, all_ms = both(lambda one: lookup.nearest(one)[0][0], lambda one: held.nearest(one)[0][0], towards)
    names = ([one.name for one in few], [one.name for one in every])
    paths = ([one.path for one in few], [one.path for one in every])
    people = f"{nearest.NEAR_PEOPLE} of {len(bundle.people):,} people"
    return [*found, row(len(kept), "training pictures", people, *paths, names, ms, all_ms)]


def row(
    n: int, what: str, looked_at: str, few: Any, every: Any, names: Any, ms: float, all_ms: float
) -> dict[str, Any]:
    """Make a row of the table."""
    return {
        "rows": f"{n:,}",
        "nearest of": what,
        "looked into": looked_at,
        "recall": f"{np.mean(np.asarray(few) == np.asarray(every)):.3f}",
        "same name": f"{np.mean(np.asarray(names[0]) == np.asarray(names[1])):.3f}",
        "ms a face": f"{ms:.2f}",
        "all, ms": f"{all_ms:.2f}",
        "times": f"{all_ms / ms:.0f}",
    }


def tables(counts: list[int], n_faces: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Fit and measure on ever more rows."""
    for n in counts:
        file, model = folder / f"{n}.h5", folder / f"{n}-knn.facefeat"
        with multiprocessing.get_context("spawn").Pool(1) as process:
            process.apply(make, (file, n))
            said = run("fit", str(file), "--head", "knn", "-o", str(model), "-q")["said"]
            print(said["search"], f"{said['seconds']:.0f} s", flush=True)
            yield from process.apply(measure, (model, faces_of(n_faces, n // EACH)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000])
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--keep", type=Path, help="a folder where files are looked for, and stay")
    options = parser.parse_args()
    with nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory() as folder:
        show(tables(options.rows, options.faces, Path(folder)))


if __name__ == "__main__":
    main()
