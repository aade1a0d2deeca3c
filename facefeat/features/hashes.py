"""The SHA-256 of every picture of a data set, not read again where a file is as it was.

What a file looked like when it was hashed (size, times, inode, device; of an object at an address its size and ETag, or
what is there in its place) is noted in the user's cache folder.
A file that looks the same is not read again, unless it changed so shortly before it was hashed that a
second change could bear the same time.
"""

from __future__ import annotations

import hashlib
import json
import time
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from facefeat.data.listing import Entry, Listing
from facefeat.data.regular import LOOK_BYTES
from facefeat.engines.openvino import cache_folder
from facefeat.errors import PictureRefused, StorageError, Unreachable
from facefeat.features.recipe import canonical_json
from facefeat.features.store import durable

UNREADABLE = bytes(32)
SETTLED = 2.0  # seconds; the coarsest times that file systems in use keep

_FORMAT = "facefeat hashes 2"
_BLOCK = 1024
_Notes = dict[str, bytes]  # by path, the look and the hash in one piece: there may be very many


def of_all(
    dataset: Listing, *, workers: int = 2, rehash: bool = False, tell: Callable[[int, int], None] | None = None
) -> list[bytes]:
    """Hash every file of a data set.

    Parameters
    ----------
    dataset : Listing
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
    looks: _Notes = {}
    try:
        for entry, (look, digest) in _in_order(dataset, noted, max(workers, dataset.at_once)):
            digests.append(digest)
            if look is not None:
                looks[entry.path] = look + digest
            if tell:
                tell(len(digests), len(dataset.entries))
    except Unreachable:  # what came before need not be fetched again
        _write(note, noted | looks)
        raise
    if looks != noted:
        _write(note, looks)
    return digests


def forget(person: str) -> int:
    """Take what is noted of somebody's pictures out of the notes of all data sets; it only saved time.

    Parameters
    ----------
    person : str
        The folder's name, as escaped text; accents may be written either way.

    Returns
    -------
    int
        Pictures of which something was noted.

    Raises
    ------
    StorageError
    """
    name, n = unicodedata.normalize("NFC", person), 0
    for note in sorted((cache_folder() / "hashes").glob("*.json")):
        noted = _read(note)
        if not noted:  # of no use, and what is in it cannot be told
            durable.remove(note)
        stays = {
            path: kept for path, kept in noted.items() if unicodedata.normalize("NFC", path.partition("/")[0]) != name
        }
        if len(stays) < len(noted):
            n += len(noted) - len(stays)
            durable.clear_leftovers(note)
            durable.write(note, _noted(stays))
    return n


def _in_order(dataset: Listing, noted: _Notes, threads: int) -> Iterator[tuple[Entry, tuple[bytes | None, bytes]]]:
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(dataset.entries), _BLOCK):  # what is asked of a pool takes memory until it is done
            block = dataset.entries[start : start + _BLOCK]
            found = pool.map(lambda entry: _hashed(dataset, entry, noted.get(entry.path)), block)
            yield from zip(block, found, strict=True)


def _hashed(dataset: Listing, entry: Entry, noted: bytes | None) -> tuple[bytes | None, bytes]:
    """Return what the file looks like, if that may be noted, and its hash."""
    if entry.refusal:
        return None, UNREADABLE
    started = time.time()
    before = dataset.look(entry.path)
    if noted and before and before.mark == noted[:LOOK_BYTES]:
        return before.mark, noted[LOOK_BYTES:]
    try:
        digest = hashlib.sha256(dataset.read(entry.path)).digest()
    except PictureRefused:
        return None, UNREADABLE
    if before is None or before.changed >= started - SETTLED or dataset.look(entry.path, again=True) != before:
        return None, digest
    return before.mark, digest


def _note_of(dataset: Listing) -> Path:
    place = hashlib.sha256(dataset.place).hexdigest()
    return cache_folder() / "hashes" / f"{place[:32]}.json"


def _read(note: Path) -> _Notes:
    """Return what is noted; nothing where the note is missing, damaged or of another version."""
    noted: _Notes = {}
    with suppress(OSError, ValueError, TypeError):
        seal, found, *lines = note.read_bytes().split(b"\n")
        if found.decode() == _FORMAT and seal == _seal(lines):
            noted = {path: bytes.fromhex(kept) for path, kept in map(json.loads, lines)}
    return noted


def _write(note: Path, looks: _Notes) -> None:
    with suppress(StorageError, OSError):  # it only saves time
        durable.clear_leftovers(note)
        durable.write(note, _noted(looks))


def _noted(looks: _Notes) -> bytes:
    lines = [canonical_json([path, kept.hex()]).encode() for path, kept in looks.items()]
    return b"\n".join([_seal(lines), _FORMAT.encode(), *lines])


def _seal(lines: list[bytes]) -> bytes:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line + b"\n")
    return digest.hexdigest().encode()
