"""Lay one face on another and tell how far their details agree: near copies of a photograph do, other photographs do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MARGIN = 0.12  # of a side, at each border, that does not count: what lies there depends on how a face was cut
COARSE_STEPS, FINE_STEPS = 8, 6  # how often the transform is improved at half the size, and then in full
LEAST = 0.95  # agreement at half the size from which on pairs are looked at in full; copies have .966 there
NARROW, WIDE = 0.7, 3.0  # standard deviations between whose Gaussians the details lie, pixels

Images = NDArray[np.float32]


def agreement(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Correlate the details of pairs of faces, once each second is laid on its first.

    Two cuts of one photograph differ by a small turn, scale and shift, by light and by compression. The transform is
    found by least squares (the inverse compositional algorithm of S. Baker and I. Matthews, "Lucas-Kanade 20 Years On",
    IJCV 56(3), 2004) on band-passed images, whose correlation is then taken at full size.

    Parameters
    ----------
    first, second : ndarray of shape (n_pairs, SIDE, SIDE), uint8
        In grey.

    Returns
    -------
    ndarray of shape (n_pairs,), float32
        Pearson's correlation, -1 to 1; 0 where a face has no details. Pairs that are far from agreeing keep that at
        half the size.
    """
    if not len(first):
        return np.empty(0, np.float32)
    a, b = _details(first, 2), _details(second, 2)
    turn, shift = np.ones(len(a), np.complex64), np.zeros(len(a), np.complex64)
    turn, shift = _registered(a, b, turn, shift, COARSE_STEPS)
    found = _correlation(a, _moved(b, turn, shift))
    close = np.flatnonzero(found >= LEAST)
    if len(close):
        a, b = _details(first[close], 1), _details(second[close], 1)
        turn, shift = _registered(a, b, turn[close], 2 * shift[close], FINE_STEPS)
        found[close] = _correlation(a, _moved(b, turn, shift))
    return found


def _details(faces: NDArray[np.uint8], shrunk: int) -> Images:
    """Return what lies between two blurs of each face, of mean 0 and length 1 within the margin."""
    from scipy.ndimage import gaussian_filter

    side = faces.shape[1] // shrunk
    small = faces.reshape(-1, side, shrunk, side, shrunk).mean(axis=(2, 4), dtype=np.float32)
    found: Images = gaussian_filter(small, (0, NARROW, NARROW)) - gaussian_filter(small, (0, WIDE, WIDE))
    return found


def _inside(side: int) -> slice:
    border = round(MARGIN * side)
    return slice(border, side - border)


def _registered(
    a: Images, b: Images, turn: NDArray[np.complex64], shift: NDArray[np.complex64], steps: int
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Improve the similarity transforms that lay each b on its a."""
    inside = _inside(a.shape[1])
    template = _normalised(a[:, inside, inside].reshape(len(a), -1))
    slopes = _slopes(a)
    inverse = np.linalg.pinv(slopes.transpose(0, 2, 1) @ slopes)
    for _ in range(steps):
        there = _normalised(_moved(b, turn, shift)[:, inside, inside].reshape(len(b), -1))
        step = np.einsum("nij,nj->ni", inverse, np.einsum("nkj,nk->nj", slopes, there - template))
        undo = 1 / (1 + step[:, 0] + 1j * step[:, 1])
        shift = (shift - turn * undo * (step[:, 2] + 1j * step[:, 3])).astype(np.complex64)
        turn = (turn * undo).astype(np.complex64)
    return turn, shift


def _slopes(a: Images) -> Images:
    """Return how each pixel of a normalised face changes with a turn, a scale and the shifts; (n, n_pixels, 4)."""
    side = a.shape[1]
    inside = _inside(side)
    down, right = (np.gradient(a, axis=axis)[:, inside, inside].reshape(len(a), -1) for axis in (1, 2))
    length: Images = np.linalg.norm(a[:, inside, inside], axis=(1, 2), keepdims=True)
    place = _places(side)[inside, inside].reshape(1, -1)
    scale, spin = right * place.real + down * place.imag, down * place.real - right * place.imag
    slopes: Images = (np.stack([scale, spin, right, down], axis=2) / np.maximum(length, 1e-6)).astype(np.float32)
    return slopes


def _places(side: int) -> NDArray[np.complex64]:
    """Return where each pixel lies from the middle, x + iy."""
    line = np.arange(side, dtype=np.float32) - (side - 1) / 2
    return (line[None, :] + 1j * line[:, None]).astype(np.complex64)


def _moved(b: Images, turn: NDArray[np.complex64], shift: NDArray[np.complex64]) -> Images:
    """Take each face's pixels from where its transform says, between pixels and at the border linearly."""
    n, side = b.shape[:2]
    place = turn[:, None, None] * _places(side) + shift[:, None, None]
    x, y = (np.clip(part + (side - 1) / 2, 0, side - 1.001) for part in (place.real, place.imag))
    left, top = x.astype(np.intp), y.astype(np.intp)
    x, y = x - left, y - top
    flat, corner = b.reshape(-1), top * side + left + (np.arange(n) * side * side)[:, None, None]
    upper = flat[corner] * (1 - x) + flat[corner + 1] * x
    lower = flat[corner + side] * (1 - x) + flat[corner + side + 1] * x
    moved: Images = (upper * (1 - y) + lower * y).astype(np.float32)
    return moved


def _normalised(rows: Images) -> Images:
    rows = rows - rows.mean(axis=1, keepdims=True)
    normalised: Images = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return normalised


def _correlation(a: Images, b: Images) -> NDArray[np.float32]:
    inside = _inside(a.shape[1])
    one, other = (_normalised(part[:, inside, inside].reshape(len(part), -1)) for part in (a, b))
    correlation: NDArray[np.float32] = np.clip(np.einsum("nk,nk->n", one, other), -1, 1)  # rounding goes beyond 1
    return correlation
