"""What is done with boxes: (n, 4) arrays of left, top, right and bottom, in pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]

NO_BOXES: Boxes = np.empty((0, 4), np.float32)
_BLOCK = 512  # boxes compared with all others at once: a full matrix of thousands of boxes is large


def suppress(
    boxes: Boxes, scores: NDArray[np.float32], overlap: float, *, by_smaller: bool = False
) -> NDArray[np.intp]:
    """Choose the boxes that no better box overlaps, best first.

    As in the reference (the package ``mtcnn`` 1.0.0), a box is dropped by any better box, also one that is dropped
    itself, and numpy's default sort of doubles decides which of equally good boxes counts as the better: large
    faces have many whose score is 1. It need not be the same on processors without the same vector instructions.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4), float32
    scores : ndarray of shape (n,), float32
    overlap : float
        Intersection over union above which the worse box goes.
    by_smaller : bool, default=False
        Divide by the smaller box's area instead of the union.

    Returns
    -------
    ndarray of shape (n_kept,)
        Indices into ``boxes``.
    """
    order = np.argsort(scores.astype(np.float64))[::-1]
    left, top, right, bottom = np.ascontiguousarray(boxes[order].T)
    areas = (right - left) * (bottom - top)
    keep = np.ones(len(order), bool)
    for start in range(0, len(order), _BLOCK):
        some, rest = np.s_[start : start + _BLOCK, None], np.s_[start:]
        width = np.minimum(right[some], right[rest]) - np.maximum(left[some], left[rest])
        height = np.minimum(bottom[some], bottom[rest]) - np.maximum(top[some], top[rest])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        mine, theirs = areas[some], areas[rest]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = shared / (np.minimum(mine, theirs) if by_smaller else mine + theirs - shared)
        keep[rest] &= ~np.triu(ratio > overlap, 1).any(axis=0)
    return order[keep]


def squared(boxes: Boxes) -> Boxes:
    """Grow boxes to squares about their middle."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True, initial=0)
    corner = boxes[:, :2] + sides * 0.5 - side * 0.5
    return np.concatenate([corner, corner + side], axis=1)


def moved(boxes: Boxes, offsets: NDArray[np.float32]) -> Boxes:
    """Move the sides of boxes by shares of their width and height."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)
    return boxes + offsets * sides


def crops(pixels: NDArray[np.uint8], boxes: Boxes, size: int) -> NDArray[np.float32]:
    """Cut boxes out of a picture, each resampled bilinearly to a square.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
    boxes : ndarray of shape (n, 4), float32
    size : int
        Side of the square, pixels.

    Returns
    -------
    ndarray of shape (n, size, size, 3), float32
        From -1 to 1 (see ``normalised``); 0 outside the picture.
    """
    height, width = pixels.shape[:2]
    y, x = _samples(boxes[:, [1, 3]], height, size), _samples(boxes[:, [0, 2]], width, size)
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    flat = pixels.reshape(-1, 3)
    down, across = (y - top)[:, :, None], _three_times(x - left)
    inside_y, inside_x = ((y >= 0) & (y <= height - 1))[:, :, None], _three_times((x >= 0) & (x <= width - 1))
    columns = [np.clip(left + step, 0, width - 1)[:, None, :] for step in (0, 1)]

    def row(step: int) -> NDArray[np.float32]:
        rows = np.clip(top + step, 0, height - 1)[:, :, None] * width
        here, there = (flat.take(rows + column, axis=0).reshape(-1, size, 3 * size) for column in columns)
        return _between(here.astype(np.float32), there.astype(np.float32), across)

    squares = normalised(_between(row(0), row(1), down))
    squares *= inside_y
    squares *= inside_x
    return squares.reshape(-1, size, size, 3)


def _three_times(values: NDArray[Any]) -> NDArray[Any]:
    """Repeat what holds for a column of pixels for its colours, so that numpy runs over whole rows."""
    return np.repeat(values, 3, axis=1)[:, None, :]


def _between(here: NDArray[np.float32], there: NDArray[np.float32], share: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate; in place."""
    there -= here
    there *= share.astype(np.float32)
    there += here
    return there


def normalised(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring colours from 0 to 255 to the range from -1 to 1, as the networks were trained; in place."""
    colours -= np.float32(127.5)
    colours /= np.float32(128)
    return colours


def _samples(ends: Boxes, length: int, size: int) -> NDArray[np.float64]:
    """Spread ``size`` samples over each interval, first and last on its ends scaled to pixel centres."""
    start, stop = (ends.astype(np.float64) / length * (length - 1)).T
    positions: NDArray[np.float64] = start[:, None] + np.arange(size) * ((stop - start) / (size - 1))[:, None]
    return positions
