"""A tar of people: its headers are read once, its pictures by their place in it; nothing is unpacked.

Either one folder a person lies in it, or samples as webdataset writes them: ``key.jpg`` beside ``key.cls``, ``key.txt``
or ``key.json``, which say whose picture it is.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import struct
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, NamedTuple, cast

from facefeat.data import objects
from facefeat.data.folder import SUFFIXES, arranged, inside, looks_like_picture, person_folder
from facefeat.data.listing import Listing, Where
from facefeat.data.pieces import File, RemoteFile
from facefeat.data.regular import Look
from facefeat.errors import DamagedFile, FacefeatError, ForeignFile, InputError, PictureRefused, UsageError

LABELS = ("cls", "txt", "json")  # what says whose a sample is; the first counts
LABEL_BYTES = 64 * 1024  # of one of them
_HEADER = 512
_HEADER_BYTES = 1024**2  # of the longest header: names and attributes
_SMALLER = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")


class Piece(NamedTuple):
    """Where a picture lies in the tar."""

    offset: int
    size: int


@dataclass(frozen=True)
class TarSet(Listing):
    """A tar of people; see ``Listing``."""

    file: File = field(kw_only=True, compare=False, repr=False)
    pieces: Mapping[str, Piece] = field(kw_only=True, compare=False, repr=False)
    seen: Look | None = field(kw_only=True, compare=False, repr=False)

    @property
    def at_once(self) -> int:
        """Several, where it lies at an address."""
        return objects.AT_ONCE if isinstance(self.file, RemoteFile) else 1

    @property
    def place(self) -> bytes:
        """The tar itself."""
        return self.file.place

    def bare(self) -> TarSet:
        """Return the same tar without its entries; see ``Listing``."""
        file = self.file.elsewhere()
        return TarSet(str(file.shown), (), (), file=file, pieces={}, seen=None)

    def where(self, path: str) -> Where:
        """Return offset and size; see ``Listing``."""
        return list(self.pieces[path])

    def check(self) -> None:
        """Ask whether the tar is there; see ``Listing``."""
        self.file.check()

    def read_at(self, path: str, where: Where) -> bytes:
        """Return the bytes of a picture; see ``Listing``."""
        piece = Piece(*cast("tuple[int, int]", where))
        objects.check_size(piece._asdict())
        data = self.file.fetched(piece.offset, piece.offset + piece.size)
        if len(data) < piece.size:
            raise PictureRefused("changed", "The tar changed after its headers were read.")
        return data

    def look(self, path: str, again: bool = False) -> Look | None:
        """Tell what an entry's picture looks like: as the tar does, at its place; see ``Listing``."""
        tar = self.file.look() if again else self.seen
        if tar is None:
            return None
        piece = struct.pack("<QQ", *self.pieces[path])
        return Look(piece[8:] + hashlib.sha256(tar.mark + piece).digest(), tar.changed)


def is_tar(name: str) -> bool:
    """Tell whether a name is that of a tar, compressed or not."""
    return name.lower().endswith((".tar", *_SMALLER))


def list_tar(file: File) -> TarSet:
    """List a tar of people.

    Of several members of one name the last counts, as when it is unpacked. Links, devices and names that lead
    out of the tar are entries that are not read. A single folder around all folders is left out of the paths.

    Parameters
    ----------
    file : File

    Returns
    -------
    TarSet

    Raises
    ------
    InputError
        If it is compressed, or nobody is in it.
    ForeignFile
        If it is no tar.
    DamagedFile
        If it was cut, or a header is damaged.
    Unreachable
    """
    if str(file.shown).lower().endswith(_SMALLER):
        raise InputError(f"{file.shown} is compressed, so its pictures cannot be read one by one; give a plain .tar.")
    seen = file.look()
    members = {member.name: member for member in _members(file)}
    samples = _samples(members)
    if samples is None:
        found, loose, pieces = _folders(members)
    else:
        found, loose, pieces = samples
    arrangement = arranged(str(file.shown), found, loose, nested=samples is not None)
    return TarSet(*arrangement, file=file, pieces=pieces, seen=seen)


class _Member(NamedTuple):
    name: str
    piece: Piece
    refusal: str
    label: str | None  # what it says, where it may be what says whose a sample is


_Found = tuple[dict[str, list[tuple[str, str]]], list[str], dict[str, Piece]]  # files, loose ones, where they lie


