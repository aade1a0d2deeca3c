"""Laying faces on each other: what agrees, and what does not."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from facefeat.data.detectors import face_step
from facefeat.data.finder import FaceFinder
from facefeat.data.mtcnn import MTCNN
from facefeat.data.quality import SIDE, grey
from facefeat.data.registration import agreement
from facefeat.learn.copies import AGREEMENT
from tests.making import Pixels

SIZE = 80  # pixels, of the squares that are cut
PEOPLE, EACH = 40, 10

# Other photographs of one person that agree as copies do: their author seems to have taken them at once.
ALIKE = {("s24/09", "s24/10"), ("s28/01", "s28/06"), ("s31/01", "s31/08")}


@pytest.fixture(scope="module")
def squares(orl: Path, detector: MTCNN) -> list[Pixels]:
    """Give the faces of all ORL pictures as a network would see them, ten of each person."""
    finder = FaceFinder(face_step()[0], SIZE, detector)
    paths = sorted(orl.glob("*/*.pgm"))
    found: list[Pixels] = []
    for start in range(0, len(paths), 8):
        some = finder.faces([finder.open(path.read_bytes()) for path in paths[start : start + 8]])
        found += [face.pixels for face in some]  # type: ignore[union-attr]
    return found


@pytest.fixture(scope="module")
def orl_greys(squares: list[Pixels]) -> Pixels:
    return np.stack([grey(square) for square in squares])


def name_of(row: int) -> str:
    return f"s{row // EACH + 1:02}/{row % EACH + 1:02}"


def placed(square: Pixels, angle: float = 0, scale: float = 1, right: float = 0, down: float = 0) -> Pixels:
    """Turn (degrees), enlarge and shift a square about its middle."""
    middle, turn = (SIZE - 1) / 2 + 0.5, complex(math.cos(math.radians(angle)), math.sin(math.radians(angle))) / scale
    start = complex(middle, middle) - turn * complex(middle + right, middle + down)
    data = (turn.real, -turn.imag, start.real, turn.imag, turn.real, start.imag)
    moved = Image.fromarray(square).transform((SIZE, SIZE), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    return np.asarray(moved)


def gamma(square: Pixels, power: float) -> Pixels:
    return np.rint(255 * (square / 255) ** power).astype(np.uint8)


def jpeg(square: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(square).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "turned": lambda square: placed(square, angle=3),
    "turned back": lambda square: placed(square, angle=-3),
    "larger": lambda square: placed(square, scale=1.04),
    "smaller": lambda square: placed(square, scale=1 / 1.04),
    "to the right": lambda square: placed(square, right=2),
    "up": lambda square: placed(square, down=-2),
    "all at once": lambda square: placed(square, angle=2, scale=0.97, right=-1.5, down=1),
    "lighter": lambda square: gamma(square, 0.75),
    "darker": lambda square: gamma(square, 1.35),
    "less contrast": lambda square: (square * 0.6 + 40).astype(np.uint8),
    "compressed": lambda square: jpeg(square, 60),
    "turned and compressed": lambda square: jpeg(placed(square, angle=3, right=1), 75),
}


def test_a_face_agrees_with_itself(orl_greys: Pixels) -> None:
    np.testing.assert_allclose(agreement(orl_greys, orl_greys), 1.0, atol=1e-5)


@pytest.mark.parametrize("change", CHANGES)
def test_a_face_agrees_with_its_altered_self(squares: list[Pixels], orl_greys: Pixels, change: str) -> None:
    altered = np.stack([grey(CHANGES[change](square)) for square in squares[::EACH]])
    here, there = agreement(orl_greys[::EACH], altered), agreement(altered, orl_greys[::EACH])
    assert min(here.min(), there.min()) >= AGREEMENT


def test_other_photographs_of_a_person_do_not_agree(orl_greys: Pixels) -> None:
    i, j = np.triu_indices(EACH, 1)
    first, second = ((EACH * np.arange(PEOPLE)[:, None] + some).ravel() for some in (i, j))
    assert len(first) == 1800
    found = np.concatenate(
        [agreement(orl_greys[first[at : at + 64]], orl_greys[second[at : at + 64]]) for at in range(0, 1800, 64)]
    )
    alike = np.flatnonzero(found >= AGREEMENT)
    assert {(name_of(first[row]), name_of(second[row])) for row in alike} <= ALIKE
    assert np.median(found) < 0.9


def test_photographs_of_two_people_do_not_agree(orl_greys: Pixels) -> None:
    for shift in (1, 7, 19):
        first = orl_greys[::EACH]
        assert agreement(first, np.roll(first, shift, axis=0)).max() < 0.9


def test_a_mirrored_face_is_another(orl_greys: Pixels) -> None:
    some = orl_greys[::EACH]
    assert agreement(some, some[:, :, ::-1]).max() < AGREEMENT
    np.testing.assert_allclose(agreement(some[:, :, ::-1], some[:, :, ::-1]), 1.0, atol=1e-5)


def test_what_has_no_details_agrees_with_nothing(orl_greys: Pixels) -> None:
    flat = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, SIDE, SIDE))
    face = orl_greys[:1].repeat(256, axis=0)
    for first, second in ((flat, flat), (flat, face), (face, flat)):
        assert agreement(first, second).tolist() == [0.0] * 256


def test_the_pairs_beside_a_pair_do_not_matter(orl_greys: Pixels) -> None:
    first, second = orl_greys[:20], orl_greys[1:21]
    together = agreement(first, second)
    assert together.shape == (20,) and together.dtype == np.float32
    alone = [float(agreement(a[None], b[None])[0]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert agreement(first[:0], second[:0]).shape == (0,)


LEVEL = st.integers(0, 255)


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, (2, 3, SIDE, SIDE), elements=LEVEL, fill=LEVEL))
def test_of_any_pixels_it_is_a_correlation(pairs: Pixels) -> None:
    for first, second in (pairs, pairs[::-1], (pairs[0], pairs[0])):
        found = agreement(first, second)
        assert np.isfinite(found).all() and (np.abs(found) <= 1).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), level=LEVEL, share=st.sampled_from([0.0005, 0.01, 0.5, 1.0]))
def test_of_noise_and_dots_it_is_a_correlation(seed: int, level: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    pixels = np.full((8, SIDE, SIDE), level, np.uint8)
    dots = rng.random(pixels.shape) < share
    pixels[dots] = rng.integers(0, 256, dots.sum())
    for first, second in ((pixels[:4], pixels[4:]), (pixels, pixels), (pixels, pixels[:, ::-1, ::-1])):
        found = agreement(first, second)
        assert np.isfinite(found).all() and (np.abs(found) <= 1).all()
