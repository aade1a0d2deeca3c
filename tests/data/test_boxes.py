from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.data import boxes
from tests.making import random_pixels


def test_suppression_keeps_the_best_of_those_that_overlap() -> None:
    some = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 4, 4]], np.float32)
    scores = np.array([0.8, 0.9, 0.7, 0.95], np.float32)
    assert boxes.suppress(some, scores, 0.5).tolist() == [3, 1, 2]
    assert boxes.suppress(some, scores, 0.5, by_smaller=True).tolist() == [3, 2]
    assert boxes.suppress(some[:0], scores[:0], 0.5).tolist() == []


def test_suppression_in_blocks_is_that_of_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (200, 2))
    some = np.concatenate([corners, corners + rng.uniform(5, 30, (200, 2))], axis=1).astype(np.float32)
    scores = rng.permutation(200).astype(np.float32)

    def overlap(a: int, b: int) -> float:
        sides = np.clip(np.minimum(some[a, 2:], some[b, 2:]) - np.maximum(some[a, :2], some[b, :2]), 0, None)
        areas = [np.prod(some[i, 2:] - some[i, :2]) for i in (a, b)]
        return float(np.prod(sides) / (sum(areas) - np.prod(sides)))

    best_first = np.argsort(-scores)
    wanted = [b for n, b in enumerate(best_first) if not any(overlap(a, b) > 0.3 for a in best_first[:n])]
    assert 10 < len(wanted) < 100
    for block in (512, 64, 1):
        monkeypatch.setattr(boxes, "_BLOCK", block)
        assert boxes.suppress(some, scores, 0.3).tolist() == wanted


def test_boxes_grow_to_squares_about_their_middle() -> None:
    grown = boxes.squared(np.array([[10, 20, 30, 26], [0, 0, 4, 8]], np.float32))
    np.testing.assert_array_equal(grown, [[10, 13, 30, 33], [-2, 0, 6, 8]])
    assert boxes.squared(boxes.NO_BOXES).shape == (0, 4)


def test_boxes_move_by_shares_of_their_sides() -> None:
    offsets = np.array([[0.1, 0, -0.1, 0.5]], np.float32)
    np.testing.assert_allclose(boxes.moved(np.array([[0, 10, 19, 49]], np.float32), offsets), [[2, 10, 17, 69]])


def _colour(pixels: np.ndarray, y: float, x: float) -> np.ndarray:
    """Interpolate one point by the definition; zero outside."""
    if not (0 <= y <= len(pixels) - 1 and 0 <= x <= len(pixels[0]) - 1):
        return np.zeros(3)
    top, left = math.floor(y), math.floor(x)
    down, right = min(top + 1, len(pixels) - 1), min(left + 1, len(pixels[0]) - 1)
    shares = ((top, left, 1 - (y - top), 1 - (x - left)), (top, right, 1 - (y - top), x - left))
    shares += ((down, left, y - top, 1 - (x - left)), (down, right, y - top, x - left))
    return np.asarray(sum(pixels[r, c].astype(float) * a * b for r, c, a, b in shares) - 127.5) / 128


SIDE = st.floats(-30, 60, allow_nan=False, width=32)


@settings(deadline=None, max_examples=40)
@given(left=SIDE, top=SIDE, width=st.floats(2, 50, width=32), height=st.floats(2, 50, width=32))
def test_crops_interpolate_between_pixels_and_are_zero_outside(
    left: float, top: float, width: float, height: float
) -> None:
    pixels = random_pixels(31, 40)
    box = np.array([[left, top, left + width, top + height]], np.float32)
    (crop,) = boxes.crops(pixels, np.repeat(box, 2, axis=0), 6)[:1]
    # The ends of a box in a picture of n pixels are ends * (n - 1) / n in pixel centres, as in TensorFlow.
    x0, y0, x1, y1 = (box[0].astype(float) * np.array([39 / 40, 30 / 31] * 2)).tolist()
    for row, y in enumerate(np.arange(6) * ((y1 - y0) / 5) + y0):
        for column, x in enumerate(np.arange(6) * ((x1 - x0) / 5) + x0):
            np.testing.assert_allclose(crop[row, column], _colour(pixels, y, x), atol=2e-5)


def test_colours_go_from_minus_one_to_one() -> None:
    found = boxes.normalised(np.array([0, 127.5, 255], np.float32))
    np.testing.assert_array_equal(found, [-127.5 / 128, 0, 127.5 / 128])
