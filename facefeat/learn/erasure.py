"""What is removed with a person, from a model and from feature files, counted for the receipt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facefeat.errors import UsageError
from facefeat.features.prune import Pruned, prune
from facefeat.features.store.check import unfinished
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn.bundle import Bundle
from facefeat.learn.copies import among
from facefeat.learn.people import known_as

NOT_LOOKED_AT = (
    "the photographs themselves",
    "other files: copies of these, backups, reports, annotated or cut-out pictures, exported networks",
    "what the disk, its snapshots or a synchronised folder still hold of the old bytes",
)


@dataclass(frozen=True)
class Removal:
    """What left one file.

    Attributes
    ----------
    file : Path
    kind : {'model', 'features'}
    vectors : int
        Rows, each with its path and hash.
    faces : int
        Grey faces.
    skipped : int
        Pictures of the person that were skipped, with path and hash.
    unfinished : int
        Files of unfinished work beside it that were deleted; they may have held vectors of anybody.
    shared : int
        Of the rows, how many are pictures that somebody else has too, byte for byte; there they stay.
    """

    file: Path
    kind: str
    vectors: int
    faces: int
    skipped: int = 0
    unfinished: int = 0
    shared: int = 0


def from_model(path: Path, bundle: Bundle, who: int) -> Removal:
    """Count what a model had of a person.

    Parameters
    ----------
    path : Path
    bundle : Bundle
        As it was.
    who : int
        Index into its people.

    Returns
    -------
    Removal
    """
    mine = bundle.gallery.person == who
    n, digests = int(mine.sum()), bundle.gallery.sha256
    shared = int(among(digests[mine], digests[~mine]).sum())
    return Removal(path, "model", n, n if len(bundle.gallery.pixels) else 0, shared=shared)


def opened(path: Path) -> tuple[Path, FeatureFile | None]:
    """Return a feature file with its place; ``None`` where there is only unfinished work.

    Raises
    ------
    InputError
        If there is neither.
    DamagedFile, ForeignFile, NewerFile, StorageError
    """
    return path, read(path) if path.is_file() or not unfinished(path).files else None


def from_features(path: Path, before: FeatureFile | None, name: str, workers: int = 2) -> Removal:
    """Take a person out of a feature file, and delete the unfinished work beside it.

    Parameters
    ----------
    path : Path
    before : FeatureFile or None
        As ``opened`` gave it.
    name : str
        Who need not be in it.
    workers : int, default=2

    Returns
    -------
    Removal

    Raises
    ------
    InputError
        If nobody would be left in it.
    LockedError, DamagedFile, ForeignFile, NewerFile, StorageError
    """
    theirs = _called(before, name) if before else ""
    done = prune(path, people=[theirs] if theirs else [], work=True, workers=workers)
    return Removal(path, "features", done.rows, done.rows, done.skipped, done.deleted, _shared(before, done, theirs))


def _called(file: FeatureFile, name: str) -> str:
    """Return what a feature file calls somebody; an empty text where it does not know them."""
    try:
        return known_as(name, (*file.people, *(one.path.partition("/")[0] for one in file.skipped)))
    except UsageError:
        return ""


def _shared(before: FeatureFile | None, done: Pruned, name: str) -> int:
    if before is None or done.file is None or name not in before.people:
        return 0
    mine = np.asarray(before.person) == before.people.index(name)
    return int(among(before.sha256[mine], done.file.sha256).sum())
