"""Whether the heads are as quick as they can be: compare against scikit-learn, and the cost as tables grow.

scripts/bench/heads.py            a quarter of an hour
scripts/bench/heads.py --large    200,000 vectors of 2,000 people: another quarter, 3 GB of memory, 1 GB of disk

scikit-learn's side is its cross_validate over the same pipelines, one after another on the same folds, with as many
threads as its libraries take. Both sides run in turn; ratios are of medians. "compare as a whole" also looks for near
copies, deals the folds, measures ranks and probabilities, and scores the best head once more where there are copies; it is
told to deal the folds once and to leave strangers out, which scikit-learn's does not do either. On the large table it deals the folds once. "Other names" counts pictures that the two
take for different people.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from faces import main, orl_people
from sklearn.model_selection import ParameterGrid

from facefeat.engines.network import Engine
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn.compare import Comparison, compare, left_out_sentence
from facefeat.learn.copies import groups_of
from facefeat.learn.crossval import Trial, cross_validate
from facefeat.learn.fit import SEARCH_FOLDS, fit
from facefeat.learn.splits import folds

HEADS = ("knn", "lda", "logreg", "prototype", "svm")
WIDE = ("logreg", "svm", "lda")
SEARCHED = ("logreg", "lda", "svm")
RUNS = 3
SIZES = (
    (1000, 20, 512),
    (2000, 20, 512),
    (4000, 20, 512),
    (4000, 40, 512),
    (4000, 80, 512),
    (4000, 20, 1024),
    (4000, 20, 2048),
)
LARGE = (200_000, 2_000, 512)


def measure(_: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Compare on ORL, on a flattened layer of it, search, and compare on tables that grow."""
    with tempfile.TemporaryDirectory() as folder:
        usual = orl(Path(folder), engine)
        for layer in usual.layers:
            yield both(usual, layer, HEADS)
        flat = orl(Path(folder), engine, size=224, pooling="flatten", layers=["block5_pool"])
        for head in WIDE:
            yield both(flat, flat.layers[0], [head])
        for head in SEARCHED:
            yield search(usual, usual.layers[1], head)
        for size in SIZES:
            found = compare(
                made(*size, usual, Path(folder)),
                heads_wanted=HEADS,
                n_folds=5,
                repeats=1,
                stranger_repeats=0,
                baselines=False,
            )
            yield {"pictures": size[0], "people": size[1], "numbers": size[2], **costs(found)}


def orl(folder: Path, engine: Engine, **choices: Any) -> FeatureFile:
    """Read the ORL faces with the default recipe, or another."""
    people = folder / "people"
    for path, person in orl_people():
        (people / person).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, people / person / path.name)
    output = folder / f"{choices.get('pooling', 'usual')}.h5"
    return extract(people, output, plan(**choices), engine=engine.name).file


def both(file: FeatureFile, layer: str, names: Sequence[str]) -> dict[str, Any]:
    """Time heads on one layer both ways, in turn, and count the pictures that they name differently."""
    cut, X, y = folds(file.person, groups_of(file), file.people), file.vectors(layer), file.person
    ours, theirs, whole = [], [], []
    for _run in range(RUNS):
        seconds, fitted = timed(lambda: scikit_learn(X, y, cut.splits, names))
        theirs.append(seconds)
        seconds, found = timed(lambda: cross_validate(X, y, cut.splits, [Trial(name) for name in names], 2))
        ours.append(seconds)
        whole.append(
            timed(
                lambda: compare(
                    file, heads_wanted=names, layers=[layer], repeats=1, stranger_repeats=0, baselines=False
                )
            )[0]
        )
    other = 0
    for name, outcomes in zip(names, found, strict=True):
        for (_, test), outcome, estimator in zip(cut.splits, outcomes, fitted[name], strict=True):
            other += int(np.sum(outcome.named != estimator.predict(X[test])))
    return {
        "heads": ", ".join(names),
        "layer": f"{layer}, {X.shape[1]:,} numbers",
        "scikit-learn, s": f"{np.median(theirs):.2f}",
        "facefeat, s": f"{np.median(ours):.2f}",
        "ratio": f"{np.median(theirs) / np.median(ours):.1f}",
        "compare as a whole, s": f"{np.median(whole):.2f}",
        "ratio of that": f"{np.median(theirs) / np.median(whole):.1f}",
        "other names": f"{other} of {len(names) * len(cut.tested):,}",
    }


