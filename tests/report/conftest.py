"""Records that pages are made of."""

from __future__ import annotations

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
    data: Path


@pytest.fixture(scope="session")
def compared_people(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Compared:
    folder = tmp_path_factory.mktemp("compared")
    data = write_people(folder / "people", {**dict.fromkeys(NAMES, 8), "one": 1}, size=24, noise=300)
    file = extract(data, folder / "f.h5", plan("thumb", faces_mode="none")).file
    test = write_people(folder / "test", dict.fromkeys(NAMES, 2), size=24, noise=250)
    other = extract(test, folder / "t.h5", plan("thumb", faces_mode="none")).file
    return Compared(compare(file, heads_wanted=["lda", "knn"], n_folds=3, test=other, workers=1), file)


@pytest.fixture(scope="session")
def evaluated_people(tmp_path_factory: pytest.TempPathFactory, compared_people: Compared) -> Evaluated:
    folder = tmp_path_factory.mktemp("evaluated")
    bundle = fit(compared_people.file, folder / "m.facefeat", head="lda", layer="grey8", fpir=0.5).bundle
    for name in (*NAMES, "zoe <b>"):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(101, 105):
            Image.fromarray(person_pixels(name, number, 24, noise=300)).save(folder / "data" / name / f"{number}.png")
    (folder / "data" / "bob" / "<i>.jpg").write_text("no picture")
    return Evaluated(evaluate(bundle, folder / "data", workers=1), bundle, folder / "data")
