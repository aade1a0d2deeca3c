"""A picture at falling scales, cut into tiles of one size for the network that slides a window over them.

One size makes one network of fixed shape, which takes all scales of several pictures in full batches. A tile's
last row and column of windows see less than the tile's neighbour would show them, so they count only where the
scaled picture ends there too: the network then treats its edge as it would that of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.boxes import Boxes, normalised

WINDOW = 12  # pixels
STRIDE = 2  # from one window to the next, pixels
SMALLEST_FACE = 20  # pixels; the pyramid starts where such a face fills the window
STEP = 0.709  # from one scale to the next

# Pixels; the least work in all for pictures of 640 x 427 and the like. Odd, so that a tile may end where a
# picture with a side of an odd length does, and windows still lie as they do in it.
TILE = 77
WINDOWS = (TILE - WINDOW) // STRIDE + 2  # in a row or column; the last has a pixel less than the others


def scales(height: int, width: int) -> NDArray[np.float64]:
    """List the scales of a picture, largest first.

    Parameters
    ----------
    height, width : int
        Of the picture, in pixels.

    Returns
    -------
    ndarray of shape (n_scales,), float64
    """
    levels = round(-(np.log(min(height, width) / WINDOW) / np.log(STEP) + 1))
    found = WINDOW / SMALLEST_FACE * STEP ** np.arange(max(levels, 0))
    return found[found * min(height, width) >= WINDOW]


@dataclass(frozen=True)
class Layout:
    """Where the tiles of one picture lie.

    Attributes
    ----------
    sizes : list of (int, int)
        Height and width of the scaled pictures.
    scales : ndarray of shape (n_scales,), float64
    level : ndarray of shape (n_tiles,), intp
        Which of them a tile is cut from.
    corner : ndarray of shape (n_tiles, 2), intp
        Top and left of the tile, in pixels of the scaled picture; negative where that is smaller than a tile.
    first, stop : ndarray of shape (n_tiles, 2), intp
        Rows and columns of its windows that count: each window of the picture counts in one tile.
    """

    sizes: list[tuple[int, int]]
    scales: NDArray[np.float64]
    level: NDArray[np.intp]
    corner: NDArray[np.intp]
    first: NDArray[np.intp]
    stop: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.level)


@lru_cache(maxsize=64)
def layout(height: int, width: int) -> Layout:
    """Lay out the tiles of a picture by nothing but its size."""
    found = scales(height, width)
    sizes = [(int(height * scale), int(width * scale)) for scale in found]
    grids = [_grid(*size) for size in sizes]
    level = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
    tiles = np.concatenate([*grids, np.empty((0, 2, 3), np.intp)])
    return Layout(sizes, found, level, *np.moveaxis(tiles, 2, 0))


def _grid(height: int, width: int) -> NDArray[np.intp]:
    """Return the (n, 2, 3) start, first and stop of the tiles of one scaled picture, along its two axes."""
    rows, columns = _row_of_tiles(height), _row_of_tiles(width)
    pairs = np.indices((len(rows), len(columns))).reshape(2, -1)
    return np.stack([rows[pairs[0]], columns[pairs[1]]], axis=1)


def _row_of_tiles(length: int) -> NDArray[np.intp]:
    """Return the (n, 3) start, first and stop of tiles along an axis: the last ends where the axis does."""
    last = length - TILE + (length - TILE) % STRIDE  # or a pixel after it
    start = np.append(np.arange(0, last, STRIDE * (WINDOWS - 1)), last)
    stop = np.where(start + TILE == length, WINDOWS, WINDOWS - 1)
    ends = start // STRIDE + stop
    return np.stack([start, np.append(0, ends[:-1]) - start // STRIDE, stop], axis=1)


def cut_tiles(pixels: NDArray[np.uint8], tiles: Layout, out: NDArray[np.float32]) -> None:
    """Scale a picture and cut it into tiles.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
    tiles : Layout
        Of its size.
    out : ndarray of shape (n_tiles, TILE, TILE, 3), float32
        All zeros; takes the tiles, from -1 to 1.
    """
    columns = normalised(pixels.transpose(1, 2, 0).astype(np.float32, order="C"))
    for level, size in enumerate(tiles.sizes):
        small = shrink(columns, *size)
        for i in np.flatnonzero(tiles.level == level):
            top, left = tiles.corner[i]
            piece = small[max(top, 0) : top + TILE, max(left, 0) : left + TILE]
            y, x = max(-top, 0), max(-left, 0)
            out[i, y : y + piece.shape[0], x : x + piece.shape[1]] = piece


def shrink(columns: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize by exact area averaging, as two products with sparse matrices.

    Parameters
    ----------
    columns : ndarray of shape (w, channels, h), float32
        A picture column by column, so that the first product, the larger one, runs over contiguous rows.
    height, width : int
        Not larger than h and w.

    Returns
    -------
    ndarray of shape (height, width, channels), float32
    """
    w, channels, h = columns.shape
    narrow = _area_weights(w, width) @ columns.reshape(w, channels * h)
    rows = np.empty((h, width * channels), np.float32)
    for some in range(0, width * channels, 64):  # turned in strips, which stay in the cache
        rows[:, some : some + 64] = narrow.reshape(-1, h)[some : some + 64].T
    small: NDArray[np.float32] = _area_weights(h, height) @ rows
    return small.reshape(height, width, channels)


