"""Pictures that are the same, byte for byte or nearly: a photograph in another size, cut, compressed or lit otherwise.

Near copies are found by what a feature file holds. Those whose vectors are alike are compared by their grey faces, of
which one is laid on the other; see ``facefeat.data.registration``. docs/benchmarks.md has how well that tells copies
from other photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.data.quality import SIDE
from facefeat.data.registration import agreement_among
from facefeat.features import backbone as backbones
from facefeat.features.layers import parts
from facefeat.features.store import sealed
from facefeat.features.store.file import FeatureFile
from facefeat.learn.threads import side_by_side

AGREEMENT = 0.985  # of details, from which on two faces are of one photograph
ALIKE = 0.5  # cosine of vectors less their mean, from which on faces are looked at; copies have .5 in 95 of 100 cases
NEAREST = 20  # faces that each is compared with at most
EVERYBODY = 50_000  # rows; in larger tables only pictures of one person are compared,
FEW = 5  # others there that each is compared with at most
MOST_PAIRS = 2**19  # that are looked at there, the most alike first: a pair takes a fifth of a millisecond

_BLOCK_BYTES = 64 * 1024**2
_PAIRS = 256  # that are laid on each other together
_CLEAR = 0.05  # difference of likeness, from which on it is clear which way round two faces are

Pairs = NDArray[np.int64]  # of shape (n_pairs, 2)


@dataclass(frozen=True)
class Faces:
    """What near copies are found by.

    Attributes
    ----------
    vectors : ndarray of shape (n, d)
    pixels : ndarray of shape (n, 64, 64), uint8
        In grey.
    person : ndarray of shape (n,), int
    """

    vectors: NDArray[np.floating]
    pixels: NDArray[np.uint8]
    person: NDArray[np.integer]

    @classmethod
    def of(cls, file: FeatureFile) -> Faces:
        """Take the faces of a feature file, with the deepest layer of those that its backbone recommends, or its last."""
        layer = parts(backbones.usual_layer(file.recipe))[-1]
        return cls(file.vectors(layer), file.columns["faces/pixels"], file.person)


@dataclass(frozen=True)
class Near:
    """Two pictures that are nearly the same.

    Attributes
    ----------
    first, second : int
        Row numbers; of one table, the lower comes first.
    agreement : float
        Correlation of their details, 0 to 1.
    """

    first: int
    second: int
    agreement: float


def among(digests: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which pictures are byte for byte among others.

    Parameters
    ----------
    digests : ndarray of shape (n, 32), uint8
        SHA-256 of the pictures.
    others : ndarray of shape (n_others, 32), uint8

    Returns
    -------
    ndarray of shape (n,), bool
    """
    there = {digest.tobytes() for digest in others}
    return np.array([digest.tobytes() in there for digest in digests], bool)


def near_copies(faces: Faces, rows: NDArray[np.int64] | None = None, workers: int = 1) -> list[Near]:
    """Find the near copies within a table.

    Parameters
    ----------
    faces : Faces
    rows : ndarray of shape (n,), int64, optional
        Where to look; all rows by default. Of exact copies one is enough.
    workers : int, default=1
        Threads.

    Returns
    -------
    list of Near
        By row numbers.
    """
    rows = np.arange(len(faces.person)) if rows is None else rows
    if len(rows) < 2:
        return []
    mean = _mean(faces.vectors, rows)  # less the mean of their person alone, copies would be less alike
    if len(rows) <= EVERYBODY:
        pairs = _alike(faces, faces, rows, rows, mean)[0]
    else:
        parts = _by_person(rows, faces.person)
        pairs = _most_alike([_alike(faces, faces, part, part, mean, FEW) for part in parts if len(part) > 1])
    found = _agreeing(faces, faces, pairs, workers)
    return sorted(found, key=lambda near: (near.first, near.second))


def near_copies_between(faces: Faces, others: Faces) -> list[Near]:
    """Find the near copies between two tables of one recipe.

    Returns
    -------
    list of Near
        ``first`` is a row of ``faces``, ``second`` one of ``others``.
    """
    rows, columns = np.arange(len(faces.person)), np.arange(len(others.person))
    pairs = _alike(faces, others, rows, columns, _mean(others.vectors, columns))[0]
    return _agreeing(faces, others, pairs)


def groups_of(file: FeatureFile, workers: int = 1) -> NDArray[np.int64]:
    """Give every picture a number such that copies and near copies of one photograph share a number.

    Parameters
    ----------
    file : FeatureFile
    workers : int, default=1
        Threads.

    Returns
    -------
    ndarray of shape (n_images,), int64
        In the order of the pictures' hashes, so that what they are called does not matter.
    """
    return groups_among(file.sha256, Faces.of(file), workers)


def groups_among(sha256: NDArray[np.uint8], faces: Faces | None, workers: int = 1) -> NDArray[np.int64]:
    """Do what ``groups_of`` does for pictures that are in no feature file.

    Parameters
    ----------
    sha256 : ndarray of shape (n_images, 32), uint8
    faces : Faces or None
        Of the same pictures; without them, near copies are not found.
    workers : int, default=1

    Returns
    -------
    ndarray of shape (n_images,), int64
    """
    _, first, ranks = np.unique(sha256, axis=0, return_index=True, return_inverse=True)
    ranks = ranks.reshape(-1)
    near = near_copies(faces, np.sort(first), workers) if faces else []
    return joined(ranks.astype(np.int64), [(one.first, one.second) for one in near])


