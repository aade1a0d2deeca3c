"""Take rows out of a feature file without computing anything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facefeat.data.folder import DataSet, escaped, list_people
from facefeat.errors import InputError, PictureRefused, UsageError, unknown_name
from facefeat.features import hashes
from facefeat.features.compute import Progress
from facefeat.features.store.check import Unfinished, unfinished
from facefeat.features.store.durable import storage_errors
from facefeat.features.store.file import FeatureFile, read
from facefeat.features.store.publish import Contents, publish
from facefeat.features.store.shards import writing


@dataclass(frozen=True)
class Pruned:
    """What was taken out.

    Attributes
    ----------
    path : Path
        The feature file.
    file : FeatureFile or None
        As it is now; ``None`` where only unfinished work was asked for.
    rows, skipped : int
        Rows and skipped pictures that left.
    people : tuple of str
        Who has no row any more.
    to_extract : int or None
        Pictures of the data set that the file does not have; ``None`` where no data set was given.
    unreadable : int
        Pictures that cannot be read now; what the file has of them stays.
    deleted : int
        Files of unfinished work that were deleted.
    left : Unfinished
        Unfinished work that still lies beside the file.
    seconds : float
    """

    path: Path
    file: FeatureFile | None
    rows: int
    skipped: int
    people: tuple[str, ...]
    to_extract: int | None
    unreadable: int
    deleted: int
    left: Unfinished
    seconds: float


@dataclass(frozen=True)
class _Folder:
    """What is in the data set now."""

    pictures: frozenset[tuple[str, bytes]]
    unreadable: frozenset[str]

    def has(self, path: str, digest: bytes) -> bool:
        """Tell whether a picture is there; one in doubt is."""
        doubtful = any(path == other or path.startswith(f"{other}/") for other in self.unreadable)
        return doubtful or (path, digest) in self.pictures


def prune(
    path: str | Path,
    *,
    data: str | Path | None = None,
    people: Sequence[str] = (),
    work: bool = False,
    workers: int = 2,
    progress: Progress | None = None,
) -> Pruned:
    """Take out what is no longer wanted; what stays is what an extraction of the smaller data set would give.

    Parameters
    ----------
    path : path-like
        The feature file; replaced as a whole.
    data : path-like or None
        A folder of people: pictures that are no longer in it, under this path with these bytes, leave.
    people : sequence of str
        Everything of these people leaves.
    work : bool, default=False
        Delete what runs that did not end left beside the file. It may hold vectors of pictures that leave.
    workers : int, default=2
        Threads that read pictures.
    progress : callable or None
        Called with what is being done, how many are done, of how many.

    Returns
    -------
    Pruned

    Raises
    ------
    UsageError
        Nothing to take out was given, or the file has no such person.
    InputError
        Nobody would be left; the file stays as it is. Or there is no such file or folder.
    LockedError
        Another run is writing the file.
    DamagedFile, ForeignFile, NewerFile, StorageError
    """
    started = time.perf_counter()
    path = Path(path)
    if data is None and not people and not work:
        raise UsageError("Say what is to leave: --data DATA, --person NAME, or --work for what unfinished runs left.")
    if not path.is_file() and not unfinished(path).files:
        read(path)  # says what is wrong
    folder = None if data is None else list_people(data)
    with writing(path):
        before = read(path) if folder or people else None
        names = _known(before, people) if before else set()
        there = _look(folder, workers, progress) if folder else None
        after = _without(before, names, there) if before else None
        deleted = _delete(unfinished(path)) if work else 0
    return Pruned(
        path=path,
        file=after,
        rows=len(before) - len(after) if before and after else 0,
        skipped=len(before.skipped) - len(after.skipped) if before and after else 0,
        people=tuple(name for name in before.people if name not in after.people) if before and after else (),
        to_extract=len(there.pictures - _pictures(after)) if there and after else None,
        unreadable=len(there.unreadable) if there else 0,
        deleted=deleted,
        left=unfinished(path),
        seconds=time.perf_counter() - started,
    )


def _known(file: FeatureFile, people: Sequence[str]) -> set[str]:
    """Return the people as the file calls them; names may come as the file or as the disk has them."""
    there = {*file.people, *(one.path.partition("/")[0] for one in file.skipped)}
    names = {name if name in there else escaped(name) for name in people}
    for name in sorted(names - there):
        raise unknown_name("person", name, there)
    return names


def _look(dataset: DataSet, workers: int, progress: Progress | None) -> _Folder:
    """Hash every file of a data set, and tell which cannot be read from those that are no pictures."""
    digests = hashes.of_all(
        dataset, workers=workers, tell=lambda done, total: progress("reading", done, total) if progress else None
    )
    unreadable = set()
    for entry, digest in zip(dataset.entries, digests, strict=True):
        if digest == hashes.UNREADABLE and (entry.refusal or _refusal(dataset, entry.path)) == "unreadable":
            unreadable.add(entry.path)
    pairs = ((entry.path, digest) for entry, digest in zip(dataset.entries, digests, strict=True))
    return _Folder(frozenset(pair for pair in pairs if pair[0] not in unreadable), frozenset(unreadable))


def _refusal(dataset: DataSet, path: str) -> str:
    try:
        dataset.read(path)
    except PictureRefused as refused:
        return refused.code
    return ""


def _without(before: FeatureFile, names: set[str], there: _Folder | None) -> FeatureFile:
    """Publish what stays, if that is less than there was."""

    def stays(person: str, path: str, digest: bytes) -> bool:
        return person not in names and (there is None or there.has(path, digest))

    rows = [
        (before.people[who], path, 0, row)
        for row, (who, path, digest) in enumerate(zip(before.person, before.paths, before.sha256, strict=True))
        if stays(before.people[who], path, digest.tobytes())
    ]
    skipped = [one for one in before.skipped if stays(one.path.partition("/")[0], one.path, one.sha256)]
    if not rows:
        raise InputError(f"Nobody would be left in {before.path}; it stays as it is. If all is to go, delete the file.")
    if (len(rows), len(skipped)) == (len(before), len(before.skipped)):
        return before
    stay = Contents.of(rows, [before.numbers], skipped, before.made_by, before.augmentation)
    return publish(before.path, before.recipe, stay)


def _pictures(file: FeatureFile) -> set[tuple[str, bytes]]:
    rows = zip(file.paths, (digest.tobytes() for digest in file.sha256), strict=True)
    return {*rows, *((one.path, one.sha256) for one in file.skipped)}


def _delete(work: Unfinished) -> int:
    for path in work.files:
        with storage_errors(path):
            path.unlink(missing_ok=True)
    return len(work.files)
