"""Look at a file of facefeat whatever its name: read it, or check every byte of it."""

from __future__ import annotations

import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facefeat.data import regular
from facefeat.errors import DamagedFile, FileFormatError, ForeignFile, InputError, MissingExtra, StorageError
from facefeat.features.store import check as features
from facefeat.features.store import file as feature_files
from facefeat.features.store import sealed
from facefeat.features.store.check import Checked, Findings, Unfinished
from facefeat.features.store.file import FeatureFile
from facefeat.heads._rows import blocks
from facefeat.learn import archive as archives
from facefeat.learn import bundle as bundles
from facefeat.learn.bundle import Bundle
from facefeat.learn.naming import namings

BLOCK_ROWS = 1024
MOST_SCORES = 2**27  # pictures times people; of larger models some pictures are named, evenly taken

_HDF5 = b"\x89HDF\r\n\x1a\n"
_DATE = 1 << 5 | 1  # 1980-01-01, as MS-DOS writes it
_SYSTEMS = (0, 3)  # Windows, and all others
_PLAIN_BYTES = 2**31 - 1  # larger members have larger headers


@dataclass(frozen=True)
class Seen:
    """A file that was read, and what lies beside it.

    Attributes
    ----------
    path : Path
    bytes : int
    contents : FeatureFile or Bundle
    work : Unfinished
    work_rows : int
        Rows in the shards that are whole.
    """

    path: Path
    bytes: int
    contents: FeatureFile | Bundle
    work: Unfinished
    work_rows: int


def look(path: str | Path) -> Seen:
    """Read a feature file or a bundle; its bytes say which it is.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Seen

    Raises
    ------
    InputError
        If there is no such file.
    DamagedFile, ForeignFile, NewerFile, StorageError
    """
    path = Path(path)
    kind = _kind(path)
    if kind == "unknown":
        raise _unknown(path)
    contents = bundles.read(path) if kind == "bundle" else feature_files.read(path)
    work, found = features.unfinished(path), Findings()
    features.check_work(work, found)
    return Seen(path, path.stat().st_size, contents, work, found.counts.get("shard_rows", 0))


def check(path: str | Path) -> Checked:
    """Check every checksum and every count of a feature file, with the unfinished work beside it, or of a bundle.

    Parameters
    ----------
    path : path-like
        A feature file may be missing where there is unfinished work.

    Returns
    -------
    Checked
        With every problem that was found.

    Raises
    ------
    InputError
        If there is no such file.
    StorageError
        If it cannot be read.
    """
    path = Path(path)
    has_work = bool(features.unfinished(path).shards)
    kind = "features" if has_work and not path.exists() else _kind(path)
    if kind == "features" or (kind == "unknown" and has_work):
        return features.check(path)
    started, found = time.perf_counter(), Findings()
    if kind == "bundle":
        _check_bundle(path, found)
    else:
        found.refuse(path, _unknown(path))
    size, digest = features.size_and_sha256(path)
    notes = features.remarks(features.unfinished(path))
    seconds = time.perf_counter() - started
    return Checked(path, kind, size, digest, found.counts, tuple(found.problems), notes, seconds)


def _kind(path: Path) -> str:
    """Tell what a file is by its first bytes, or its last where the first are lost."""
    start = _start(path)
    if start.startswith((sealed.FORMAT.encode(), _HDF5)) or start[sealed.BLOCK :] == _HDF5:
        return "features"
    return "bundle" if start.startswith(b"PK") or zipfile.is_zipfile(path) else "unknown"


def _start(path: Path) -> bytes:
    try:
        with open(regular.opened(path), "rb") as file:
            return file.read(sealed.BLOCK + len(_HDF5))
    except regular.NotRegular as error:
        raise InputError(f"{path} is {error.strerror}; a feature file or a model is expected.") from None
    except FileNotFoundError:
        text = f"There is no file {path}; facefeat extract makes a feature file, facefeat fit a model."
        raise InputError(text) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error


