"""Check a feature file and the unfinished work beside it: every checksum, every count, every rule of the format."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from glob import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefeat.data.picture import CODES
from facefeat.errors import DamagedFile, FileFormatError, StorageError
from facefeat.features.store import sealed
from facefeat.features.store.columns import FEATURES, Kept, Skipped
from facefeat.features.store.file import FeatureFile, read
from facefeat.features.store.shards import checked, noted, work_folder

BLOCK_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class Remark:
    """Something to be said of a file.

    Attributes
    ----------
    file : Path
    message : str
        One sentence, which names the file.
    """

    file: Path
    message: str


@dataclass(frozen=True)
class Checked:
    """What was checked, and what was found.

    Attributes
    ----------
    path : Path
    kind : str
        ``'features'``, ``'bundle'``, or ``'unknown'`` where the file's bytes do not tell.
    bytes : int
        Size of the file; 0 where there is none, or it cannot be read.
    sha256 : str
        Of the whole file, in hex; ``''`` where there is none.
    counts : dict of str to int
        What was counted in it.
    problems : tuple of Remark
        Empty: everything is whole.
    notes : tuple of Remark
        What lies beside the file and does no harm.
    seconds : float
    """

    path: Path
    kind: str
    bytes: int
    sha256: str
    counts: dict[str, int]
    problems: tuple[Remark, ...]
    notes: tuple[Remark, ...]
    seconds: float


@dataclass(frozen=True)
class Unfinished:
    """What runs that did not end left beside a feature file.

    Attributes
    ----------
    shards : tuple of Path
        Finished work that the next run goes on from.
    set_aside : tuple of Path
        Shards that a run found damaged.
    half_written : tuple of Path
        Files that were being written when a run was killed, or are being written now.
    """

    shards: tuple[Path, ...]
    set_aside: tuple[Path, ...]
    half_written: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.shards + self.set_aside + self.half_written


@dataclass
class Findings:
    """Counts and problems as they are found."""

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[Remark] = field(default_factory=list)

    def refuse(self, file: Path, error: Exception) -> None:
        """Keep why a file cannot be read."""
        text = str(error)
        self.problems.append(Remark(file, text if str(file) in text else f"{file}: {text}"))

    def damage(self, file: Path, sentences: Iterator[str]) -> None:
        """Keep what is wrong with a file that can be read."""
        self.problems += [Remark(file, f"{file} is damaged: {sentence}.") for sentence in sentences]


def unfinished(output: Path) -> Unfinished:
    """List what runs that did not end left beside a feature file."""
    work = work_folder(output)
    half_written = [*output.parent.glob(f".{escape(output.name)}.*.tmp"), *work.glob(".*.tmp")]
    return Unfinished(
        tuple(sorted(work.glob("shard-*.h5"))), tuple(sorted(work.glob("shard-*.bad"))), tuple(sorted(half_written))
    )


def check(path: str | Path) -> Checked:
    """Check a feature file and the unfinished work beside it.

    Parameters
    ----------
    path : path-like
        The feature file; it may be missing where there is unfinished work.

    Returns
    -------
    Checked

    Raises
    ------
    InputError
        If there is neither.
    """
    started = time.perf_counter()
    path, found, work = Path(path), Findings(), unfinished(Path(path))
    if path.exists() or not work.files:
        try:
            file = read(path)
        except (FileFormatError, StorageError) as error:
            found.refuse(path, error)
        else:
            found.counts |= {
                "rows": len(file), "people": len(file.people), "skipped": len(file.skipped), "layers": len(file.layers),
                "copies": len(file) - file.n_pictures,
            }  # fmt: skip
            found.damage(path, _of_file(file))
    check_work(work, found)
    size, digest = size_and_sha256(path)
    seconds = time.perf_counter() - started
    return Checked(path, "features", size, digest, found.counts, tuple(found.problems), remarks(work), seconds)


def check_work(work: Unfinished, found: Findings) -> None:
    """Check every shard: its seal, structure, recipe and numbers; count those that are whole, and their rows."""
    if not work.shards:
        return
    note = work.shards[0].with_name("recipe.json")
    recipe = noted(note)
    found.counts |= {"shards": 0, "shard_rows": 0}
    for path in work.shards:
        try:
            shard = checked(path, recipe)
        except FileNotFoundError:  # the run that made it has published it meanwhile
            continue
        except OSError as error:
            found.refuse(path, StorageError(f"{path} cannot be read: {error.strerror}."))
            continue
        except FileFormatError as error:
            found.refuse(path, error)
            continue
        found.counts["shards"] += 1
        found.counts["shard_rows"] += len(shard.columns["images/sha256"])
        names = [digest.tobytes().hex()[:12] for digest in shard.columns["images/sha256"]]
        found.damage(path, _of_numbers(shard.columns, names))
        found.damage(path, _of_codes(shard.skipped, [one.sha256.hex()[:12] for one in shard.skipped]))
    if recipe is None and found.counts["shards"]:
        found.refuse(note, DamagedFile(f"{note} is damaged: it does not say of which recipe the shards beside it are."))


def _of_file(file: FeatureFile) -> Iterator[str]:
    """Yield what breaks a rule of the format in a file that can be read."""
    yield from _of_people(file)
    yield from _of_skipped(file)
    yield from _of_numbers(file.numbers, file.paths)
    yield from _of_same_bytes(file)
    yield from _of_augmented(file)


def _of_people(file: FeatureFile) -> Iterator[str]:
    if list(file.people) != sorted(file.people):
        yield "its people are not sorted"
    empty = np.bincount(file.person, minlength=len(file.people)) == 0
    yield from _each(empty, file.people, "people without a row")
    folders = [path.partition("/") for path in file.paths]
    astray = [
        folder != file.people[who] or not name for who, (folder, _, name) in zip(file.person, folders, strict=True)
    ]
    yield from _each(astray, file.paths, "rows that do not lie in their person's folder")
    order = list(zip(file.person.tolist(), file.paths, file.copy.tolist(), strict=True))
    yield from _each(_late(order), file.paths, "rows that are not sorted by person and path, or stand twice")


def _of_skipped(file: FeatureFile) -> Iterator[str]:
    paths = [one.path for one in file.skipped]
    yield from _each(_late(paths), paths, "skipped pictures that are not sorted by path, or stand twice")
    rows = set(file.paths)
    yield from _each([path in rows for path in paths], paths, "pictures that are skipped and are a row")
    yield from _of_codes(file.skipped, paths)


def _of_codes(skipped: Sequence[Skipped], names: Sequence[str]) -> Iterator[str]:
    yield from _each(
        [one.code not in CODES for one in skipped], names, "skipped pictures with a code that facefeat does not know"
    )


def _of_numbers(columns: Kept, names: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the numbers of rows, whatever the rows are called."""
    yield from _each(~columns["images/sha256"].any(axis=1), names, "rows without a SHA-256")
    yield from _each(~np.isfinite(columns["faces/box"]).all(axis=1), names, "boxes that are not finite")
    found, score, points = (columns[f"faces/{name}"] for name in ("found", "score", "landmarks"))
    fits = np.where(
        found,
        np.isfinite(score) & np.isfinite(points).all(axis=(1, 2)),
        np.isnan(score) & np.isnan(points).all(axis=(1, 2)),
    )
    yield from _each(~fits, names, "a score or points that do not fit whether a face was found")
    for name, column in columns.items():
        if name.startswith(FEATURES):
            wrong = [~_finite_rows(column, block) for block in _blocks(column)]
            yield from _each(
                np.concatenate([np.zeros(0, bool), *wrong]),
                names,
                f"vectors of {name[len(FEATURES) :]} that are not finite",
            )