@lru_cache(maxsize=256)
def _area_weights(n_in: int, n_out: int) -> Any:
    """Build the sparse (n_out, n_in) matrix whose row i averages the inputs that output i covers."""
    from scipy.sparse import csr_array

    edges = np.arange(n_out + 1) * (n_in / n_out)
    first = np.floor(edges[:-1]).astype(np.int32)
    counts = np.minimum(np.ceil(edges[1:]).astype(np.int32), n_in) - first
    ends = np.cumsum(counts)
    cells = np.arange(ends[-1]) - np.repeat(ends - counts - first, counts)
    overlap = np.minimum(np.repeat(edges[1:], counts), cells + 1) - np.maximum(np.repeat(edges[:-1], counts), cells)
    weights = (overlap * (n_out / n_in)).astype(np.float32)
    return csr_array((weights, cells.astype(np.int32), np.append(0, ends).astype(np.int32)), (n_out, n_in))


def windows(tiles: Layout, found: NDArray[np.float32], enough: float) -> list[tuple[Boxes, NDArray[np.float32]]]:
    """Collect what the network found in the tiles of a picture.

    Parameters
    ----------
    tiles : Layout
    found : ndarray of shape (n_tiles, WINDOWS, WINDOWS, 6), float32
        By how much the sides of the box differ from the window's, as shares of its side; the two logits of the
        classes "no face" and "face".
    enough : float
        Windows that are a face with a higher probability are taken.

    Returns
    -------
    list of (ndarray of shape (n, 4), ndarray of shape (n,))
        Boxes in the scaled picture and their probabilities, a pair for each scale; row by row.
    """
    margins = found[..., 5] - found[..., 4]
    tile, *at = np.nonzero(margins > np.log(enough / (1 - enough)))
    place = np.stack(at, axis=1)
    counts = np.flatnonzero(((place >= tiles.first[tile]) & (place < tiles.stop[tile])).all(axis=1))
    row, column = (tiles.corner[tile[counts]] + place[counts] * STRIDE).T
    level = tiles.level[tile[counts]]
    order = np.lexsort((column, row, level))
    picked = tile[counts[order]], *place[counts[order]].T
    window = np.stack([column, row, column, row], axis=1)[order] + np.array([1, 1, WINDOW, WINDOW])
    boxes = (window + found[picked][:, :4] * (WINDOW - 1)).astype(np.float32)
    ends = np.cumsum(np.bincount(level, minlength=len(tiles.sizes)))[:-1]
    scores = 1 / (1 + np.exp(-margins[picked]))
    return list(zip(np.split(boxes, ends), np.split(scores, ends), strict=True))
