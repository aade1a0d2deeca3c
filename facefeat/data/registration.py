"""Lay one face on another and tell how far their details agree: near copies of a photograph do, other photographs do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MARGIN = 0.12  # of a side, at each border, that does not count: what lies there depends on how a face was cut
# By how much faces are shrunk, how often the transform is improved then, and the agreement from which on pairs are looked at
# further. Copies have .966 and more at half the size; docs/benchmarks.md has of how many.
STAGES = ((2, 4, 0.95), (1, 4, 1.1))
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
        Pearson's correlation, -1 to 1; 0 where a face has no details. Pairs that are far from agreeing keep that of
        a stage before the last.
    """
    n = np.arange(len(first))
    return agreement_among(np.concatenate([first, second]), n, n + len(first), np.zeros(len(first), bool))


def agreement_among(
    faces: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64], mirrored: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Do what ``agreement`` does with pairs of some faces, of each of which details are found once.

    Parameters
    ----------
    faces : ndarray of shape (n_faces, SIDE, SIDE), uint8
    first, second : ndarray of shape (n_pairs,), int64
        Indices into ``faces``.
    mirrored : ndarray of shape (n_pairs,), bool
        Whether the second is turned left to right before.

    Returns
    -------
    ndarray of shape (n_pairs,), float32
    """
    found, left = np.zeros(len(first), np.float32), np.arange(len(first))
    turn, shift = np.ones(len(first), np.complex64), np.zeros(len(first), np.complex64)
    for shrunk, steps, least in STAGES:
        if not len(left):
            break
        some, places = np.unique(np.concatenate([first[left], second[left]]), return_inverse=True)
        details, (i, j) = _details(faces[some], shrunk), places.reshape(2, -1)
        a, b = details[i], np.where(mirrored[left, None, None], details[j, :, ::-1], details[j])
        turn, shift = _registered(a, b, turn, shift / np.float32(shrunk), steps)
        found[left] = _correlation(a, _moved(b, turn, shift))
        close = found[left] >= least
        left, turn, shift = left[close], turn[close], shift[close] * np.float32(shrunk)
    return found


def _details(faces: NDArray[np.uint8], shrunk: int) -> Images:
    """Return what lies between two blurs of each face."""
    from scipy.ndimage import gaussian_filter

    small: Images = faces.astype(np.float32)
    if shrunk == 2:
        rows: Images = small[:, ::2] + small[:, 1::2]
        small = (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(0.25)
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
    template = _normalised(a[:, inside, inside])
    slopes = _slopes(a)
    inverse = np.linalg.pinv(slopes.transpose(0, 2, 1) @ slopes)
    for _ in range(steps):
        there = _normalised(_moved(b, turn, shift))
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
    """Take the pixels of each face within the margin from where its transform says, between pixels linearly."""
    n, side = b.shape[:2]
    inside = _inside(side)
    place = turn[:, None, None] * _places(side)[inside, inside] + shift[:, None, None]
    x, y = (
        np.clip(part + np.float32((side - 1) / 2), 0, np.float32(side - 1.001)) for part in (place.real, place.imag)
    )
    left, top = np.floor(x), np.floor(y)
    corner = (top * side + left).astype(np.int32) + (np.arange(n, dtype=np.int32) * side * side)[:, None, None]
    x, y, flat = x - left, y - top, b.reshape(-1)
    upper = _between(flat.take(corner), flat.take(corner + 1), x)
    lower = _between(flat.take(corner + side), flat.take(corner + side + 1), x)
    return _between(upper, lower, y)


def _between(one: Images, other: Images, share: Images) -> Images:
    other -= one
    other *= share
    other += one
    return other


def _normalised(images: Images) -> Images:
    """Return images as rows of mean 0 and length 1."""
    rows = images.reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    normalised: Images = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return normalised


def _correlation(a: Images, moved: Images) -> NDArray[np.float32]:
    inside = _inside(a.shape[1])
    one, other = _normalised(a[:, inside, inside]), _normalised(moved)
    correlation: NDArray[np.float32] = np.clip(np.einsum("nk,nk->n", one, other), -1, 1)  # rounding goes beyond 1
    return correlation
