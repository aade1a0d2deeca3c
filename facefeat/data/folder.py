"""A folder of people as a sorted listing; nothing is random and nothing is opened.

Names are kept as text that is always UTF-8: a byte that is not is written ``%HH``, and so is a ``%`` that
could be mistaken for one, so every name on disk has exactly one text and every text exactly one name.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from facefeat.errors import InputError, UsageError

SUFFIXES = frozenset(
    ["jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp", "tif", "tiff", "pgm", "ppm", "pbm", "avif", "heic", "heif"]
)
NOBODY = ""  # whose the pictures are that lie beside the folders, where they count
_IGNORED = frozenset({"thumbs.db", "desktop.ini"})


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
class DataSet:
    """A folder of people.

    Attributes
    ----------
    root : Path
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

    root: Path
    people: tuple[str, ...]
    entries: tuple[Entry, ...]
    empty: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()

    def file(self, path: str) -> Path:
        """Return where the file of an entry's path lies."""
        return self.root / unescaped(path)

    def read(self, path: str) -> bytes:
        """Return the bytes of an entry's file.

        Parameters
        ----------
        path : str

        Returns
        -------
        bytes

        Raises
        ------
        PictureRefused
            ``unreadable``, ``not_a_file``, ``empty`` or ``too_many_bytes``.
        """
        from facefeat.data import picture  # a listing alone decodes nothing

        return picture.read(self.file(path))


def list_people(root: str | Path) -> DataSet:
    """List a folder of people.

    Each subfolder is a person; every file in it, at any depth, is a picture of that person, whatever
    its name. Hidden files are left out. Folders that are links are not entered.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    DataSet

    Raises
    ------
    InputError
        If the folder is missing, is no folder, or has no subfolders with files; the sentence says what
        was found instead.
    """
    root = Path(root)
    folders, loose, linked = top_level(root)
    if not folders:
        raise InputError(_nobody(root, loose))
    real_root = os.path.realpath(root)
    files = {folder: sorted(_files(root, folder, real_root)) for folder in folders}
    people = tuple(folder for folder in folders if files[folder])
    if not people:
        raise InputError(
            f"{root} has subfolders but no files in them: one folder a person, with pictures, is expected."
        )
    if all("/" in path.partition("/")[2] for folder in people for path, _ in files[folder]):
        deeper = ", ".join(str(root / unescaped(folder)) for folder in people[:3])
        raise InputError(
            f"The subfolders of {root} hold only further folders: the people seem to be one level deeper. "
            f"Give one of these instead: {deeper}."
        )
    entries = (Entry(path, index, refusal) for index, folder in enumerate(people) for path, refusal in files[folder])
    empty = tuple(folder for folder in folders if not files[folder])
    return DataSet(root, people, tuple(entries), empty, tuple(loose), tuple(linked))


def list_strangers(root: str | Path) -> DataSet:
    """List a folder of people whose names do not matter: subfolders as ``list_people``, and the pictures beside them.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    DataSet
        The pictures beside the subfolders are those of a person called ``NOBODY``, which no folder can be called;
        their paths have no slash.

    Raises
    ------
    InputError
        If the folder is missing, is no folder, or holds no picture.
    """
    root = Path(root)
    folders, loose, linked = top_level(root)
    real_root = os.path.realpath(root)
    if any(next(_files(root, folder, real_root), None) for folder in folders):
        people = list_people(root)
    elif loose:
        people = DataSet(root, (), (), empty=tuple(folders), linked=tuple(linked))
    else:
        raise InputError(f"{root} holds no picture; folders of strangers are expected there, or pictures of them.")
    if not loose:
        return people
    singles = [Entry(name, 0, _loose_refusal(root / unescaped(name), real_root)) for name in loose]
    others = [replace(entry, person=entry.person + 1) for entry in people.entries]
    return replace(people, people=(NOBODY, *people.people), entries=(*singles, *others), loose=())


