"""Models that are small and whole: VGG16's first block at 32 pixels, and one in every format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache as remembered
from pathlib import Path
from typing import Any

import pytest

from facefeat.features.encode import Plan, plan, plan_of
from facefeat.features.extract import extract
from facefeat.features.recipe import Recipe
from facefeat.learn import bundle as bundles
from facefeat.learn import head as heads
from facefeat.learn.fit import fit
from facefeat.tune.export import Exported, export
from facefeat.tune.formats import FORMATS
from tests.making import write_people

LAYER = "block1_pool"
Models = Callable[..., Path]


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of four people. Not to be changed."""
    return write_people(tmp_path_factory.mktemp("export") / "people", dict.fromkeys(("ada", "bob", "cleo", "dan"), 6))


@pytest.fixture(scope="session")
def models(faces: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Models:
    """Give what makes a model of a head and some knobs on these people, once; all have one threshold and temperature."""
    folder = tmp_path_factory.mktemp("models")
    small = plan(size=32, layers=[LAYER], pooling="avg", faces_mode="none")
    file = extract(faces, folder / "features.h5", small).file
    first = fit(file, folder / "lda.facefeat", head="lda", layer=LAYER).bundle

    @remembered
    def fitted(head: str, **knobs: Any) -> Path:
        path = folder / f"{'-'.join([head, *map(str, knobs.values())])}.facefeat"
        if not path.exists():
            estimator = heads.build(head, knobs).fit(file.vectors(LAYER), file.person)
            bundles.write(replace(first, head=head, params=knobs, estimator=estimator), path, "")
        return path

    return fitted


@pytest.fixture(scope="session", autouse=True)
def weights_are_read_once() -> Iterator[None]:
    """Keep the weights of the models above: reading them takes longer than exporting a model this small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facefeat.tune.export.plan_of", remembered(_plan_of))
        yield


def _plan_of(recipe: Recipe, weights: str | None, detector: Path | None) -> Plan:
    found = plan_of(recipe, weights, detector)
    return replace(found, weights=replace(found.weights, read=remembered(found.weights.read)))


@pytest.fixture(scope="session")
def exports(models: Models, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """Give one model in every format, each called model.something. Not to be changed."""
    folder = tmp_path_factory.mktemp("exports")
    model = models("svm", kernel="rbf")
    return {name: export(model, folder / f"model{one.suffixes[0]}", format=name) for name, one in FORMATS.items()}