def search(file: FeatureFile, layer: str, head: str) -> dict[str, Any]:
    """Time the search of a head's grid against scikit-learn's GridSearchCV, in turn."""
    from sklearn.model_selection import GridSearchCV

    X, y, grid = file.vectors(layer), file.person, heads.get(head).GRID
    cut = folds(y, groups_of(file), file.people, n_folds=SEARCH_FOLDS)
    places = {f"{heads.build(head).steps[-1][0]}__{knob}": values for knob, values in grid.items()}
    tried = [Trial(head, one) for one in ParameterGrid(grid)]
    ours, theirs = [], []
    for _run in range(RUNS):
        theirs.append(
            timed(
                lambda: GridSearchCV(heads.build(head), places, scoring="accuracy", cv=cut.splits, refit=False).fit(
                    X, y
                )
            )[0]
        )
        ours.append(timed(lambda: cross_validate(X, y, cut.splits, tried, 2))[0])
    return {
        "heads": f"search of {head}, {len(tried)} settings, {cut.n_folds} folds",
        "layer": f"{layer}, {X.shape[1]:,} numbers",
        "scikit-learn, s": f"{np.median(theirs):.2f}",
        "facefeat, s": f"{np.median(ours):.2f}",
        "ratio": f"{np.median(theirs) / np.median(ours):.1f}",
        "compare as a whole, s": "",
        "ratio of that": "",
        "other names": "",
    }


def scikit_learn(X: Any, y: Any, splits: Any, names: Sequence[str]) -> dict[str, Any]:
    """Cross-validate pipelines one after another; return those of each head that were fitted."""
    from sklearn.model_selection import cross_validate

    scoring = "accuracy"
    return {
        head: cross_validate(heads.build(head), X, y, cv=splits, scoring=scoring, return_estimator=True)["estimator"]
        for head in names
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and what it returns."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def costs(found: Comparison) -> dict[str, str]:
    """Return what each head cost in a fold."""
    rows = sorted(found.rows, key=lambda row: row.head)
    return {row.head: f"{row.fit_seconds:.2f} s, {row.predict_ms:.2f} ms" for row in rows}


def made(n: int, n_people: int, d: int, like: FeatureFile, folder: Path) -> FeatureFile:
    """Make a table on disk, of vectors drawn at random around one for each person."""
    rng, person = np.random.default_rng(0), np.repeat(np.arange(n_people, dtype=np.int32), n // n_people)
    centres = rng.gamma(2.0, 1.0, (n_people, d)).astype(np.float32)
    vectors = np.memmap(folder / "vectors", np.float32, "w+", shape=(n, d))
    pixels = np.memmap(folder / "pixels", np.uint8, "w+", shape=(n, 64, 64))
    for start in range(0, n, 10_000):
        pixels[start : start + 10_000] = rng.integers(0, 256, pixels[start : start + 10_000].shape, dtype=np.uint8)
        rows = person[start : start + 10_000]
        vectors[start : start + 10_000] = centres[rows] * rng.gamma(0.1, 10.0, (len(rows), d))
    columns = {
        "images/sha256": rng.integers(0, 256, (n, 32), dtype=np.uint8),
        "faces/pixels": pixels,
        f"features/{like.layers[-1]}": vectors,
    }
    people = tuple(f"person {number:05d}" for number in range(n_people))
    return replace(
        like,
        recipe=replace(like.recipe, layers=like.layers[-1:]),
        people=people,
        paths=tuple(f"{people[index]}/{row}.jpg" for row, index in enumerate(person)),
        person=person,
        columns=columns,
        skipped=(),
    )


def measure_large(_: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Run fit and compare on a large table, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        like = orl(Path(folder), engine).path
        for command in ("fit --head lda", "fit --head logreg", "compare"):
            with multiprocessing.get_context("spawn").Pool(1) as process:
                yield process.apply(large, (command, like))


def large(command: str, like: Path) -> dict[str, Any]:
    """Run one command on a large table; return what it cost, with the peak memory of this process."""
    from facefeat.features.store.file import read

    file = made(*LARGE, read(like), like.parent)
    before = peak()
    if command == "compare":
        seconds, found = timed(lambda: compare(file, repeats=1))
        said = f"{found.best.head} {found.best.accuracy.mean:.3f}. {left_out_sentence(found.left_out, '--heads')}"
    else:
        seconds, found = timed(lambda: fit(file, like.parent / "large.facefeat", head=command.split()[-1]))
        said = f"model of {found.output.stat().st_size / 2**20:.0f} MiB"
    return {
        "command": command,
        "table": f"{LARGE[0]:,} x {LARGE[2]}, {LARGE[1]:,} people, {4 * LARGE[0] * LARGE[2] / 2**20:.0f} MiB",
        "seconds": f"{seconds:.0f}",
        "peak, MiB": f"{peak():.0f}",
        "before, MiB": f"{before:.0f}",
        "result": said,
    }


def peak() -> float:
    """Return the most memory this process has held, in MiB; pages of mapped files are counted."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    is_large = "--large" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--large"]
    main(measure_large if is_large else measure, __doc__)
