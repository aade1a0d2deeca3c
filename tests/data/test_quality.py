"""Faces in grey, and how sharp they are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter

from facefeat.data.quality import SIDE, grey, sharpness
from tests.making import Pixels, halves, random_pixels


def greys(pixels: list[Pixels]) -> Pixels:
    return np.stack([grey(np.asarray(Image.fromarray(one).crop((0, 10, 92, 102)))) for one in pixels])


def test_a_face_of_the_right_size_keeps_its_levels() -> None:
    levels = random_pixels(SIDE, SIDE)[..., 0]
    np.testing.assert_array_equal(grey(levels[..., None].repeat(3, axis=2)), levels)


def test_colours_count_as_bright_as_they_look() -> None:
    for colour, level in (((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((255, 255, 255), 255)):
        assert np.unique(grey(np.full((80, 80, 3), colour, np.uint8))).tolist() == [level]


@pytest.mark.parametrize("size", [16, 32, 64, 80, 224])
def test_any_size_becomes_one(size: int) -> None:
    small = grey(halves((0, 0, 0), (255, 255, 255), size, size))
    assert (small.shape, small.dtype) == ((SIDE, SIDE), np.uint8)
    assert small[:, : SIDE // 2 - 4].max() == 0 and small[:, SIDE // 2 + 4 :].min() == 255


def test_one_colour_has_no_sharpness() -> None:
    flat = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, SIDE, SIDE))
    assert sharpness(flat).tolist() == [0.0] * 256
    assert sharpness(flat[:0]).shape == (0,)


def test_a_ramp_has_no_edges_and_a_chessboard_nothing_else() -> None:
    ramp = np.broadcast_to(np.arange(SIDE, dtype=np.uint8) * 2, (1, SIDE, SIDE))
    board = (np.indices((1, SIDE, SIDE)).sum(axis=0) % 2 * 200).astype(np.uint8)
    assert sharpness(ramp).tolist() == [0.0]
    # Every pixel differs from each of its four neighbours by 200, so the Laplacian is 8 times the deviation.
    assert sharpness(board)[0] == pytest.approx(64.0, rel=1e-5)


def test_the_more_a_face_is_blurred_the_less_sharp_it_is(orl_pixels: list[Pixels]) -> None:
    by_radius = []
    for radius in (0, 1, 2, 4):
        blurred = [np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(radius))) for one in orl_pixels]
        by_radius.append(sharpness(greys(blurred)))
    assert all((sharper > other).all() for sharper, other in pairwise(by_radius))
    assert by_radius[0].min() > 3 * by_radius[2].max()


def test_light_and_contrast_do_not_matter(orl_pixels: list[Pixels]) -> None:
    face = greys(orl_pixels)
    as_it_is, darker = sharpness(face), sharpness((face * 0.5 + 20).astype(np.uint8))
    np.testing.assert_allclose(darker, as_it_is, rtol=0.1)


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, (2, SIDE, SIDE), elements=st.integers(0, 255), fill=st.integers(0, 255)))
def test_any_face_has_a_finite_sharpness_of_its_own(faces: Pixels) -> None:
    found = sharpness(faces)
    assert found.dtype == np.float32 and np.isfinite(found).all() and (found >= 0).all()
    assert found.tolist() == [sharpness(face[None])[0] for face in faces]
