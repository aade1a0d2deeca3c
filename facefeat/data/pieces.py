"""Files that are read in pieces, of this computer or at an address."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

from facefeat.data import objects, regular
from facefeat.data.objects import Store
from facefeat.data.regular import Look
from facefeat.errors import InputError, PictureRefused


class File(ABC):
    """A file that is read in pieces.

    Attributes
    ----------
    shown : Path or str
    """

    shown: Path | str

    @property
    @abstractmethod
    def place(self) -> bytes:
        """What tells it from others."""

    @abstractmethod
    def opened(self) -> IO[bytes]:
        """Open it; one may seek in it."""

    @abstractmethod
    def fetched(self, start: int, end: int) -> bytes:
        """Read a piece; raises PictureRefused."""

    @abstractmethod
    def look(self) -> Look | None:
        """Tell what it looks like now."""

    def elsewhere(self) -> File:
        """Return the same file as other machines are to find it."""
        return self

    def check(self) -> None:
        """Raise why it cannot be read at all, where that can be told."""
        return

    def answering(self) -> AbstractContextManager[None]:
        """Turn errors of what is opened into sentences."""
        return nullcontext()


class LocalFile(File):
    """A file of this computer.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.shown = path
        self._seen = regular.look(path)

    @property
    def place(self) -> bytes:
        """Its path, whatever links lead to it."""
        return os.fsencode(os.path.realpath(self.shown))

    def opened(self) -> IO[bytes]:
        """Open it.

        Raises
        ------
        InputError
        """
        try:
            return os.fdopen(regular.opened(self.shown), "rb")
        except OSError as error:
            raise InputError(f"{self.shown} cannot be opened: {error.strerror}.") from error

    def fetched(self, start: int, end: int) -> bytes:
        """Read a piece.

        Raises
        ------
        PictureRefused
        """
        if not self._is_as_seen():
            raise PictureRefused("changed", "The tar changed after its headers were read.")
        try:
            with self.opened() as file:
                file.seek(start)
                return file.read(end - start)
        except (InputError, OSError) as error:
            raise PictureRefused("unreadable", f"The tar cannot be read: {error}") from error

    def look(self) -> Look | None:
        """Tell what it looks like now."""
        return regular.look(self.shown)

    def elsewhere(self) -> File:
        """Return the same file, under the same path."""
        return _SharedFile(Path(self.shown).absolute(), self._seen)

    def _is_as_seen(self) -> bool:
        return self.look() == self._seen


class _SharedFile(LocalFile):
    """A file as another machine has seen it, which shares the disk or has a copy with the same time."""

    def __init__(self, path: Path, seen: Look | None) -> None:
        self.shown, self._seen = path, seen

    def _is_as_seen(self) -> bool:
        now = self.look()
        return now is not None and self._seen is not None and regular.across(now) == regular.across(self._seen)


class RemoteFile(File):
    """A file at an address.

    Parameters
    ----------
    store : Store
        Whose root is the file.
    """

    def __init__(self, store: Store) -> None:
        self.shown, self._store = store.address, store

    @property
    def place(self) -> bytes:
        """Its address."""
        return self._store.address.encode("utf-8", "surrogateescape")

    def opened(self) -> IO[bytes]:
        """Open it; see ``Store.opened``."""
        return self._store.opened(self._store.root)

    def fetched(self, start: int, end: int) -> bytes:
        """Read a piece; see ``Store.fetched``."""
        return self._store.fetched(self._store.root, start, end)

    def look(self) -> Look | None:
        """Tell what it looks like now."""
        try:
            return objects.look(self._store.described(self._store.root))
        except InputError:
            return None

    def check(self) -> None:
        """Ask what is said of it."""
        self._store.described(self._store.root)

    def answering(self) -> AbstractContextManager[None]:
        """Turn errors of what is opened into sentences; see ``Store.answering``."""
        return self._store.answering()
