from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefeat.data import picture
from facefeat.errors import PictureRefused
from tests.making import RIGHT, Odd, expected_left, odd_pictures

ODD = list(odd_pictures())
REFUSED = [pytest.param(odd, id=odd[0]) for odd in ODD if odd[2] is not None]
READ = [pytest.param(odd, id=odd[0]) for odd in ODD if odd[2] is None]
LOSSY = 6  # what JPEG, AVIF and CMYK may be off, of 255


def test_there_are_many_kinds_under_different_names() -> None:
    assert len({name for name, _, _ in ODD}) == len(ODD) >= 30


@pytest.mark.parametrize("odd", REFUSED)
def test_a_bad_picture_is_refused_with_its_code(odd: Odd, tmp_path: Path) -> None:
    name, data, code = odd
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PictureRefused) as caught:
        picture.load(tmp_path / name)
    assert caught.value.code == code
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("odd", READ)
def test_an_odd_picture_shows_what_a_person_would_see(odd: Odd, tmp_path: Path) -> None:
    name, data, _ = odd
    (tmp_path / name).write_bytes(data)
    pixels = picture.load(tmp_path / name).pixels
    assert pixels.dtype == np.uint8
    left = pixels[2:-2, 2 : pixels.shape[1] // 4].reshape(-1, 3).astype(int)
    assert np.abs(left - expected_left(name)).max() <= LOSSY


@pytest.mark.parametrize("name", ["animated.gif", "animated.png", "animated.webp", "stereo.mpo"])
def test_the_right_half_is_of_the_first_frame(name: str) -> None:
    data = {one: data for one, data, _ in ODD}[name]
    assert np.abs(picture.decode(data)[2:-2, 24:-2].astype(int) - RIGHT).max() <= LOSSY
