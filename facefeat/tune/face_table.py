"""The faces of a data set as squares in memory: found and aligned once, and kept in a work folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import detectors, picture
from facefeat.data.finder import FaceFinder
from facefeat.data.folder import DataSet
from facefeat.engines.choose import choose
from facefeat.engines.network import Engine
from facefeat.errors import InputError
from facefeat.features import hashes
from facefeat.features.compute import GROUP, Progress, Seconds, Task, compute
from facefeat.features.encode import Encoder, Plan
from facefeat.features.recipe import canonical_json
from facefeat.features.store import durable
from facefeat.features.store.columns import FEATURES, Skipped
from facefeat.features.store.shards import Shard
from facefeat.tune.checkpoint import packed, unpacked

_SQUARE = "square"


@dataclass(frozen=True)
class FaceTable:
    """Faces with their people, one row a picture, by person and path.

    Attributes
    ----------
    people : tuple of str
        Those of whom there is a row.
    paths : tuple of str
    person : ndarray of shape (n_images,), int32
    sha256 : ndarray of shape (n_images, 32), uint8
        Of the files.
    squares : ndarray of shape (n_images, size, size, 3), uint8
    skipped : tuple of Skipped
        Pictures that cannot be used, with their paths.
    """

    people: tuple[str, ...]
    paths: tuple[str, ...]
    person: NDArray[np.int32]
    sha256: NDArray[np.uint8]
    squares: NDArray[np.uint8]
    skipped: tuple[Skipped, ...]

    def __len__(self) -> int:
        return len(self.paths)


def face_table(
    dataset: DataSet, digests: Sequence[bytes], plan: Plan, folder: Path, workers: int, tell: Progress
) -> FaceTable:
    """Find and align the face of every picture, but for those whose squares lie in a folder already.

    Parameters
    ----------
    dataset : DataSet
    digests : sequence of bytes
        SHA-256 of each entry's file; see ``facefeat.features.hashes.of_all``.
    plan : Plan
        Its face step and size.
    folder : Path
        Where squares are kept, 256 pictures a file.
    workers : int
        Threads.
    tell : callable

    Returns
    -------
    FaceTable

    Raises
    ------
    InputError
        If no picture can be used.
    StorageError
    """
    known = _Squares(folder, plan)
    first: dict[bytes, str] = {}
    for entry, digest in zip(dataset.entries, digests, strict=True):
        if digest != hashes.UNREADABLE and digest not in known:
            first.setdefault(digest, entry.path)
    if first:
        engine = choose("auto", "auto", threads=workers, streams=workers)
        compute(
            (Task(path, digest) for digest, path in first.items()),
            dataset.read,
            _Aligner(plan, engine),
            known.keep,
            workers=workers,
            seconds=Seconds(),
            tell=lambda done: tell("faces", done, len(first)),
        )
    return _table(dataset, digests, known)


class _Aligner(Encoder):
    """What ``compute`` asks of an encoder, with the squares themselves in the place of vectors."""

    def __init__(self, plan: Plan, engine: Engine) -> None:
        recipe = self.recipe = plan.recipe
        self.engine, self.batch_size = engine, GROUP
        detector = detectors.load(recipe.faces, engine, plan.detector)
        self.finder = FaceFinder(recipe.faces, recipe.input_size, detector, recipe.resize == "area-dct")

    def vectors(self, squares: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
        """Return the squares."""
        return {_SQUARE: np.stack(squares)}


class _Squares:
    """Squares and refusals by the SHA-256 of a picture's bytes, in files that another run may go on with."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        recipe = plan.recipe
        step = {"faces": recipe.faces.as_dict(), "size": recipe.input_size, "resize": recipe.resize}
        self.folder, self.key = folder, hashlib.sha256(canonical_json(step).encode()).hexdigest()[:16]
        self.squares: dict[bytes, NDArray[np.uint8]] = {}
        self.refused: dict[bytes, tuple[str, str]] = {}
        for path in sorted(folder.glob(f"faces-{self.key}-*.npz")):
            if found := unpacked(path):
                self._add(found[0][0], found[0][1], found[1]["refused"])

    def __contains__(self, digest: bytes) -> bool:
        return digest in self.squares or digest in self.refused

    def keep(self, shard: Shard) -> None:
        """Write what was found, and remember it."""
        digests, squares = shard.columns["images/sha256"], shard.columns.get(FEATURES + _SQUARE)
        if squares is None:
            squares = np.empty((0, 0, 0, 3), np.uint8)
        refused = [[one.sha256.hex(), one.code, one.message] for one in shard.skipped]
        name = hashlib.sha256(digests.tobytes() + canonical_json(refused).encode()).hexdigest()[:16]
        made = packed([digests, squares], {"refused": refused})
        durable.write(self.folder / f"faces-{self.key}-{name}.npz", made)
        self._add(digests, squares, refused)

    def _add(self, digests: NDArray[np.uint8], squares: NDArray[np.uint8], refused: list[list[str]]) -> None:
        self.squares.update((digest.tobytes(), square) for digest, square in zip(digests, squares, strict=True))
        self.refused.update((bytes.fromhex(digest), (code, message)) for digest, code, message in refused)


def _table(dataset: DataSet, digests: Sequence[bytes], known: _Squares) -> FaceTable:
    rows = [i for i, digest in enumerate(digests) if digest in known.squares]
    skipped = tuple(_skipped(dataset, digests, known))
    if not rows:
        first = skipped[0]
        raise InputError(
            f"None of the {len(skipped)} files in {dataset.root} is a usable picture; the first, {first.path}: {first.message}"
        )
    present, person = np.unique([dataset.entries[i].person for i in rows], return_inverse=True)
    return FaceTable(
        people=tuple(dataset.people[one] for one in present),
        paths=tuple(dataset.entries[i].path for i in rows),
        person=person.reshape(-1).astype(np.int32),
        sha256=np.array([list(digests[i]) for i in rows], np.uint8),
        squares=np.stack([known.squares[digests[i]] for i in rows]),
        skipped=skipped,
    )


def _skipped(dataset: DataSet, digests: Sequence[bytes], known: _Squares) -> Iterator[Skipped]:
    """Say of each picture without a square why."""
    for entry, digest in zip(dataset.entries, digests, strict=True):
        if digest in known.squares:
            continue
        unread = entry.refusal or ("unreadable" if digest == hashes.UNREADABLE else "changed")
        code, message = known.refused.get(digest, (unread, ""))
        yield Skipped(entry.path, digest, code, message or f"{picture.CODES[code].capitalize()}.")