def _unknown(path: Path) -> FileFormatError:
    if not any(_start(path)):
        return DamagedFile(f"{path} is damaged: it is empty, or its start was lost.")
    return ForeignFile(f"{path} is neither a feature file nor a model of facefeat.")


def _check_bundle(path: Path, found: Findings) -> None:
    try:
        counts = _counts(bundles.read(path))
    except (FileFormatError, MissingExtra, StorageError) as error:
        found.refuse(path, error)
        return
    except Exception as error:  # the head of a stranger's file may fail any expectation
        reason = archives.one_line(error)
        found.refuse(path, DamagedFile(f"{path} is damaged: its head cannot name its own pictures ({reason})."))
        return
    found.counts |= counts
    found.damage(path, _of_archive(path))


def _counts(bundle: Bundle) -> dict[str, int]:
    """Count the people and pictures of a model, and what its head does with them."""
    n, n_people = len(bundle.gallery.pictures.paths), len(bundle.people)
    step = -(-n * n_people // MOST_SCORES)
    some = {"gallery_named": -(-n // step)} if step > 1 else {}
    return {"people": n_people, "gallery": n, **some, "gallery_right": _own_right(bundle, step)}


def _own_right(bundle: Bundle, step: int) -> int:
    """Count the pictures it was trained on, or every so many of them, that its head names right."""
    X, person = bundle.gallery.pictures.vectors[::step], bundle.gallery.pictures.person[::step]
    right = 0
    for block in blocks(len(X), len(bundle.people), BLOCK_ROWS * len(bundle.people) if step == 1 else None):
        with np.errstate(all="ignore"):  # numbers from a file may be of any size
            named = namings(bundle, X[block].astype(np.float32), 1)
        right += sum(one.best == bundle.people[who] for one, who in zip(named, person[block], strict=True))
    return right


def _of_archive(path: Path) -> Iterator[str]:
    """Yield what is changed in an archive although its members have their content."""
    data = archives.contents(path)
    archive = archives.opened(data, str(path))
    infos = archive.infolist()
    if max(info.file_size for info in infos) <= _PLAIN_BYTES and not _is_as_written(infos, data):
        yield "its archive is not as it was written, though what is in it has its checksums"
    names = [info.filename for info in infos]
    other = [
        name
        for name, info in zip(names, infos, strict=True)
        if info.compress_type == zipfile.ZIP_DEFLATED
        and _stream(info, data) != _deflated(archives.member(archive, name, str(path)))
    ]
    if len(other) == 1:  # another version of the library packs none of them, or few, like this one
        yield f"{other[0]} is not packed as it was written, though it has its checksum"


def _is_as_written(infos: list[zipfile.ZipInfo], data: bytes) -> bool:
    """Tell whether an archive is what facefeat puts together from its members."""
    at, directory = 0, b""
    for info in infos:
        name = info.filename.encode()
        sizes = (info.CRC, info.compress_size, info.file_size, len(name), 0)
        common = struct.pack("<HHHHHIIIHH", 20, 0, info.compress_type, 0, _DATE, *sizes)
        system = info.create_system if info.create_system in _SYSTEMS else _SYSTEMS[0]
        place = struct.pack("<HHHII", 0, 0, 0, 0o600 << 16, at)
        directory += b"PK\1\2" + bytes([20, system]) + common + place + name
        header = b"PK\3\4" + common + name
        if info.header_offset != at or data[at : at + len(header)] != header:
            return False
        at += len(header) + info.compress_size
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(infos), len(infos), len(directory), at, 0)
    return data[at:] == directory + end


def _stream(info: zipfile.ZipInfo, data: bytes) -> bytes:
    start = info.header_offset + 30 + len(info.filename.encode())
    return data[start : start + info.compress_size]


def _deflated(content: bytes | memoryview) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()
