"""What a data set is, wherever its pictures lie: people, and pictures that can be read and looked at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from facefeat.data.regular import Look

Where = list[str | int | None] | None  # what reading one picture takes, as JSON has it
Place = TypeVar("Place", Path, str)  # where a data set lies


@dataclass(frozen=True, slots=True)  # there may be very many
class Entry:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Relative to the data set, forward slashes, escaped text.
    person : int
        Index into the data set's people.
    refusal : str
        A code where the listing already knows that the file is not to be read (``link_outside``), else ``''``.
    """

    path: str
    person: int
    refusal: str = ""


@dataclass(frozen=True)
class Listing(ABC):
    """People and their pictures, wherever these lie.

    Attributes
    ----------
    root : Path or str
        A folder or a file, or an address without what is secret in it.
    people : tuple of str
        Sorted; the names of the subfolders that hold at least one file.
    entries : tuple of Entry
        Sorted by person, then path.
    empty : tuple of str
        Subfolders without a file.
    loose : tuple of str
        Pictures, by their suffix, that lie beside the subfolders and so belong to nobody.
    linked : tuple of str
        Folders that are links, which are not entered.
    """

    root: Path | str
    people: tuple[str, ...]
    entries: tuple[Entry, ...]
    empty: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()

    @property
    def at_once(self) -> int:
        """Pictures to be read side by side at least: several where reading is mostly waiting."""
        return 1

    @property
    @abstractmethod
    def place(self) -> bytes:
        """What tells this data set from others."""

    @abstractmethod
    def bare(self) -> Listing:
        """Return the same data set without its entries, for other machines: it reads what it is told of (``read_at``).

        Pickling it takes along no connections and no credentials but those that stand in an address.
        """

    @abstractmethod
    def where(self, path: str) -> Where:
        """Return what reading an entry's file takes beside its path; ``None`` where that is nothing."""

    def read(self, path: str) -> bytes:
        """Return the bytes of an entry's file; see ``read_at``."""
        return self.read_at(path, self.where(path))

    def check(self) -> None:
        """Raise why nothing of it can be read, where that can be told.

        Raises
        ------
        InputError, Unreachable, MissingExtra, MissingPackage
        """
        return

    @abstractmethod
    def read_at(self, path: str, where: Where) -> bytes:
        """Return the bytes of a file, also where this listing is without its entries.

        Parameters
        ----------
        path : str
            Of an entry.
        where : list or None
            What the whole listing's ``where`` says of it.

        Returns
        -------
        bytes

        Raises
        ------
        PictureRefused
            ``unreadable``, ``not_a_file``, ``empty``, ``changed`` or ``too_many_bytes``.
        Unreachable
            If none can be read now.
        """

    @abstractmethod
    def look(self, path: str, again: bool = False) -> Look | None:
        """Tell what an entry's file looks like without reading it, or ``None`` where that cannot be told.

        Parameters
        ----------
        path : str
        again : bool, default=False
            Ask now, where it may be known since the listing.

        Returns
        -------
        Look or None
        """
