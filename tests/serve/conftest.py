"""Models to be served, and servers of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.learn.fit import fit
from tests.making import write_people
from tests.serve.serving import Asker, serving

pytest.importorskip("starlette", reason="the page needs the extra 'serve'")

PEOPLE = {"ada": 4, "bob": 4, "cleo": 4, "dan": 4}


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a model of four people that looks at whole pictures. Not to be changed."""
    folder = tmp_path_factory.mktemp("served")
    data = write_people(folder / "people", PEOPLE)
    file = extract(data, folder / "features.h5", plan("thumb", faces_mode="none")).file
    return fit(file, folder / "model.facefeat", head="prototype").output


@pytest.fixture
def model(fitted: Path, tmp_path: Path) -> Path:
    """Give a copy of it, to be changed at will."""
    return Path(shutil.copy(fitted, tmp_path / "model.facefeat"))


@pytest.fixture(scope="module")
def ask(fitted: Path) -> Iterator[Asker]:
    """Ask a server whose model is not to be changed."""
    with serving(fitted) as asker:
        yield asker
