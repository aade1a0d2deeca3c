"""The SHA-256 of every picture of a data set, not read again where a file is as it was.

What a file looked like when it was hashed (size, times, inode, device) is noted in the user's cache folder.
A file that looks the same is not read again, unless it changed so shortly before it was hashed that a
second change could bear the same time.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from facefeat.data import picture
from facefeat.data.folder import DataSet, Entry
from facefeat.engines.openvino import cache_folder
from facefeat.errors import PictureRefused, StorageError
from facefeat.features.recipe import canonical_json
from facefeat.features.store import durable

UNREADABLE = bytes(32)
SETTLED = 2.0  # seconds; the coarsest times that file systems in use keep

_VERSION = 1
_BLOCK = 1024
_Look = list[int]  # size, time of change of the bytes and of the entry in nanoseconds, inode, device


def of_all(
    dataset: DataSet, *, workers: int = 2, rehash: bool = False, tell: Callable[[int, int], None] | None = None
) -> list[bytes]:
    """Hash every file of a data set.

    Parameters
    ----------
    dataset : DataSet
    workers : int, default=2
        Threads that read.
    rehash : bool, default=False
        Read every file, whatever is noted of it.
    tell : callable or None
        Told how many are done, of how many.

    Returns
    -------
    list of bytes
        32 bytes an entry, in the data set's order; ``UNREADABLE`` where there is nothing to hash.
    """
    note = _note_of(dataset)
    noted = {} if rehash else _read(note)
    digests: list[bytes] = []
    looks: dict[str, tuple[_Look, bytes]] = {}
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for start in range(0, len(dataset.entries), _BLOCK):  # what is asked of a pool takes memory until it is done
            block = dataset.entries[start : start + _BLOCK]
            found = pool.map(lambda entry: _hashed(dataset, entry, noted.get(entry.path)), block)
            for entry, (look, digest) in zip(block, found, strict=True):
                digests.append(digest)
                if look is not None:
                    looks[entry.path] = look, digest
                if tell:
                    tell(len(digests), len(dataset.entries))
    if looks != noted:
        _write(note, looks)
    return digests


def _hashed(dataset: DataSet, entry: Entry, noted: tuple[_Look, bytes] | None) -> tuple[_Look | None, bytes]:
    """Return what the file looks like, if that may be noted, and its hash."""
    if entry.refusal:
        return None, UNREADABLE
    file, started = dataset.file(entry.path), time.time()
    before = _look(file)
    if noted and before == noted[0]:
        return before, noted[1]
    try:
        digest = hashlib.sha256(picture.read(file)).digest()
    except PictureRefused:
        return None, UNREADABLE
    settled = before is not None and max(before[1:3]) / 1e9 < started - SETTLED
    return (before if settled and _look(file) == before else None), digest


def _look(file: Path) -> _Look | None:
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]


def _note_of(dataset: DataSet) -> Path:
    place = hashlib.sha256(os.fsencode(os.path.realpath(dataset.root))).hexdigest()
    return cache_folder() / "hashes" / f"{place[:32]}.json"


def _read(note: Path) -> dict[str, tuple[_Look, bytes]]:
    """Return what is noted; nothing where the note is missing, damaged or of another version."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        digest, _, text = note.read_text().partition("\n")
        if digest == hashlib.sha256(text.encode()).hexdigest():
            record = json.loads(text)
            if record["version"] == _VERSION:
                return {path: (look, bytes.fromhex(digest)) for path, (look, digest) in record["files"].items()}
    return {}


def _write(note: Path, looks: dict[str, tuple[_Look, bytes]]) -> None:
    files = {path: (look, digest.hex()) for path, (look, digest) in looks.items()}
    text = canonical_json({"version": _VERSION, "files": files})
    with suppress(StorageError, OSError):  # it only saves time
        durable.clear_leftovers(note)
        durable.write(note, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}".encode())
