"""Small models of every head, for tests that take them apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from facefeat import plugins
from tests.crafted import Whole
from tests.fuzz_bundles import make_models


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> list[Path]:
    """Give a model of each head, then some with other knobs. Not to be changed."""
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def models(small_models: list[Path]) -> dict[str, Path]:
    """Give a model by its head. Not to be changed."""
    return dict(zip(plugins.names("head"), small_models, strict=False))


@pytest.fixture(scope="session")
def wholes(models: dict[str, Path]) -> dict[str, Whole]:
    """Give a model in parts by its head. Not to be changed."""
    return {head: Whole.of(path.read_bytes()) for head, path in models.items()}
