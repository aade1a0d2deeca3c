"""What a network made for faces is worth: vgg16 and dlib on the same pictures, and dlib's alignment.

scripts/bench/backbones.py --squad FOLDER
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from faces import cross_validated, draws, find, folder_people, main, orl_people, vectors, with_interval

from facefeat import plugins
from facefeat.engines.network import Engine
from facefeat.features.backbone import usual_layer
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn import openset
from facefeat.learn.copies import groups_of
from facefeat.learn.crossval import Trial, cross_validate

BACKBONES = ("vgg16", "dlib")
REPEATS = 20  # of dealing strangers
HEADS = ("lda", "prototype")  # for alignments
ALIGNMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("dlib", {"template": "dlib", "margin": 0.0}),
    ("dlib, 5 % more", {"template": "dlib", "margin": 0.05}),
    ("dlib, 5 % less", {"template": "dlib", "margin": -0.05}),
    ("arcface, margin 0.05", {"template": "arcface", "margin": 0.05}),
    ("box", {"template": "box", "margin": 0.05}),
)


def measure(squad: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Score both networks by every quick head, then dlib's with other alignments."""
    warnings.filterwarnings("ignore", "The number of unique classes")  # with one picture a person
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number, (path, person) in enumerate(orl_people()):
            (folder / "orl" / person).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "orl" / person / f"{number:03d}.pgm")
        for name in BACKBONES:
            yield from _orl(name, extract(folder / "orl", folder / f"{name}.h5", plan(name)).file)
        for name in BACKBONES if squad else ():
            assert squad
            parts = (extract(squad / part, folder / f"{name}-{part}.h5", plan(name)).file for part in ("Train", "Test"))
            yield from _squad(name, *parts)
    yield from _alignments(squad, engine)


def _quick() -> list[str]:
    return [head for head in plugins.names("head") if not heads.is_slow(head)]


def _orl(name: str, file: FeatureFile) -> Iterator[dict[str, Any]]:
    y, groups, X = file.person, groups_of(file), np.asarray(file.vectors(usual_layer(file.recipe)))
    trials = openset.deal(y, groups, REPEATS)
    assert trials is not None
    results = cross_validate(X, y, trials.splits, [Trial(head) for head in _quick()], 2)
    for head, found in zip(_quick(), openset.measured(X, y, trials, results, 2), strict=True):
        rates = found.rates[0.01] if found else None
        assert found is not None and rates is not None
        yield {
            "ORL, backbone": name,
            "head": head,
            "10-fold": with_interval(cross_validated(X, y, groups, file.people, head, 10), 400),
            "2 train, 8 test": with_interval(draws(X, y, head, 2), 320),
            "1 train, 9 test": with_interval(draws(X, y, head, 1), 360),
            "strangers: AUROC": f"{found.auroc.mean:.4f}",
            "for FPIR 1 %: FNIR": f"{rates.fnir.mean:.3f} [{rates.fnir.low:.3f}, {rates.fnir.high:.3f}]",
            "FPIR reached": f"{rates.fpir.mean:.3f} [{rates.fpir.low:.3f}, {rates.fpir.high:.3f}]",
        }


def _squad(name: str, train: FeatureFile, test: FeatureFile) -> Iterator[dict[str, Any]]:
    layer = usual_layer(train.recipe)
    A, B = np.asarray(train.vectors(layer)), np.asarray(test.vectors(layer))
    apart = groups_of(train)
    for head in _quick():
        right = heads.build(head).fit(A, train.person).predict(B) == test.person
        tenfold = cross_validated(A, train.person, apart, train.people, head, 10)
        yield {
            "squad, backbone": name,
            "head": head,
            "Train to Test": with_interval(float(np.mean(right)), len(right)),
            "where a face was found": with_interval(float(np.mean(right[test.found])), int(test.found.sum())),
            "10-fold on Train": with_interval(tenfold, len(train.person)),
        }


def _alignments(squad: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Cut the same faces otherwise; the mirrored mean and the face alone."""
    orl = find(orl_people(), engine)
    parts = [find(folder_people(squad / part), engine) for part in ("Train", "Test")] if squad else []
    for said, choices in ALIGNMENTS:
        for flip in (True, False) if said == "dlib" else (True,):
            X, *of_squad = (_descriptors(data, engine, flip, choices) for data in (orl, *parts))
            row: dict[str, Any] = {"dlib's alignment": said, "mirrored mean": "yes" if flip else "no"}
            for head in HEADS:
                row[f"ORL, 2 train, {head}"] = with_interval(draws(X, orl.person, head, 2), 320)
            for head in HEADS if of_squad else ():
                right = heads.build(head).fit(of_squad[0], parts[0].person).predict(of_squad[1]) == parts[1].person
                row[f"squad, {head}"] = with_interval(float(np.mean(right)), len(right))
            yield row


def _descriptors(data: Any, engine: Engine, flip: bool, choices: dict[str, Any]) -> Any:
    return vectors(data, engine, backbone="dlib", flip=flip, **choices)["descriptor"]


if __name__ == "__main__":
    main(measure, __doc__)
