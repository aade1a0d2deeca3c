"""Fixtures of the tests that crop faces."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from facefeat.curate import crop_cut
from facefeat.data.finder import FaceFinder, Opened
from facefeat.data.mtcnn import MTCNN
from facefeat.engines.network import Engine
from tests.curate.cropping import scene
from tests.making import Pixels, encoded


@pytest.fixture(scope="session")
def photographs(orl_pixels: list[Pixels], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the photographs of two people: 4 with a face, one with two, one with none, and a text. Not to be changed."""
    root = tmp_path_factory.mktemp("photographs") / "raw"
    for folder in (root / "ada" / "2020", root / "bob"):
        folder.mkdir(parents=True)
    first, second, third, fourth = orl_pixels[:4]
    (root / "ada" / "1.jpg").write_bytes(encoded(scene(first), "JPEG", quality=92))
    (root / "ada" / "2020" / "2.png").write_bytes(encoded(scene(second)))
    (root / "ada" / "both.jpg").write_bytes(encoded(scene(first, third), "JPEG", quality=92))
    (root / "bob" / "1.jpg").write_bytes(encoded(scene(third), "JPEG", quality=92))
    (root / "bob" / "2.jpg").write_bytes(encoded(scene(fourth), "JPEG", quality=92))
    (root / "bob" / "nobody.png").write_bytes(encoded(scene()))
    (root / "bob" / "notes.txt").write_text("no picture")
    return root


@pytest.fixture
def raw(photographs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photographs, tmp_path / "raw"))


@pytest.fixture
def ready(engine: Engine, detector: MTCNN, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all runs share one engine and one detector, and work in small groups."""
    monkeypatch.setattr("facefeat.curate.crop.choose", lambda **_: engine)
    monkeypatch.setattr("facefeat.data.detectors.load", lambda step, *_: detector if step.detector == "mtcnn" else None)
    monkeypatch.setattr(crop_cut, "GROUP", 2)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give a list of the SHA-256 of all that is opened from now on."""
    opened: list[str] = []
    before = FaceFinder.open

    def noting(self: FaceFinder, data: bytes) -> Opened:
        opened.append(hashlib.sha256(data).hexdigest())
        return before(self, data)

    monkeypatch.setattr(FaceFinder, "open", noting)
    return opened
