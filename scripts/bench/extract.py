"""From files on disk to rows in HDF5: pictures a second, facefeat against other ways to do the same.

    scripts/bench/extract.py [--sizes 64 112 224] [--pictures 1200] [--squad FOLDER] [--only speed|share|accuracy]

The files are ORL's faces as colour JPEGs of 263 x 320 pixels, each cut a little differently, so that no two are alike.
Every way starts with nothing but the files and ends with a whole file of vectors. The others' networks are loaded and
warm before the clock starts; facefeat's extraction is whole, with the loading of its network. The classic way is Keras'
directory generator at 224 pixels and ``predict``.

"share" is the rate of extraction, after its first fifth, against that of the same engine on pixels in memory, which runs
in turn with it. "whole runs" is from the first file to the finished output, with the loading of the network.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from faces import cross_validated, draws, find, folder_people, groups, orl_people, vectors
from network import orl_squares
from PIL import Image
from rivals import BATCH, CORES, Vectors, engine_network, keras_predict, recipe_of, rivals

from facefeat.data.folder import list_people
from facefeat.data.samples import orl_folder
from facefeat.engines.choose import choose
from facefeat.engines.network import describe
from facefeat.features.encode import Plan
from facefeat.features.extract import extract
from facefeat.learn import head as heads

ROUNDS = 3
SHARE_ROUNDS = 7
CLASSIC_SIZE = 224
SCORED = ("svm", "logreg", "lda")


def write_pictures(folder: Path, n: int) -> None:
    """Write n different JPEGs, as a folder of people."""
    rng, faces = np.random.default_rng(0), sorted(orl_folder().glob("*/*.pgm"))
    for i in range(n):
        face = Image.open(faces[i % len(faces)]).convert("RGB")
        left, top = (float(x) for x in rng.uniform(0, 4, 2))
        shifted = face.resize((263, 320), Image.Resampling.BICUBIC, box=(left, top, face.width - 4, face.height - 4))
        person = folder / faces[i % len(faces)].parent.name
        person.mkdir(parents=True, exist_ok=True)
        buffer = BytesIO()
        shifted.save(buffer, "JPEG", quality=90)
        (person / f"{i:05d}.jpg").write_bytes(buffer.getvalue())


def classic(folder: Path, output: Path, run: Any) -> None:
    """Do what the notebooks do: Keras' directory generator, ``predict``, the array into a file."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    batches = ImageDataGenerator().flow_from_directory(
        str(folder), target_size=(CLASSIC_SIZE, CLASSIC_SIZE), batch_size=BATCH, class_mode=None, shuffle=False
    )
    rows = [run(next(batches)) for _ in range(len(batches))]
    with h5py.File(output, "w") as file:
        for i, column in enumerate(zip(*rows, strict=True)):
            file[str(i)] = np.concatenate(column)


def plain_loop(folder: Path, output: Path, run: Vectors, size: int) -> None:
    """Read with Pillow, run a batch, append to HDF5."""
    data = list_people(folder)
    files = [data.file(entry.path) for entry in data.entries]
    with h5py.File(output, "w") as file:
        for start in range(0, len(files), BATCH):
            pixels = np.stack(
                [
                    np.asarray(Image.open(one).convert("RGB").resize((size, size)))
                    for one in files[start : start + BATCH]
                ]
            )
            for i, column in enumerate(run(pixels)):
                rows = file.require_dataset(
                    str(i), (len(files), column.shape[1]), np.float32, maxshape=(None, column.shape[1])
                )
                rows[start : start + len(column)] = column


def facefeat(folder: Path, output: Path, made: Plan) -> None:
    """Run facefeat's own pipeline, without the face step and the mirror image, as the others do."""
    output.unlink(missing_ok=True)
    extract(folder, output, made, workers=CORES, rehash=True)


def calibrated(folder: Path, output: Path, size: int) -> Plan:
    """Return the recipe in int8, calibrated once, as it is for a data set."""
    output.unlink(missing_ok=True)
    made = recipe_of(size)
    return replace(made, recipe=extract(folder, output, made, precision="int8", workers=CORES).file.recipe)


def ways(size: int, rounded: Plan) -> dict[str, Callable[[Path, Path], None]]:
    """Name every way from a folder to a file at a size."""
    found: dict[str, Callable[[Path, Path], None]] = {}
    for name, run in rivals(size).items():
        found[f"Pillow, {name}, h5py"] = lambda folder, output, run=run: plain_loop(folder, output, run, size)
    found["facefeat, auto"] = lambda folder, output: facefeat(folder, output, recipe_of(size))
    found["facefeat, int8"] = lambda folder, output: facefeat(folder, output, rounded)
    return found


