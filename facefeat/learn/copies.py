"""Pictures that are the same, byte for byte or nearly: a photograph in another size, cut, compressed or lit otherwise.

Near copies are found by what a feature file holds. Those whose vectors are alike are compared by their grey faces, of
which one is laid on the other; see ``facefeat.data.registration``. docs/benchmarks.md has how well that tells copies
from other photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.data.registration import agreement
from facefeat.features import backbone as backbones
from facefeat.features.store.file import FeatureFile

AGREEMENT = 0.985  # of details, from which on two faces are of one photograph
ALIKE = 0.5  # cosine of vectors less their mean, from which on faces are looked at; copies have .5 in 95 of 100 cases
NEAREST = 20  # faces that each is compared with at most
EVERYBODY = 50_000  # rows; in larger tables only pictures of one person are compared

_BLOCK_BYTES = 64 * 1024**2
_PAIRS = 64  # that are laid on each other together

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
        """Take the faces of a feature file, with the layer that its backbone recommends, or else its last."""
        layer = backbones.get(file.recipe.backbone).HEAD_LAYER
        layer = layer if layer in file.layers else file.layers[-1]
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


def near_copies(faces: Faces, rows: NDArray[np.int64] | None = None) -> list[Near]:
    """Find the near copies within a table.

    Parameters
    ----------
    faces : Faces
    rows : ndarray of shape (n,), int64, optional
        Where to look; all rows by default. Of exact copies one is enough.

    Returns
    -------
    list of Near
        By row numbers.
    """
    rows = np.arange(len(faces.person)) if rows is None else rows
    if len(rows) < 2:
        return []
    mean = _mean(faces.vectors, rows)  # less the mean of their person alone, copies would be less alike
    parts = [rows] if len(rows) <= EVERYBODY else _by_person(rows, faces.person)
    found = [_agreeing(faces, faces, _alike(faces, faces, part, part, mean)) for part in parts if len(part) > 1]
    return sorted((near for part in found for near in part), key=lambda near: (near.first, near.second))


def near_copies_between(faces: Faces, others: Faces) -> list[Near]:
    """Find the near copies between two tables of one recipe.

    Returns
    -------
    list of Near
        ``first`` is a row of ``faces``, ``second`` one of ``others``.
    """
    rows, columns = np.arange(len(faces.person)), np.arange(len(others.person))
    pairs = _alike(faces, others, rows, columns, _mean(others.vectors, columns))
    return _agreeing(faces, others, pairs)


def groups_of(file: FeatureFile, near: bool = True) -> NDArray[np.int64]:
    """Give every picture a number such that copies and near copies of one photograph share a number.

    Parameters
    ----------
    file : FeatureFile
    near : bool, default=True
        Whether near copies count, too.

    Returns
    -------
    ndarray of shape (n_images,), int64
        In the order of the pictures' hashes, so that what they are called does not matter.
    """
    _, first, ranks = np.unique(file.sha256, axis=0, return_index=True, return_inverse=True)
    ranks = ranks.reshape(-1)
    pairs = [(one.first, one.second) for one in near_copies(Faces.of(file), np.sort(first))] if near else []
    return joined(ranks.astype(np.int64), pairs)


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
    faces: Faces, others: Faces, rows: NDArray[np.int64], columns: NDArray[np.int64], mean: NDArray[np.float32]
) -> Pairs:
    """Return the pairs whose vectors, less a mean, are alike; within one table each pair once."""
    within = faces is others
    there = _directions(others.vectors[columns], mean)
    step = max(1, _BLOCK_BYTES // (4 * len(columns)))
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(rows), step):
        here = rows[start : start + step]
        cosines = _directions(faces.vectors[here], mean) @ there.T
        if within:
            cosines[here[:, None] >= columns] = -1
        i, j = _largest(cosines)
        found.append(np.stack([here[i], columns[j]], axis=1))
    return np.concatenate(found)


def _mean(vectors: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean of some rows, evenly taken where they are very many."""
    some = rows[:: max(1, len(rows) // EVERYBODY)]
    return np.asarray(_finite(vectors[some]).mean(axis=0, dtype=np.float64), np.float32)


def _directions(vectors: NDArray[np.floating], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = _finite(vectors) - mean
    directions: NDArray[np.float32] = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return directions


def _finite(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Take damaged numbers for 0: whoever fits a head on them says what is wrong."""
    return np.nan_to_num(vectors.astype(np.float32), posinf=0.0, neginf=0.0)


def _largest(cosines: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of each row's largest cosines, if they are large enough; of equal ones the first."""
    enough = cosines >= ALIKE
    for row in np.flatnonzero(enough.sum(axis=1) > NEAREST):
        large = np.flatnonzero(cosines[row] >= np.partition(cosines[row], -NEAREST)[-NEAREST])
        enough[row] = False
        enough[row, large[np.argsort(-cosines[row, large], kind="stable")[:NEAREST]]] = True
    i, j = np.nonzero(enough)
    return i, j


def _agreeing(faces: Faces, others: Faces, pairs: Pairs) -> list[Near]:
    """Keep the pairs whose details agree, as they are or with one of them mirrored."""
    found = []
    for start in range(0, len(pairs), _PAIRS):
        part = pairs[start : start + _PAIRS]
        first, second = faces.pixels[part[:, 0]], others.pixels[part[:, 1]]
        best = np.maximum(agreement(first, second), agreement(first, second[:, :, ::-1]))
        found += [Near(int(i), int(j), float(a)) for (i, j), a in zip(part, best, strict=True) if a >= AGREEMENT]
    return found
