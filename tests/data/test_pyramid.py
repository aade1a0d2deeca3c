from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facefeat.data import mtcnn_networks, pyramid
from facefeat.data.boxes import normalised
from facefeat.data.pyramid import STRIDE, TILE, WINDOW, WINDOWS
from facefeat.engines.network import Engine
from tests.making import random_pixels


def columns_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Write a picture column by column, as ``shrink`` takes it."""
    return np.ascontiguousarray(pixels.transpose(1, 2, 0).astype(np.float32))


def test_the_pyramid_runs_from_the_smallest_face_to_the_whole_picture() -> None:
    found = pyramid.scales(480, 640)
    assert found[0] == 12 / 20
    np.testing.assert_allclose(found[1:] / found[:-1], 0.709)
    assert 12 <= found[-1] * 480 < 12 / 0.709
    assert len(pyramid.scales(19, 640)) == 0


def test_shrinking_averages_areas() -> None:
    pixels = random_pixels(12, 18)
    blocks = pixels.reshape(4, 3, 6, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(pyramid.shrink(columns_of(pixels), 4, 6), blocks, rtol=1e-5)
    assert pyramid.shrink(columns_of(pixels), 5, 7).mean() == pytest.approx(pixels.mean(), rel=1e-5)


@settings(deadline=None, max_examples=50)
@given(n_in=st.integers(12, 700), share=st.floats(0.03, 1))
def test_every_output_averages_what_it_covers(n_in: int, share: float) -> None:
    n_out = max(1, int(n_in * share))
    weights = pyramid._area_weights(n_in, n_out).toarray()
    edges = np.linspace(0, n_in, n_out + 1)
    cells = np.arange(n_in)
    covered = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    np.testing.assert_allclose(weights, np.clip(covered, 0, None) * n_out / n_in, atol=1e-6)


@settings(deadline=None, max_examples=100)
@given(height=st.integers(1, 700), width=st.integers(1, 700))
def test_every_window_of_every_scale_counts_in_one_tile(height: int, width: int) -> None:
    tiles = pyramid.layout(height, width)
    counted: Counter[tuple[int, int, int]] = Counter()
    for level, corner, first, stop in zip(tiles.level, tiles.corner, tiles.first, tiles.stop, strict=True):
        assert (first >= 0).all() and (stop <= WINDOWS).all() and (corner % STRIDE == 0).all()
        rows, columns = (corner[axis] + STRIDE * np.arange(first[axis], stop[axis]) for axis in (0, 1))
        counted.update((int(level), int(row), int(column)) for row in rows for column in columns)
    wanted = {
        (level, row, column)
        for level, size in enumerate(tiles.sizes)
        for row in range(0, size[0] - WINDOW + 2, STRIDE)  # the last window of an odd side has a pixel less
        for column in range(0, size[1] - WINDOW + 2, STRIDE)
    }
    assert counted == Counter(wanted)


def test_tiles_are_cut_from_the_scaled_pictures() -> None:
    pixels = random_pixels(210, 333)
    tiles = pyramid.layout(210, 333)
    out = np.zeros((len(tiles), TILE, TILE, 3), np.float32)
    pyramid.cut_tiles(pixels, tiles, out)
    assert {(210, 333), (126, 199)} & set(tiles.sizes) == {(126, 199)}
    for level, corner, tile in zip(tiles.level, tiles.corner, out, strict=True):
        small = pyramid.shrink(normalised(columns_of(pixels)), *tiles.sizes[level])
        padded = np.pad(small, ((TILE, TILE), (TILE, TILE), (0, 0)))
        top, left = corner + TILE
        np.testing.assert_array_equal(tile, padded[top : top + TILE, left : left + TILE])


@pytest.mark.parametrize("size", [(220, 301), (221, 300), (260, 402), (333, 215), (128, 129), (40, 200)])
def test_a_network_finds_in_tiles_what_it_finds_in_the_whole(engine: Engine, size: tuple[int, int]) -> None:
    pixels = random_pixels(*size)
    described = mtcnn_networks.network("pnet", TILE, 8)
    in_tiles, in_whole = (
        engine.load(one) for one in (described, replace(described, input_shape=(None, None, 3), batch_size=None))
    )
    tiles = pyramid.layout(*size)
    out = np.zeros((len(tiles), TILE, TILE, 3), np.float32)
    pyramid.cut_tiles(pixels, tiles, out)
    (found,) = in_tiles(out)
    for level, shape in enumerate(tiles.sizes):
        (whole,) = in_whole(pyramid.shrink(normalised(columns_of(pixels)), *shape)[None])
        again = np.full_like(whole[0], np.nan)
        for i in np.flatnonzero(tiles.level == level):
            (top, left), (bottom, right) = tiles.first[i], tiles.stop[i]
            row, column = tiles.corner[i] // STRIDE
            again[row + top : row + bottom, column + left : column + right] = found[i, top:bottom, left:right]
        np.testing.assert_allclose(again, whole[0], atol=1e-4)


def test_windows_become_boxes_by_scale_row_and_column() -> None:
    tiles = pyramid.layout(150, 200)
    found = np.zeros((len(tiles), WINDOWS, WINDOWS, 6), np.float32)
    found[..., 4] = 9  # no face
    level = np.flatnonzero(tiles.level == 0)
    first, last = level[0], level[-1]
    found[last, -2, -2] = [0, 0, 0, 0, 0, 1]
    found[first, 3, 5] = [0.1, -0.1, 0.2, 0, 1, 3]
    found[first, 3, 2] = [0, 0, 0, 0, 0, 0.3]  # not likely enough
    found[first, -1, 0] = [0, 0, 0, 0, 0, 9]  # does not count in this tile
    (boxes, scores), *others = pyramid.windows(tiles, found, 0.6)
    y, x = tiles.corner[last] + STRIDE * (WINDOWS - 2)
    np.testing.assert_allclose(boxes, [[11 + 1.1, 7 - 1.1, 22 + 2.2, 18], [x + 1, y + 1, x + 12, y + 12]], rtol=1e-6)
    np.testing.assert_allclose(scores, [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-1))], rtol=1e-6)
    assert len(others) == len(tiles.sizes) - 1
    assert all(len(boxes) == len(scores) == 0 for boxes, scores in others)
