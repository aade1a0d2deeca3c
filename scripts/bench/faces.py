"""What the benches share: real faces, found once, and the protocols they are scored by."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from facefeat.data import faces, picture
from facefeat.data.detections import Detections
from facefeat.data.folder import list_people
from facefeat.data.mtcnn import MTCNN
from facefeat.data.quality import grey
from facefeat.data.samples import orl_folder
from facefeat.engines.choose import choose
from facefeat.engines.network import Engine, describe
from facefeat.features.encode import Encoder, plan
from facefeat.learn import copies
from facefeat.learn import head as heads
from facefeat.learn.metrics import wilson


@dataclass
class Faces:
    """Pictures of people, with the faces that were found in them."""

    pixels: list[Any]
    found: list[Detections]
    person: Any
    digests: list[str]
    people: tuple[str, ...]

    def __add__(self, other: Faces) -> Faces:
        """Put two sets of pictures of the same people together."""
        person = np.concatenate([self.person, other.person])
        return Faces(
            self.pixels + other.pixels, self.found + other.found, person, self.digests + other.digests, self.people
        )


def orl_people() -> Iterator[tuple[Path, str]]:
    """Yield the ORL pictures and their person, person by person."""
    for person in range(1, 41):
        for number in range(1, 11):
            yield orl_folder() / f"s{person}" / f"{number}.pgm", f"s{person:02d}"


def folder_people(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the pictures of a folder of people."""
    data = list_people(root)
    for entry in data.entries:
        yield data.file(entry.path), data.people[entry.person]


def find(pictures: Iterator[tuple[Path, str]], engine: Engine) -> Faces:
    """Read pictures and find their faces, once."""
    detector, step = MTCNN(engine), faces.FaceStep("mtcnn")
    rows, names, digests, found = [], [], [], []
    for path, name in pictures:
        data = picture.read(path)
        pixels = picture.decode(data)
        rows.append(pixels)
        names.append(name)
        digests.append(hashlib.sha256(data).hexdigest())
        found.append(faces.detect(pixels, detector, step))
    people, person = np.unique(names, return_inverse=True)
    return Faces(rows, found, person.astype(np.int32), digests, tuple(people))


def groups(data: Faces, engine: Engine) -> Any:
    """Return a number for each photograph, which its copies and near copies share."""
    rank = np.unique(data.digests, return_inverse=True)[1].astype(np.int64)
    encoder = Encoder(plan(faces_mode="none"), engine)
    squares = cut_squares(data, faces.FaceStep("mtcnn"), encoder.recipe.input_size)
    pixels = np.array([grey(square) for square in squares])
    looks = copies.Faces(encoder.vectors(squares)["block4_pool"], pixels, data.person)
    near = copies.near_copies(looks, np.sort(np.unique(rank, return_index=True)[1]))
    return copies.joined(rank, [(one.first, one.second) for one in near])


def vectors(data: Faces, engine: Engine, whole: bool = False, **choices: Any) -> dict[str, Any]:
    """Make vectors of faces found before; ``template`` and ``margin`` belong to the face step, the rest to ``plan``."""
    crop = {name: choices.pop(name) for name in ("template", "margin") if name in choices}
    encoder = Encoder(plan(faces_mode="none", **choices), engine)
    step = replace(faces.FaceStep("mtcnn"), **crop)
    return encoder.vectors(cut_squares(data, step, encoder.recipe.input_size, whole))


def cut_squares(data: Faces, step: faces.FaceStep, size: int, whole: bool = False) -> list[Any]:
    """Cut the face of each picture, or squeeze the whole."""
    squares = []
    for pixels, found in zip(data.pixels, data.found, strict=True):
        index = None if whole else faces.choose(found, step.policy, *pixels.shape[1::-1])
        face = faces.whole(pixels, size) if index is None else faces.cut(pixels, found, index, step, size)
        squares.append(face.pixels)
    return squares


def draws(X: Any, y: Any, head: str, n_train: int, repeats: int = 10, seed: int = 0) -> float:
    """Return the mean accuracy with a few training pictures a person, drawn anew each time."""
    rng, shares = np.random.default_rng(seed), []
    for _ in range(repeats):
        train = np.concatenate([rng.permutation(np.flatnonzero(y == p))[:n_train] for p in np.unique(y)])
        test = np.setdiff1d(np.arange(len(y)), train)
        shares.append(np.mean(heads.build(head).fit(X[train], y[train]).predict(X[test]) == y[test]))
    return float(np.mean(shares))


def cross_validated(
    X: Any, y: Any, groups: Any, people: tuple[str, ...], head: str, n_folds: int, repeats: int = 1
) -> float:
    """Return the accuracy over stratified folds that keep copies together."""
    from facefeat.learn.splits import folds

    right = [
        heads.build(head).fit(X[train], y[train]).predict(X[test]) == y[test]
        for train, test in folds(y, groups, people, n_folds=n_folds, repeats=repeats).splits
    ]
    return float(np.mean(np.concatenate(right)))


def machine(engine: Engine) -> dict[str, Any]:
    """Describe what the figures were made on."""
    from importlib.metadata import version

    names = ("facefeat", "openvino", "tensorflow", "keras", "scikit-learn", "numpy")
    return {
        "engine": describe(engine),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }


def main(measure: Callable[[Path | None, Engine], Iterator[dict[str, Any]]], description: str | None) -> None:
    """Read the command line, run the measure, print its rows as a table and, with --json, as JSON."""
    import argparse

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, help="a folder with Train/ and Test/, each a folder of people")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args()
    engine = choose()
    print(f"# {describe(engine)}")
    rows = []
    for row in measure(options.squad, engine):
        if not rows or list(rows[-1]) != list(row):
            print("\n| " + " | ".join(row) + " |\n|" + "---|" * len(row), flush=True)
        rows.append(row)
        print(
            "| " + " | ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()) + " |", flush=True
        )
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(engine), "rows": rows}, indent=1))


def with_interval(share: float, n: int) -> str:
    """Write a share with its 95 % interval."""
    found = wilson(share, n)
    return f"{share:.3f} [{found.low:.3f}, {found.high:.3f}]"