def top_level(root: Path) -> tuple[list[str], list[str], list[str]]:
    """Look at a folder without entering its subfolders.

    Parameters
    ----------
    root : Path

    Returns
    -------
    folders, loose, linked : list of str
        Subfolders, pictures beside them, and folders that are links; escaped and sorted, hidden ones left out.

    Raises
    ------
    InputError
        If the folder is missing, is no folder, or cannot be read.
    """
    try:
        with os.scandir(root) as found:
            entries = sorted((entry for entry in found if _counts(entry.name)), key=lambda entry: entry.name)
    except FileNotFoundError:
        raise InputError(f"There is no folder {root}.") from None
    except NotADirectoryError:
        raise InputError(f"{root} is a file; a folder with one subfolder a person is expected.") from None
    except OSError as error:
        raise InputError(f"The folder {root} cannot be read: {error.strerror}.") from error
    folders = sorted(escaped(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False))
    loose = [escaped(entry.name) for entry in entries if not entry.is_dir() and _looks_like_picture(entry.name)]
    linked = [escaped(entry.name) for entry in entries if entry.is_symlink() and entry.is_dir()]
    return folders, sorted(loose), sorted(linked)


def person_folder(name: str) -> str:
    """Return the name of a person's folder on disk, if it is a plain one.

    Parameters
    ----------
    name : str
        Escaped text.

    Returns
    -------
    str
        As the operating system has it.

    Raises
    ------
    UsageError
    """
    plain = unescaped(name)
    if not plain.strip() or plain.startswith(".") or any(sign in plain for sign in "/\\"):
        raise UsageError(
            f"The name must be that of a folder, without a slash and not beginning with a dot; '{name}' was given."
        )
    if plain != plain.strip() or any(unicodedata.category(sign) == "Cc" for sign in plain):
        raise UsageError(f"The name must have no blanks around it and no control characters; '{name}' was given.")
    return plain


def list_pictures(folder: str | Path) -> list[tuple[str, str]]:
    """List the files of one person's folder, at any depth, as ``list_people`` would.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    list of (path, refusal)
        Sorted; the escaped path below the folder, and the code where it is not to be read, else ``''``.
    """
    found = _files(Path(folder), os.curdir, os.path.realpath(folder))
    return sorted((path.removeprefix(f"{os.curdir}/"), refusal) for path, refusal in found)


def escaped(name: str) -> str:
    r"""Write a file name of the operating system as text that is always UTF-8.

    Examples
    --------
    >>> escaped("Zoë"), escaped("100%"), escaped("%41"), escaped("caf\udce9")
    ('Zoë', '100%', '%2541', 'caf%E9')
    """
    safe = re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", name)
    return re.sub(r"[\udc80-\udcff]", lambda match: f"%{ord(match[0]) - 0xDC00:02X}", safe)


def unescaped(text: str) -> str:
    r"""Turn escaped text back into the operating system's file name.

    Examples
    --------
    >>> [unescaped(escaped(name)) == name for name in ("Zoë", "100%", "%41", "caf\udce9")]
    [True, True, True, True]
    """

    def one(match: re.Match[str]) -> str:
        byte = int(match[1], 16)
        return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)

    return re.sub(r"%([0-9A-Fa-f]{2})", one, text)


def printable(text: str) -> str:
    r"""Replace control characters, so that a name on disk cannot steer a terminal.

    Examples
    --------
    >>> printable("Ann\x1b[31m\n")
    'Ann�[31m�'
    """
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _nobody(root: Path, loose: list[str]) -> str:
    expected = f"one subfolder a person is expected, such as {root / 'Anna' / '1.jpg'}"
    if loose:
        return f"{root} holds {len(loose)} picture{'s' if len(loose) > 1 else ''} but no subfolders; {expected}."
    return f"{root} has no subfolders; {expected}."


def _files(root: Path, folder: str, real_root: str) -> Iterator[tuple[str, str]]:
    """Walk one person's folder; yield escaped paths with the listing's refusal, if any."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(root / unescaped(current)) as found:
                entries = [entry for entry in found if _counts(entry.name)]
        except OSError:
            yield current, "unreadable"
            continue
        for entry in entries:
            path = f"{current}/{escaped(entry.name)}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif entry.is_symlink():
                yield path, _link_refusal(entry.path, real_root)
            else:
                yield path, ""


def _link_refusal(path: str, real_root: str) -> str:
    """Refuse links that lead out of the data set, or to a folder."""
    target = os.path.realpath(path)
    if os.path.commonpath([target, real_root]) != real_root:
        return "link_outside"
    return "not_a_file" if os.path.isdir(target) else ""


def _loose_refusal(file: Path, real_root: str) -> str:
    return _link_refusal(str(file), real_root) if file.is_symlink() else ""


def _counts(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _IGNORED


def _looks_like_picture(name: str) -> bool:
    return name.rpartition(".")[2].lower() in SUFFIXES
