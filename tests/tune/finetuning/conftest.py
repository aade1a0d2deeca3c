"""A tiny network and a tiny data set, on which a whole fine-tuning takes a second or two."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from facefeat import plugins
from tests.making import write_people

PEOPLE = {"ada": 6, "bob": 6, "cleo": 6}


@pytest.fixture(scope="module", autouse=True)
def twoblocks() -> Iterator[None]:
    """Bring the backbone twoblocks, as another package would."""
    point = EntryPoint("twoblocks", "tests.tune.finetuning.twoblocks", plugins.GROUPS["backbone"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "entry_points", lambda group: [point] if group == point.group else [])
        plugins._others.cache_clear()
        yield
    plugins._others.cache_clear()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of three people with six pictures each. Not to be changed."""
    return write_people(tmp_path_factory.mktemp("tune") / "people", PEOPLE, size=40, noise=60)
