from __future__ import annotations

import numpy as np

from facefeat.data.detections import Detections

TWO = Detections(
    np.array([[0, 0, 10, 10], [5, 5, 25, 35]], np.float32),
    np.arange(20, dtype=np.float32).reshape(2, 5, 2),
    np.array([0.9, 0.8], np.float32),
)


def test_none_is_empty_and_well_shaped() -> None:
    none = Detections.none()
    assert len(none) == 0
    assert (none.boxes.shape, none.landmarks.shape, none.scores.shape) == ((0, 4), (0, 5, 2), (0,))


def test_take_keeps_the_order_given() -> None:
    turned = TWO.take(np.array([1, 0]))
    np.testing.assert_array_equal(turned.boxes, TWO.boxes[::-1])
    np.testing.assert_array_equal(turned.landmarks, TWO.landmarks[::-1])
    np.testing.assert_array_equal(turned.scores, TWO.scores[::-1])


def test_scaled_moves_points_and_leaves_scores() -> None:
    half = TWO.scaled(0.5)
    np.testing.assert_array_equal(half.boxes, TWO.boxes / 2)
    np.testing.assert_array_equal(half.landmarks, TWO.landmarks / 2)
    np.testing.assert_array_equal(half.scores, TWO.scores)
    assert half.boxes.dtype == np.float32