def measure(sizes: list[int], n: int) -> Iterator[dict[str, Any]]:
    """Run the classic way and all others in turn, at each size."""
    old_network = keras_predict(CLASSIC_SIZE)
    with tempfile.TemporaryDirectory() as place:
        few, many, output = (Path(place) / name for name in ("few", "many", "rows.h5"))
        write_pictures(few, max(n // 10, BATCH))
        write_pictures(many, n)
        for size in sizes:
            all_ways = ways(size, calibrated(few, output, size))
            seconds: dict[str, list[float]] = {}
            for _ in range(ROUNDS + 1):  # the first warms up
                _note(seconds, "classic", len(list(few.glob("*/*"))), lambda: classic(few, output, old_network))
                for name, way in all_ways.items():
                    folder = many if "facefeat" in name else few
                    count = len(list(folder.glob("*/*")))
                    _note(seconds, name, count, lambda: way(folder, output))  # noqa: B023
            yield from _rows(size, {name: float(np.median(times[1:])) for name, times in seconds.items()})


def _note(seconds: dict[str, list[float]], name: str, n: int, work: Callable[[], Any]) -> None:
    seconds.setdefault(name, []).append(_seconds(work) / n)


def _rows(size: int, each: dict[str, float]) -> Iterator[dict[str, Any]]:
    for name, one in each.items():
        yield {
            "size": CLASSIC_SIZE if name == "classic" else size,
            "way": "directory generator, keras predict" if name == "classic" else name,
            "pictures/s": f"{1 / one:.0f}",
            "against the classic way": f"{each['classic'] / one:.1f}",
        }


def share(sizes: list[int], n: int) -> Iterator[dict[str, Any]]:
    """Run extraction and the bare network in turn, at each size; smaller sizes with more pictures."""
    with tempfile.TemporaryDirectory() as place:
        for size in sizes:
            count = n // 2 * min(4, CLASSIC_SIZE**2 // size**2)
            folder, output, made = Path(place) / str(count), Path(place) / "rows.h5", recipe_of(size)
            if not folder.exists():
                write_pictures(folder, count)
            bare = engine_network(size, "openvino", "auto")
            pixels = np.resize(orl_squares(size, 400), (count, size, size, 3))
            rounds = []
            for _ in range(SHARE_ROUNDS + 1):
                alone = _seconds(lambda: bare(pixels)) / count  # noqa: B023
                rounds.append((alone, *each_of(folder, output, made, count)))
            network, pipeline, whole = np.median(rounds[1:], axis=0)
            yield {
                "size": size,
                "pictures": f"{count:,}",
                "network alone, pictures/s": f"{1 / network:.0f}",
                "from files to rows": f"{1 / pipeline:.0f}",
                "share": f"{100 * network / pipeline:.0f} %",
                "whole runs": f"{100 * network / whole:.0f} %",
            }


def each_of(folder: Path, output: Path, made: Plan, n: int) -> tuple[float, float]:
    """Return the seconds of a picture in an extraction of n: from the first fifth on, and from start to end."""
    times = {}

    def tell(what: str, done: int, total: int) -> None:
        if what == "faces and vectors":
            times[done] = time.perf_counter()

    output.unlink(missing_ok=True)
    seconds = _seconds(lambda: extract(folder, output, made, workers=CORES, rehash=True, progress=tell))
    return (times[n] - times[n // 5]) / (n - n // 5), seconds / n


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def accuracy(squad: Path | None, sizes: list[int]) -> Iterator[dict[str, Any]]:
    """Score the classic recipes (whole picture, 224, the last block, no mirror image) and facefeat's with the face step."""
    engine = choose()
    orl = find(orl_people(), engine)
    orl_groups = groups(orl, engine)
    both = [find(folder_people(squad / part), engine) for part in ("Train", "Test")] if squad else []
    classic = {"whole": True, "size": CLASSIC_SIZE, "layers": ["block5_pool"], "flip": False}
    recipes: dict[str, dict[str, Any]] = {
        "whole picture, 224, block5_pool, mean": {**classic, "pooling": "avg"},
        "whole picture, 224, block5_pool, flattened": {**classic, "pooling": "flatten"},
        **{f"face, {size}, block4_pool": {"size": size, "layers": ["block4_pool"]} for size in sizes},
    }
    for name, choices in recipes.items():
        layer = choices["layers"][0]
        X = vectors(orl, engine, **choices)[layer]
        yield {"pictures": "ORL, 10 folds", "recipe": name} | {
            head: f"{cross_validated(X, orl.person, orl_groups, orl.people, head, 10):.3f}" for head in SCORED
        }
        yield {"pictures": "ORL, 2 train, 8 test", "recipe": name} | {
            head: f"{draws(X, orl.person, head, 2, 5):.3f}" for head in SCORED
        }
        if both:
            X, Z = (vectors(part, engine, **choices)[layer] for part in both)
            named = {head: heads.build(head).fit(X, both[0].person).predict(Z) for head in SCORED}
            yield {"pictures": "squad, Train to Test", "recipe": name} | {
                head: f"{np.mean(names == both[1].person):.3f}" for head, names in named.items()
            }


def show(rows: Iterator[dict[str, Any]]) -> None:
    """Print rows as a table as they come."""
    for i, row in enumerate(rows):
        if not i:
            print("\n| " + " | ".join(row) + " |\n|" + "---|" * len(row))
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 112, 224])
    parser.add_argument("--pictures", type=int, default=1200)
    parser.add_argument("--squad", type=Path, help="a folder with Train/ and Test/, each a folder of people")
    parser.add_argument("--only", choices=["speed", "share", "accuracy"])
    options = parser.parse_args()
    print(f"# {describe(choose())}, {CORES} cores")
    if options.only in (None, "speed"):
        show(measure(options.sizes, options.pictures))
    if options.only in (None, "share"):
        show(share(options.sizes, options.pictures))
    if options.only in (None, "accuracy"):
        show(accuracy(options.squad, [size for size in options.sizes if size != CLASSIC_SIZE]))


if __name__ == "__main__":
    main()