def joined(groups: NDArray[np.int64], pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Unite the groups of pairs of rows; each new group has the place of the lowest of those in it.

    Examples
    --------
    >>> joined(np.array([3, 0, 1, 1, 2]), [(0, 1), (0, 4)]).tolist()
    [0, 0, 1, 1, 0]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n, ends = groups.max(initial=-1) + 1, groups[np.array(pairs, np.int64).reshape(-1, 2)]
    links = coo_matrix((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(n, n))
    component = connected_components(links, directed=False)[1]
    lowest = np.full(n, n, np.int64)
    np.minimum.at(lowest, component, np.arange(n))
    united: NDArray[np.int64] = np.unique(lowest[component[groups]], return_inverse=True)[1].reshape(-1)
    return united


def _by_person(rows: NDArray[np.int64], person: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    order = rows[np.argsort(person[rows], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(person[order])) + 1)


def _alike(
    faces: Faces,
    others: Faces,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    mean: NDArray[np.float32],
    nearest: int = NEAREST,
) -> tuple[Pairs, NDArray[np.float32]]:
    """Return the pairs whose vectors, less a mean, are alike, and how alike; within one table each pair once."""
    within = faces is others
    there = _directions(others.vectors[columns], mean)
    step = max(1, _BLOCK_BYTES // (4 * len(columns)))
    found, alike = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for start in range(0, len(rows), step):
        here = rows[start : start + step]
        cosines = _directions(faces.vectors[here], mean) @ there.T
        if within:
            cosines[here[:, None] >= columns] = -1
        i, j = _largest(cosines, nearest)
        found.append(np.stack([here[i], columns[j]], axis=1))
        alike.append(cosines[i, j])
    sealed.release(faces.vectors)
    return np.concatenate(found), np.concatenate(alike)


def _most_alike(found: list[tuple[Pairs, NDArray[np.float32]]]) -> Pairs:
    """Join the pairs of several people; of more than ``MOST_PAIRS`` keep those that are most alike, in their order."""
    if not found:
        return np.empty((0, 2), np.int64)
    pairs, alike = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return pairs[np.sort(np.argsort(-alike, kind="stable")[:MOST_PAIRS])]


def _mean(vectors: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean of some rows, evenly taken where they are very many."""
    some = rows[:: max(1, len(rows) // EVERYBODY)]
    mean = _finite(vectors[some]).mean(axis=0, dtype=np.float64)
    sealed.release(vectors)
    return np.asarray(mean, np.float32)


def _directions(vectors: NDArray[np.floating], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = _finite(vectors) - mean
    directions: NDArray[np.float32] = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return directions


def _finite(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Take damaged numbers for 0: whoever fits a head on them says what is wrong."""
    return np.nan_to_num(vectors.astype(np.float32), posinf=0.0, neginf=0.0)


def _largest(cosines: NDArray[np.float32], nearest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of each row's largest cosines, if they are large enough; of equal ones the first."""
    enough = cosines >= ALIKE
    for row in np.flatnonzero(enough.sum(axis=1) > nearest):
        large = np.flatnonzero(cosines[row] >= np.partition(cosines[row], -nearest)[-nearest])
        enough[row] = False
        enough[row, large[np.argsort(-cosines[row, large], kind="stable")[:nearest]]] = True
    i, j = np.nonzero(enough)
    return i, j


def _agreeing(faces: Faces, others: Faces, pairs: Pairs, workers: int = 1) -> list[Near]:
    """Keep the pairs whose details agree, as they are or with one of them mirrored."""
    parts = (pairs[start : start + _PAIRS] for start in range(0, len(pairs), _PAIRS))

    def agreements(part: Pairs) -> NDArray[np.float32]:
        one, first = np.unique(part[:, 0], return_inverse=True)
        other, second = np.unique(part[:, 1], return_inverse=True)
        pixels = np.concatenate([faces.pixels[one], others.pixels[other]])
        sealed.release(faces.pixels)
        return _best_agreement(pixels, first.reshape(-1), second.reshape(-1) + len(one))

    found = np.concatenate([np.empty(0, np.float32), *side_by_side(agreements, parts, workers)])
    return [Near(int(i), int(j), float(a)) for (i, j), a in zip(pairs, found, strict=True) if a >= AGREEMENT]


def _best_agreement(
    pixels: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Compare each pair the way round in which the faces look more alike, and both ways where that is not clear."""
    small = pixels.reshape(-1, 8, SIDE // 8, 8, SIDE // 8).mean(axis=(2, 4), dtype=np.float32)
    as_is, turned = _likeness(small[first], small[second]), _likeness(small[first], small[second, :, ::-1])
    mirrored = turned > as_is
    best = agreement_among(pixels, first, second, mirrored)
    unclear = np.flatnonzero((np.abs(as_is - turned) < _CLEAR) & (best < AGREEMENT))
    again = agreement_among(pixels, first[unclear], second[unclear], ~mirrored[unclear])
    best[unclear] = np.maximum(best[unclear], again)
    return best


def _likeness(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlate pairs of faces at an eighth of their size, where it does not matter how exactly they lie."""
    one, other = (part.reshape(len(part), -1) - part.mean(axis=(1, 2))[:, None] for part in (first, second))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    likeness: NDArray[np.float32] = np.einsum("nk,nk->n", one, other) / np.maximum(lengths, 1e-6)
    return likeness