def _folders(members: Mapping[str, _Member]) -> _Found:
    """Find one folder a person."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    loose: list[str] = []
    pieces: dict[str, Piece] = {}
    named = [name for name in members if inside(name)]
    around = len({name.partition("/")[0] for name in named}) == 1 and all(name.count("/") >= 2 for name in named)
    for name, member in members.items():
        read = inside(name.partition("/")[2] if around else name)
        if read is None:
            continue
        path, refusal = read
        if "/" in path:
            found[path.partition("/")[0]].append((path, refusal or member.refusal))
            pieces[path] = member.piece
        elif looks_like_picture(path):
            loose.append(path)
    return found, loose, pieces


def _samples(members: Mapping[str, _Member]) -> _Found | None:
    """Find samples as webdataset writes them; None where there are none."""
    labels = {name: member.label for name, member in members.items() if member.label is not None}
    if not any(name.endswith(".cls") or "/" not in name for name in labels):
        return None
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    loose: list[str] = []
    pieces: dict[str, Piece] = {}
    for name, member in members.items():
        read = inside(name)
        key, kind = _key(name)
        if read is None or kind not in SUFFIXES:
            continue
        label = next((labels[one] for one in (f"{key}.{kind}" for kind in LABELS) if one in labels), None)
        if label is None:
            loose.append(read[0])
            continue
        path = f"{label}/{read[0]}"
        found[label].append((path, read[1] or member.refusal))
        pieces[path] = member.piece
    return (found, loose, pieces) if found else None


def _key(name: str) -> tuple[str, str]:
    """Split a name as webdataset does: at the first dot behind the last slash."""
    folder, base = posixpath.split(name)
    key, _, kind = base.partition(".")
    return posixpath.join(folder, key), kind.lower()


def _label(kind: str, data: bytes) -> str | None:
    """Return whose a sample is, as the escaped name of a folder; None where that is not said."""
    with suppress(ValueError, UsageError, RecursionError):
        said = json.loads(data) if kind == "json" else data.decode()
        said = said.get("label") if isinstance(said, dict) else said
        if isinstance(said, str | int) and not isinstance(said, bool):
            read = inside(person_folder(str(said).strip()))
            return read[0] if read else None
    return None


def _members(file: File) -> Iterator[_Member]:
    """Read all headers, and what says whose samples are."""
    damaged = DamagedFile(f"{file.shown} is cut off or damaged; get it again, or make it anew.")
    with file.opened() as opened:
        headers = _Headers(file, opened, damaged)
        try:
            archive = tarfile.open(fileobj=headers, mode="r:", encoding="utf-8", errors="surrogateescape")  # type: ignore[call-overload] # noqa: SIM115
        except FacefeatError:
            raise
        except (tarfile.TarError, ValueError):
            raise ForeignFile(f"{file.shown} is no tar file.") from None
        try:
            with archive:
                yield from _each(archive, headers, damaged)
            headers.seek(archive.offset)
            complete = headers.read(_HEADER) == bytes(_HEADER)
        except FacefeatError:
            raise
        except (tarfile.TarError, ValueError, OverflowError, RecursionError):
            raise damaged from None
        if not complete:  # tarfile takes a damaged header for the end
            raise damaged


def _each(archive: tarfile.TarFile, headers: _Headers, damaged: DamagedFile) -> Iterator[_Member]:
    last = -1
    while (found := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
        if found.size < 0 or archive.offset <= last:
            raise damaged
        last = archive.offset
        name = "/".join(part for part in found.name.split("/") if part not in ("", "."))
        if found.isdir() or not name:
            continue
        label, kind = None, _key(name)[1]
        if kind in LABELS and found.isreg() and found.size <= LABEL_BYTES:
            headers.seek(found.offset_data)
            label = _label(kind, headers.read(found.size))
        yield _Member(name, Piece(found.offset_data, found.size), _refusal(found, name), label)


def _refusal(found: tarfile.TarInfo, name: str) -> str:
    """Refuse what is no plain file; nothing in a tar is followed."""
    if found.issym() or found.islnk():
        folder = posixpath.dirname(name) if found.issym() else ""
        target = posixpath.normpath(posixpath.join(folder, found.linkname))
        return "link_outside" if target.startswith(("/", "../")) or target == ".." else "not_a_file"
    return "" if found.isreg() and not found.issparse() else "not_a_file"


class _Headers:
    """What tarfile is given to read: no header may ask for all memory."""

    def __init__(self, file: File, opened: IO[bytes], damaged: DamagedFile) -> None:
        self._file, self._opened, self._damaged = file, opened, damaged

    def read(self, n_bytes: int) -> bytes:
        if not 0 <= n_bytes <= _HEADER_BYTES:
            raise self._damaged
        with self._file.answering():
            return self._opened.read(n_bytes)

    def seek(self, offset: int) -> int:
        return self._opened.seek(offset)

    def tell(self) -> int:
        return self._opened.tell()
