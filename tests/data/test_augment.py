"""Copies of a face are near it, the same in every run, and what their ranges say."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facefeat.data.augment import Augmentation, augmented

NONE = Augmentation(rotation=0, shift=0, scale=0, brightness=0, flip=False)
DIGESTS = st.binary(min_size=32, max_size=32)


def square(size: int = 40) -> NDArray[np.uint8]:
    """Draw a bright spot right of the middle on a grey ground."""
    down, right = (np.mgrid[:size, :size] + 0.5) / size
    spot = np.exp(-((down - 0.5) ** 2 + (right - 0.7) ** 2) / 0.01)
    return np.repeat((60 + 150 * spot)[..., None], 3, axis=2).astype(np.uint8)


def spot_of(face: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Find the middle of what is bright, (right, down) as a share of the side."""
    light = np.maximum(face[..., 0].astype(float) - face.min() - 40, 0)
    down, right = (np.mgrid[: len(face), : len(face)] + 0.5) / len(face)
    return np.array([(light * right).sum(), (light * down).sum()]) / light.sum()


def test_the_face_itself_is_copy_0() -> None:
    face = square()
    assert augmented(face, bytes(32), 0) is face


@given(DIGESTS, st.integers(1, 2**15 - 1))
@settings(max_examples=50, deadline=None)
def test_ranges_of_nothing_change_nothing(digest: bytes, copy: int) -> None:
    np.testing.assert_array_equal(augmented(square(), digest, copy, NONE), square())


@given(DIGESTS, st.integers(1, 500))
@settings(max_examples=100, deadline=None)
def test_a_copy_stays_within_its_ranges(digest: bytes, copy: int) -> None:
    ranges = Augmentation(rotation=10, shift=0.05, scale=0.05, brightness=0.2, flip=False)
    made = augmented(square(), digest, copy, ranges)
    assert (made.dtype, made.shape) == (np.uint8, (40, 40, 3))
    x, y = spot_of(made) - 0.5
    reach = 0.2 * 1.05
    assert abs(x - 0.2) <= 0.05 + reach - 0.2 * 0.95 * np.cos(np.radians(10)) + 0.01
    assert abs(y) <= 0.05 + reach * np.sin(np.radians(10)) + 0.01
    assert 60 * 0.8 - 1 <= made.min() <= 60 * 1.2 + 1


@pytest.mark.parametrize(
    ("ranges", "moves"),
    [
        (Augmentation(0, 0.05, 0, 0, False), (0.05, 0.05)),
        (Augmentation(10, 0, 0, 0, False), (0.2 - 0.2 * np.cos(np.radians(10)), 0.2 * np.sin(np.radians(10)))),
        (Augmentation(0, 0, 0.05, 0, False), (0.01, 0)),
    ],
)
def test_each_range_is_used_up_and_evenly(ranges: Augmentation, moves: tuple[float, float]) -> None:
    face = square(80)
    spots = np.array([spot_of(augmented(face, bytes(32), copy, ranges)) for copy in range(1, 401)])
    away = spots - [0.7, 0.5]
    np.testing.assert_allclose(np.abs(away).max(axis=0), moves, atol=0.003)
    assert np.abs(away.mean(axis=0)).max() <= max(moves) * 0.5


def test_half_of_the_copies_are_mirrored_and_light_is_even() -> None:
    mirror = Augmentation(0, 0, 0, 0, True)
    left = [spot_of(augmented(square(), bytes(32), copy, mirror))[0] < 0.5 for copy in range(1, 401)]
    assert 160 <= sum(left) <= 240
    light = Augmentation(0, 0, 0, 0.2, False)
    darkest = np.array([augmented(square(), bytes(32), copy, light).min() for copy in range(1, 401)]) / 60
    assert 0.8 <= darkest.min() < 0.82
    assert 1.18 < darkest.max() <= 1.2
    assert abs(darkest.mean() - 1) < 0.02


def test_what_lies_beyond_the_border_is_the_face_mirrored() -> None:
    face = np.full((40, 40, 3), 200, np.uint8)
    assert all(augmented(face, bytes(32), copy, Augmentation(brightness=0)).min() == 200 for copy in range(1, 50))


def test_copies_are_the_same_everywhere() -> None:
    face = np.arange(32 * 32 * 3, dtype=np.uint32).reshape(32, 32, 3).astype(np.uint8)
    digest = hashlib.sha256(b"a picture").digest()
    first, again = augmented(face, digest, 1), augmented(face.copy(), digest, 1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, augmented(face, digest, 2))
    assert not np.array_equal(first, augmented(face, hashlib.sha256(b"another").digest(), 1))
