"""A photograph may be a file, the bytes of one, or pixels: the answer is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.data import picture
from facefeat.errors import UsageError
from facefeat.features.store.file import read
from facefeat.learn.fit import fit
from facefeat.learn.predict import Recogniser, load
from tests.making import encoded, person_pixels


@pytest.fixture(scope="module")
def recogniser(thumb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    return load(fit(read(thumb_file), tmp_path_factory.mktemp("sources") / "m.facefeat", head="prototype").output)


def test_all_sources_give_the_same_answer(recogniser: Recogniser, tmp_path: Path) -> None:
    pixels = person_pixels("bob", 50)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    file, data, array = recogniser.predict([tmp_path / "a.png", encoded(pixels), pixels])
    assert file.faces[0][1].name == "bob"
    assert file.faces[0][1] == data.faces[0][1] == array.faces[0][1]
    assert (file.path, data.path, array.path) == (str(tmp_path / "a.png"), "", "")
    assert array.faces[0][0].box.tolist() == [0, 0, 48, 48]


def test_bad_bytes_and_pixels_are_refused(recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "MAX_BYTES", 2**20)
    found = recogniser.predict([b"", bytes(2**20 + 1), b"no picture", np.zeros((8, 99, 3), np.uint8)])
    assert [one.error.code for one in found if one.error] == ["empty", "too_many_bytes", "not_a_picture", "too_small"]
    with pytest.raises(
        UsageError,
        match=r"^A picture that is an array has the shape \(height, width, 3\) and the type uint8, but this one has \(9, 9\) and float64\.$",
    ):
        recogniser.predict([np.zeros((9, 9))])  # type: ignore[list-item]
