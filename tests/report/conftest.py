"""Records that pages are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn.bundle import Bundle
from facefeat.learn.compare import compare
from facefeat.learn.comparison import Comparison
from facefeat.learn.evaluate import evaluate
from facefeat.learn.evaluation import Evaluation
from facefeat.learn.fit import fit
from tests.making import person_pixels, write_people
from tests.report.pages import NAMES


@dataclass(frozen=True)
class Compared:
    """A comparison of people with hostile names, some of whose pictures are named wrong."""

    found: Comparison
    file: FeatureFile


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of the same people, with strangers."""

    found: Evaluation
    bundle: Bundle
    model: Path
    data: Path


@pytest.fixture(scope="session")
def compared_people(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Compared:
    folder = tmp_path_factory.mktemp("compared")
    data = write_people(folder / "people", {**dict.fromkeys(NAMES, 8), "one": 1}, size=24, noise=300)
    file = extract(data, folder / "f.h5", plan("thumb", faces_mode="none")).file
    _write_others(folder / "test", NAMES, 2)
    other = extract(folder / "test", folder / "t.h5", plan("thumb", faces_mode="none")).file
    return Compared(compare(file, heads_wanted=["lda", "knn"], n_folds=3, test=other, workers=1), file)


@pytest.fixture(scope="session")
def evaluated_people(tmp_path_factory: pytest.TempPathFactory, compared_people: Compared) -> Evaluated:
    folder = tmp_path_factory.mktemp("evaluated")
    model = folder / "m.facefeat"
    bundle = fit(compared_people.file, model, head="lda", layer="grey8", fpir=0.5).bundle
    _write_others(folder / "data", (*NAMES, "zoe <b>"), 4)
    (folder / "data" / "bob" / "<i>.jpg").write_text("no picture")
    return Evaluated(evaluate(bundle, folder / "data", workers=1), bundle, model, folder / "data")


def _write_others(root: Path, names: Sequence[str], n: int) -> None:
    """Write other pictures of people than those that train."""
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(101, 101 + n):
            Image.fromarray(person_pixels(name, number, 24, noise=300)).save(root / name / f"{number}.png")
