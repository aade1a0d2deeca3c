"""Data sets that are no folder of this computer: a folder of people at an address, and tars here or there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from facefeat.data import folder, objects, pieces, tar
from facefeat.data.folder import arranged, inside, looks_like_picture
from facefeat.data.listing import Listing, Where
from facefeat.data.objects import Store
from facefeat.data.regular import Look
from facefeat.errors import InputError, PictureRefused


class Remote(NamedTuple):
    """A picture at an address; there may be very many.

    Attributes
    ----------
    key : str
        As its file system calls it.
    size : int or None
    look : Look or None
        When it was listed.
    """

    key: str
    size: int | None
    look: Look | None


@dataclass(frozen=True)
class RemoteFolder(Listing):
    """A folder of people at an address; see ``Listing``."""

    store: Store = field(kw_only=True, compare=False, repr=False)
    files: Mapping[str, Remote] = field(kw_only=True, compare=False, repr=False)

    @property
    def at_once(self) -> int:
        """Several: fetching is mostly waiting."""
        return objects.AT_ONCE

    @property
    def place(self) -> bytes:
        """Its address."""
        return self.store.address.encode("utf-8", "surrogateescape")

    def bare(self) -> RemoteFolder:
        """Return the same address without its entries; see ``Listing``."""
        return RemoteFolder(self.root, (), (), store=self.store, files={})

    def where(self, path: str) -> Where:
        """Return the key and the size; see ``Listing``."""
        file = self.files[path]
        return [file.key, file.size]

    def check(self) -> None:
        """Ask whether there is anything; see ``Listing``."""
        self.store.described(self.store.root)

    def read_at(self, path: str, where: Where) -> bytes:
        """Fetch the bytes of a file; see ``Listing``."""
        key, size = cast("tuple[str, int | None]", where)
        most = objects.check_size({"size": size})
        data = self.store.fetched(key, 0, most)
        objects.check_size({"size": len(data)})
        if size is not None and len(data) != size:
            raise PictureRefused("changed", "It is not as long as it was when it was listed.")
        return data

    def look(self, path: str, again: bool = False) -> Look | None:
        """Tell what an entry's file looks like; see ``Listing``."""
        file = self.files[path]
        if not again or file.look is None:
            return file.look
        try:
            return objects.look(self.store.described(file.key))
        except InputError:
            return None


def list_data(data: str | Path) -> Listing:
    """List a data set, wherever it lies.

    Parameters
    ----------
    data : path-like
        A folder with one subfolder a person, a tar, or the address of either, such as ``s3://bucket/people``.

    Returns
    -------
    Listing

    Raises
    ------
    InputError
        If there is none, it may not be read, or nobody is in it.
    UsageError
        If nothing is known of such addresses.
    MissingExtra, MissingPackage
    ForeignFile, DamagedFile
        If a tar is none, or was cut.
    Unreachable
    """
    scheme = objects.scheme_of(data)
    if scheme in ("file", "local"):  # by the rules of folders, links among them
        data = Path(str(data).partition("://")[2])
    elif scheme is not None:
        return list_people(str(data))
    if tar.is_tar(str(data)) and Path(data).is_file():
        return tar.list_tar(pieces.LocalFile(Path(data)))
    return folder.list_people(data)


def list_people(address: str) -> Listing:
    """List the people at an address, as ``facefeat.data.folder.list_people`` lists a folder.

    Parameters
    ----------
    address : str
        ``scheme://...`` of a file system that fsspec knows: of a folder with one subfolder a person, or of a tar.

    Returns
    -------
    Listing

    Raises
    ------
    InputError, UsageError, MissingExtra, MissingPackage, ForeignFile, DamagedFile, Unreachable
        See ``list_data``.
    """
    store = Store(address)
    if tar.is_tar(store.address):
        return tar.list_tar(pieces.RemoteFile(store))
    found: dict[str, list[tuple[str, str]]] = {}
    loose: list[str] = []
    files: dict[str, Remote] = {}
    for key, info in store.found().items():
        if key.rstrip("/") == store.root.rstrip("/"):
            if info.get("type") == "file" and not key.endswith("/"):
                raise InputError(
                    f"{store.address} is a file; a folder with one subfolder a person is expected, or a .tar."
                )
            continue
        _add(key, info, store.root, found, loose, files)
    return RemoteFolder(*arranged(store.address, found, loose), store=store, files=files)


def _add(
    key: str,
    info: Mapping[str, Any],
    root: str,
    found: dict[str, list[tuple[str, str]]],
    loose: list[str],
    files: dict[str, Remote],
) -> None:
    """Sort one file or folder in."""
    name = key.removeprefix(root.rstrip("/") + "/")
    is_folder = info.get("type") == "directory" or name.endswith("/")  # objects that stand for folders
    if (read := inside(name.rstrip("/") if is_folder else name)) is None:
        return
    path, refusal = read
    person, _, below = path.partition("/")
    if is_folder:
        found.setdefault(person, [])
    elif below:
        kind = "" if info.get("type") == "file" else "not_a_file"
        found.setdefault(person, []).append((path, refusal or kind))
        size = info.get("size")
        files[path] = Remote(key, size if isinstance(size, int) else None, objects.look(info))
    elif looks_like_picture(path):
        loose.append(path)
