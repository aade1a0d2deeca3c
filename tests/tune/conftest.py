"""Models that are small and whole: VGG16's first block at 32 pixels, and one in every format."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache as remembered
from pathlib import Path
from typing import Any

import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
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
    """Give what fits a head of some knobs on these people, once."""
    folder = tmp_path_factory.mktemp("models")
    small = plan(size=32, layers=[LAYER], pooling="avg", faces_mode="none")
    file = extract(faces, folder / "features.h5", small).file

    @remembered
    def fitted(head: str, **knobs: Any) -> Path:
        name = "-".join([head, *(f"{knob}-{value}" for knob, value in knobs.items())])
        return fit(file, folder / f"{name}.facefeat", head=head, layer=LAYER, params=knobs).output

    return fitted


@pytest.fixture(scope="session")
def exports(models: Models, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """Give one model in every format, each called model.something. Not to be changed."""
    folder = tmp_path_factory.mktemp("exports")
    model = models("svm", kernel="rbf")
    return {name: export(model, folder / f"model{one.suffixes[0]}", format=name) for name, one in FORMATS.items()}
