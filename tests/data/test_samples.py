from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.data import samples
from facefeat.data.folder import list_people
from facefeat.errors import MissingExtra, StorageError


@pytest.fixture(scope="module")
def written(orl: Path, tmp_path_factory: pytest.TempPathFactory) -> samples.Samples:
    """Give the demo's pictures."""
    return samples.write_orl(tmp_path_factory.mktemp("samples"))


def test_training_and_held_out_pictures_are_apart(written: samples.Samples, orl: Path) -> None:
    train, held_out = list_people(written.people), list_people(written.held_out)
    assert (len(train.people), len(train.entries)) == (samples.KNOWN, samples.KNOWN * samples.TRAIN)
    assert (len(held_out.people), len(train.entries) + len(held_out.entries)) == (40, 400)
    assert set(held_out.people) - set(train.people) == {"s37", "s38", "s39", "s40"}
    assert {entry.path for entry in train.entries}.isdisjoint(entry.path for entry in held_out.entries)


def test_pictures_are_those_of_the_database(written: samples.Samples, orl: Path) -> None:
    for path in ("s01/01", "s36/08"):
        ours, theirs = Image.open(written.people / f"{path}.png"), Image.open(orl / f"{path}.pgm")
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_probes_are_photographs(written: samples.Samples) -> None:
    shapes = {path.name: np.asarray(Image.open(path)).shape for path in written.probes}
    assert shapes == {"known.png": (304, 264), "stranger.png": (304, 264), "group.png": (304, 712)}


def test_what_is_there_already_stays(orl: Path, tmp_path: Path) -> None:
    mine = tmp_path / "people" / "s01" / "01.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    samples.write_orl(tmp_path)
    assert mine.read_bytes() == b"mine"


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as caught:
        samples.orl_folder()
    assert str(caught.value) == "The demo needs the extra 'demo'; install it with: pip install 'facefeat[demo]'"


def test_a_place_that_is_no_folder_is_a_storage_error(orl: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        samples.write_orl(tmp_path / "file")
    assert str(caught.value) == f"{tmp_path / 'file'} cannot be written: Not a directory."