def _finite_rows(column: NDArray[Any], block: slice) -> NDArray[np.bool_]:
    finite: NDArray[np.bool_] = np.isfinite(column[block]).all(axis=1)
    sealed.release(column)
    return finite


def _of_same_bytes(file: FeatureFile) -> Iterator[str]:
    """Compare the rows of pictures with the same bytes, and those of their copies of the same number."""
    keys = np.concatenate([np.asarray(file.sha256), _bytes_of(np.asarray(file.copy))], axis=1)
    _, places, groups = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    first = places[groups.reshape(-1)]
    rows = np.flatnonzero(first != np.arange(len(file)))
    paths = [file.paths[row] for row in rows]
    for name, column in file.numbers.items():
        differs = [
            (_bytes_of(column[rows[block]]) != _bytes_of(column[first[rows[block]]])).any(axis=1)
            for block in _blocks(column, len(rows))
        ]
        what = f"rows whose {name} is another than that of a row with the same bytes"
        yield from _each(np.concatenate([np.zeros(0, bool), *differs]), paths, what)


def _of_augmented(file: FeatureFile) -> Iterator[str]:
    """Look whether copies follow their original and are numbered from 1, and whether it is said how they were made."""
    copies = file.copy.tolist()
    before = [("", b"", -1), *zip(file.paths, (one.tobytes() for one in file.sha256), copies, strict=True)]
    astray = [now[2] != 0 and now != (*last[:2], last[2] + 1) for last, now in pairwise(before)]
    yield from _each(astray, file.paths, "augmented copies that do not follow their picture, numbered from 1")
    if any(copies) and not file.augmentation:
        yield "it does not say by what ranges its augmented copies were made"
    if file.augmentation and not any(copies):
        yield "it says how augmented copies were made and has none"


def _each(wrong: ArrayLike, names: Sequence[str], what: str) -> Iterator[str]:
    """Yield one sentence where something is wrong with any of them: what, the first, and how many more."""
    found = np.flatnonzero(np.asarray(wrong))
    if len(found):
        more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
        yield f"it has {what}: {names[int(found[0])]}{more}"


def _late(order: Sequence[Any]) -> list[bool]:
    """Tell which do not come after the one before."""
    return [False, *(after <= before for before, after in pairwise(order))]


def _blocks(column: NDArray[Any], n: int | None = None) -> Iterator[slice]:
    """Cut rows into blocks of a fixed size in memory."""
    step = max(1, BLOCK_BYTES // max(1, column[:1].nbytes))
    return (slice(start, start + step) for start in range(0, len(column) if n is None else n, step))


def _bytes_of(column: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1)


def remarks(work: Unfinished) -> tuple[Remark, ...]:
    """Say of what lies beside a file that it does no harm."""
    aside = "was set aside by a run that found it damaged; its pictures are computed again"
    half = "was left half written by a run that was killed, or is being written now"
    return (
        *(Remark(file, f"{file} {aside}.") for file in work.set_aside),
        *(Remark(file, f"{file} {half}.") for file in work.half_written),
    )


def size_and_sha256(path: Path) -> tuple[int, str]:
    """Return a whole file's size in bytes, and its SHA-256 in hex; 0 and ``''`` where it cannot be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), digest
    except OSError:
        return 0, ""
