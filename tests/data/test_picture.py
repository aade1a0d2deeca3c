from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facefeat.data import picture, pixels
from facefeat.errors import PictureRefused
from tests.making import big_endian, encoded, exif_of, halves, random_pixels, turned


def refusal(path: Path | str) -> tuple[str, str]:
    """Read a picture that must be refused; return the code and the sentence."""
    with pytest.raises(PictureRefused) as caught:
        picture.load(path)
    assert caught.value.code in picture.CODES
    return caught.value.code, caught.value.message


def test_pixels_and_hash_of_a_plain_picture(tmp_path: Path) -> None:
    pixels = random_pixels(20, 30)
    (tmp_path / "a.png").write_bytes(encoded(pixels))
    read = picture.load(tmp_path / "a.png")
    np.testing.assert_array_equal(read.pixels, pixels, strict=True)
    assert read.sha256 == hashlib.sha256(encoded(pixels)).digest()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == ("not_a_file", "A folder, not a file.")


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refusal(tmp_path / "pipe") == ("not_a_file", "Not a regular file.")
    assert refusal("/dev/null") == ("not_a_file", "Not a regular file.")
    assert refusal(tmp_path / "lost") == ("not_a_file", "The file cannot be opened: No such file or directory.")
    assert refusal(tmp_path / "none") == ("unreadable", "The file cannot be opened: No such file or directory.")
    assert refusal(tmp_path / "loop")[0] == "unreadable"
    assert refusal("a\0b") == ("unreadable", "The file cannot be opened: its name holds a null byte.")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to the superuser")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(halves()))
    (tmp_path / "a.png").chmod(0)
    assert refusal(tmp_path / "a.png") == ("unreadable", "The file cannot be opened: Permission denied.")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux has a file whose start cannot be read")
def test_a_file_that_fails_while_it_is_read_is_unreadable() -> None:
    assert refusal("/proc/self/mem") == ("unreadable", "The file cannot be read: Input/output error.")


def test_a_file_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "MAX_BYTES", 3 * 1024**2)
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(3 * 1024**2 + 1)
    assert refusal(tmp_path / "a.png") == ("too_many_bytes", "3 MB; at most 3 MB are read.")


def test_the_sentences_of_refused_bytes() -> None:
    kinds = ", ".join(pixels.FORMATS)
    sentences = {
        b"": f"Not a picture of an accepted format ({kinds}).",
        encoded(random_pixels(15, 20)): "20 x 15 pixels; each side needs at least 16.",
        encoded(random_pixels(64, 64))[:500]: "The picture cannot be decoded: image file is truncated.",
    }
    for data, sentence in sentences.items():
        with pytest.raises(PictureRefused) as caught:
            picture.decode(data)
        assert caught.value.message == sentence


def test_a_picture_of_the_most_pixels_is_read_and_one_more_row_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "MAX_PIXELS", 20 * 30)
    assert pixels.decode(encoded(random_pixels(20, 30))).pixels.shape == (20, 30, 3)
    with pytest.raises(PictureRefused) as caught:
        pixels.decode(encoded(random_pixels(21, 30)))
    assert caught.value.code == "too_many_pixels"
    assert caught.value.message == "30 x 21 pixels; at most 600 in all are decoded."


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_give_the_same_upright_pixels(kind: str, orientation: int) -> None:
    upright = random_pixels(20, 34)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = encoded(turned(upright, orientation), kind, exif=exif_of(orientation), **options)
    np.testing.assert_array_equal(picture.decode(data), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_of_a_photograph(orientation: int) -> None:
    upright = np.kron(random_pixels(4, 6), np.ones((8, 8, 1), np.uint8))
    data = encoded(turned(upright, orientation), "JPEG", exif=exif_of(orientation), quality=100, subsampling=0)
    assert np.abs(picture.decode(data).astype(int) - upright).max() <= 4


@pytest.mark.parametrize("seed", range(3))
def test_sixteen_bits_keep_their_upper_eight(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 65536, (20, 30)).astype(np.uint16)
    wanted = np.repeat(np.rint(values / 257).astype(np.uint8)[..., None], 3, axis=2)
    stored = {"PNG": encoded(values), "TIFF": encoded(values, "TIFF"), "big": encoded(big_endian(values), "TIFF")}
    for kind, data in stored.items():
        np.testing.assert_array_equal(picture.decode(data), wanted, err_msg=kind)


def test_the_order_of_bytes_does_not_change_a_dark_picture() -> None:
    dark = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint16)
    little, big = encoded(dark, "TIFF"), encoded(big_endian(dark), "TIFF")
    np.testing.assert_array_equal(picture.decode(big), picture.decode(little))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (halves(0.25, 1.0, dtype=np.float32), (64, 255)),
        (halves(0, 255, dtype=np.float32), (0, 255)),
        (halves(-10, 30, dtype=np.float32), (0, 255)),
        (halves(1e6, 3e6, dtype=np.float32), (0, 255)),
        (halves(np.nan, 0.5, dtype=np.float32), (0, 128)),
        (halves(np.inf, 0.5, dtype=np.float32), (0, 128)),
        (halves(7e6, 7e6, dtype=np.float32), (0, 0)),
        (halves(-5, 70000, dtype=np.int32), (0, 255)),
        (halves(25700, 65535, dtype=np.int32), (100, 255)),
    ],
)
def test_floats_and_long_integers_are_scaled(values: np.ndarray, wanted: tuple[int, int]) -> None:
    pixels = picture.decode(encoded(values, "TIFF"))
    assert (tuple(pixels[5, 2]), tuple(pixels[5, -3])) == ((wanted[0],) * 3, (wanted[1],) * 3)


def test_a_tall_picture_is_scaled_as_a_whole() -> None:
    values = np.linspace(-3, 9, 3000 * 20, dtype=np.float32).reshape(3000, 20)
    wanted = np.rint((values.astype(np.float64) + 3) * (255 / 12)).astype(np.uint8)
    np.testing.assert_array_equal(picture.decode(encoded(values, "TIFF"))[..., 0], wanted)


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=200), kind=st.sampled_from(["", "JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]))
def test_any_bytes_are_pixels_or_a_refusal(data: bytes, kind: str) -> None:
    start = encoded(halves(), kind)[:60] if kind else b""
    try:
        pixels = picture.decode(start + data)
    except PictureRefused as refused:
        assert refused.code in picture.CODES
        assert refused.message.endswith(".")
    else:
        assert (pixels.dtype, pixels.ndim, pixels.shape[2]) == (np.uint8, 3, 3)


def test_no_memory_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(image: Image.Image) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(pixels, "_to_rgb", full)
    with pytest.raises(PictureRefused) as caught:
        pixels.decode(encoded(halves()))
    assert (caught.value.code, caught.value.message) == (
        "too_many_pixels",
        "Not enough memory to decode the picture.",
    )


def test_reading_does_not_grow_the_list_of_warning_filters() -> None:
    pixels.decode(encoded(halves()))
    before = len(warnings.filters)
    for _ in range(5):
        pixels.decode(encoded(halves()))
    assert len(warnings.filters) == before
