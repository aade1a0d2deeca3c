from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from facefeat.data import faces
from facefeat.data.detections import Detections
from facefeat.data.faces import ARCFACE, FaceStep
from facefeat.errors import UsageError
from tests.making import halves, random_pixels

STEP = FaceStep(detector="fake", version="1", weights_sha256="0" * 64)
REAL = st.floats(-500, 500, allow_nan=False)


class FakeDetector:
    """Find what it was told to, and remember which sizes it was shown."""

    name, version, weights_sha256 = "fake", "1", "0" * 64

    def __init__(self, boxes: list[list[float]], scores: list[float] | None = None) -> None:
        n = len(boxes)
        given = np.array(boxes, np.float32).reshape(n, 4)
        self.found = Detections(given, _points_of(given), np.array(scores or [1] * n, np.float32))
        self.seen: list[tuple[int, ...]] = []

    def detect_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        self.seen += [pixels.shape for pixels in pictures]
        return [self.found for _ in pictures]


def _points_of(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = (boxes[:, 2:] - boxes[:, :2])[:, None]
    return (boxes[:, None, :2] + ARCFACE * sides).astype(np.float32)


def complexes(points: NDArray[np.floating]) -> NDArray[np.complexfloating]:
    """Write points as complex numbers."""
    return points @ np.array([1, 1j])


@settings(deadline=None, max_examples=100)
@given(scale=st.floats(0.01, 100), angle=st.floats(-math.pi, math.pi), x=REAL, y=REAL, seed=st.integers(0, 99))
def test_similarity_recovers_any_turn_scale_and_shift(
    scale: float, angle: float, x: float, y: float, seed: int
) -> None:
    source = np.random.default_rng(seed).normal(size=(5, 2))
    turn, shift = cmath.rect(scale, angle), complex(x, y)
    moved = turn * complexes(source) + shift
    found = faces.similarity(source, np.stack([moved.real, moved.imag], axis=1))
    assert found == pytest.approx((turn, shift), rel=1e-6, abs=1e-6 * max(1, abs(shift)))


def test_similarity_is_the_best_compromise() -> None:
    source, rng = ARCFACE, np.random.default_rng(0)
    target = source * 50 + rng.normal(0, 2, source.shape)
    turn, shift = faces.similarity(source, target)

    def error(turn: complex, shift: complex) -> float:
        return float((abs(turn * complexes(source) + shift - complexes(target)) ** 2).sum())

    best = error(turn, shift)
    assert all(error(turn + dt, shift + ds) > best for dt in (0.1, -0.1, 0.1j) for ds in (0, 0.1, -0.1j))


def test_similarity_does_not_mirror() -> None:
    mirrored = ARCFACE * [-1, 1]
    turn, shift = faces.similarity(ARCFACE, mirrored)
    assert not np.allclose(turn * complexes(ARCFACE) + shift, complexes(mirrored), atol=0.05)


@pytest.mark.parametrize("angle", [0.0, 0.3, -1.0, math.pi])
@pytest.mark.parametrize("margin", [0.0, 0.25, -0.1])
def test_the_arcface_template_puts_the_landmarks_where_it_says(angle: float, margin: float) -> None:
    step = FaceStep(detector="fake", template="arcface", margin=margin)
    points = cmath.rect(80, angle) * complexes(ARCFACE) + complex(120, 70)
    landmarks = np.stack([points.real, points.imag], axis=1).astype(np.float32)
    turn, shift = faces.placement(np.zeros(4, np.float32), landmarks, step)
    in_square = (complexes(landmarks) - shift) / turn
    wanted = (complexes(ARCFACE) + margin * (1 + 1j)) / (1 + 2 * margin)
    np.testing.assert_allclose(in_square, wanted, atol=1e-5)


@pytest.mark.parametrize("angle", [0.0, 0.5, -2.0])
def test_the_box_template_is_centred_on_the_box_as_wide_as_its_longer_side_and_upright(angle: float) -> None:
    step = FaceStep(detector="fake", template="box", margin=0.1)
    points = cmath.rect(40, angle) * complexes(ARCFACE) + complex(90, 60)
    landmarks = np.stack([points.real, points.imag], axis=1).astype(np.float32)
    turn, shift = faces.placement(np.array([80, 50, 120, 110], np.float32), landmarks, step)
    assert turn * complex(0.5, 0.5) + shift == pytest.approx(complex(100, 80), abs=1e-4)
    assert abs(turn) == pytest.approx(60 * 1.2)
    assert cmath.phase(turn) == pytest.approx(angle, abs=1e-5)


def test_an_unknown_template_or_policy_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        faces.placement(np.zeros(4, np.float32), ARCFACE.astype(np.float32), FaceStep(template="boxes"))
    assert str(caught.value) == "There is no template 'boxes'; did you mean 'box'? There are: arcface, box, dlib."
    with pytest.raises(UsageError) as caught:
        faces.choose(Detections.none(), "biggest", 100, 100)
    assert str(caught.value).startswith("There is no policy 'biggest'")


def test_a_square_cut_straight_is_the_pixels_themselves() -> None:
    pixels = random_pixels(60, 80)
    np.testing.assert_array_equal(faces.resample(pixels, 24, complex(30, 10), 24), pixels[10:34, 30:54])


def test_a_square_cut_at_a_right_angle_is_the_pixels_turned() -> None:
    pixels = random_pixels(60, 80)
    cut = faces.resample(pixels, 24j, complex(54, 10), 24)  # x of the square runs down the picture
    np.testing.assert_array_equal(cut, pixels[10:34, 30:54].transpose(1, 0, 2)[::-1])


def test_a_large_face_is_averaged_over_all_its_pixels() -> None:
    pixels = random_pixels(96, 96)
    blocks = pixels.reshape(24, 4, 24, 4, 3).mean(axis=(1, 3))
    cut = faces.resample(pixels, 96, 0, 24)
    assert np.abs(cut - blocks).max() <= 1


def test_beyond_the_picture_it_is_black() -> None:
    cut = faces.resample(np.full((20, 20, 3), 255, np.uint8), 40, complex(-20, 0), 40)
    assert cut[:19, :19].max() == 0
    assert cut[:19, 21:39].min() == 255


def test_the_whole_picture_is_squeezed() -> None:
    face = faces.whole(halves(width=60, height=20), 32)
    assert face.pixels.shape == (32, 32, 3)
    np.testing.assert_array_equal(face.pixels[16, [4, 28]], halves()[5, [4, 28]])
    np.testing.assert_array_equal(face.box, [0, 0, 60, 20])
    assert not face.found
    assert math.isnan(face.score)
    assert np.isnan(face.landmarks).all()


def test_the_largest_face_is_taken_whatever_its_score() -> None:
    detector = FakeDetector([[10, 10, 40, 40], [50, 50, 150, 150]], [0.99, 0.91])
    found = faces.detect(random_pixels(200, 200), detector, STEP)
    assert faces.choose(found, "largest", 100, 100) == 1
    assert faces.choose(Detections.none(), "largest", 100, 100) is None


def test_a_cut_face_keeps_where_it_came_from() -> None:
    detector = FakeDetector([[50, 50, 150, 150]], [0.91])
    face = faces.cut(random_pixels(200, 200), detector.found, 0, STEP, 32)
    assert (face.pixels.shape, face.found, face.score) == ((32, 32, 3), True, pytest.approx(0.91))
    np.testing.assert_array_equal(face.box, [50, 50, 150, 150])
    np.testing.assert_array_equal(face.landmarks, detector.found.landmarks[0])


@pytest.mark.parametrize(
    ("shape", "seen"), [((100, 200), (100, 200, 3)), ((320, 1280), (160, 640, 3)), ((40, 80), (80, 160, 3))]
)
def test_pictures_are_searched_at_a_middling_size(shape: tuple[int, int], seen: tuple[int, int, int]) -> None:
    detector = FakeDetector([[20, 10, 60, 50]])
    found = faces.detect(random_pixels(*shape), detector, STEP)
    assert detector.seen == [seen]
    scale = seen[0] / shape[0]
    np.testing.assert_allclose(found.boxes, np.array([[20, 10, 60, 50]]) / scale)
    np.testing.assert_allclose(found.landmarks, detector.found.landmarks / scale, rtol=1e-6)


def test_several_pictures_are_searched_together_and_each_at_its_own_size() -> None:
    detector = FakeDetector([[20, 10, 60, 50]])
    pictures = [random_pixels(*shape) for shape in ((100, 200), (320, 1280), (40, 80), (640, 640))]
    found = faces.detect_all(pictures, detector, STEP)
    assert detector.seen == [(100, 200, 3), (160, 640, 3), (80, 160, 3), (640, 640, 3)]
    for one, scale in zip(found, (1, 0.5, 2, 1), strict=True):
        np.testing.assert_allclose(one.boxes, np.array([[20, 10, 60, 50]]) / scale)
    assert faces.detect_all([], detector, STEP) == []


def test_faint_and_small_faces_do_not_count() -> None:
    boxes = [[0.0, 0, 100, 100], [0, 0, 100, 20], [0, 0, 100, 100]]
    found = faces.detect(random_pixels(600, 600), FakeDetector(boxes, [0.95, 0.99, 0.89]), STEP)
    np.testing.assert_array_equal(found.boxes, boxes[:1])


def test_a_face_step_without_a_detector_has_no_other_fields() -> None:
    assert FaceStep(margin=0.5).as_dict() == {"detector": "none"}
    assert FaceStep(detector="mtcnn", margin=0.5).as_dict()["margin"] == 0.5


def test_a_turned_photograph_gives_the_same_square() -> None:
    upright = np.asarray(Image.fromarray(random_pixels(20, 20)).resize((200, 200)))
    straight = FakeDetector([[60, 50, 120, 110]])
    face = faces.cut(upright, straight.found, 0, STEP, 30)
    quarter = np.ascontiguousarray(np.rot90(upright))  # (x, y) goes to (y, 200 - x)
    turned = FakeDetector([[50, 80, 110, 140]])
    x, y = np.moveaxis(straight.found.landmarks, -1, 0)
    turned.found = Detections(turned.found.boxes, np.stack([y, 200 - x], axis=-1), turned.found.scores)
    again = faces.cut(quarter, turned.found, 0, STEP, 30)
    assert np.abs(face.pixels.astype(int) - again.pixels).max() <= 2
