"""A folder of people as a sorted listing; nothing is random and nothing is opened.

Names are kept as text that is always UTF-8: a byte that is not is written ``%HH``, and so is a ``%`` that
could be mistaken for one, so every name on disk has exactly one text and every text exactly one name.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facefeat.data import regular
from facefeat.data.listing import Entry, Listing, Place, Where
from facefeat.data.regular import Look
from facefeat.errors import InputError, UsageError

SUFFIXES = frozenset(
    ["jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp", "tif", "tiff", "pgm", "ppm", "pbm", "avif", "heic", "heif"]
)
NOBODY = ""  # whose the pictures are that lie beside the folders, where they count
_IGNORED = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class DataSet(Listing):
    """A folder of people.

    Attributes
    ----------
    root : Path
    """

    root: Path

    def file(self, path: str) -> Path:
        """Return where the file of an entry's path lies."""
        return self.root / unescaped(path)

    @property
    def place(self) -> bytes:
        """The folder itself, whatever links lead to it."""
        return os.fsencode(os.path.realpath(self.root))

    def bare(self) -> DataSet:
        """Return the same folder without its entries; see ``Listing``."""
        return DataSet(self.root.absolute(), (), ())

    def where(self, path: str) -> None:
        """Nothing beside the path; see ``Listing``."""
        return

    def read_at(self, path: str, where: Where) -> bytes:
        """Return the bytes of a file; see ``Listing``."""
        from facefeat.data import picture  # a listing alone decodes nothing

        return picture.read(self.file(path))

    def look(self, path: str, again: bool = False) -> Look | None:
        """Tell what an entry's file looks like; see ``Listing``."""
        return regular.look(self.file(path))


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
    real_root = os.path.realpath(root)
    return DataSet(*arranged(root, {folder: _files(root, folder, real_root) for folder in folders}, loose, linked))


def arranged(
    root: Place,
    found: Mapping[str, Iterable[tuple[str, str]]],
    loose: Sequence[str],
    linked: Sequence[str] = (),
    *,
    nested: bool = False,
) -> tuple[Place, tuple[str, ...], tuple[Entry, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Put what was found into the order of a listing.

    Parameters
    ----------
    root : Path or str
    found : mapping of str to iterable of (path, refusal)
        The files of each folder; both escaped.
    loose, linked : sequence of str
    nested : bool, default=False
        Files may all lie in further folders.

    Returns
    -------
    tuple
        The attributes of a ``Listing``, in its order.

    Raises
    ------
    InputError
        If there are no folders with files; the sentence says what was found instead.
    """
    if not found:
        raise InputError(_nobody(root, loose))
    folders = sorted(found)
    files = {folder: sorted(found[folder]) for folder in folders}
    people = tuple(folder for folder in folders if files[folder])
    if not people:
        raise InputError(
            f"{root} has subfolders but no files in them: one folder a person, with pictures, is expected."
        )
    if not nested and all("/" in path.partition("/")[2] for folder in people for path, _ in files[folder]):
        deeper = ", ".join(_below(root, unescaped(folder)) for folder in people[:3])
        raise InputError(
            f"The subfolders of {root} hold only further folders: the people seem to be one level deeper. "
            f"Give one of these instead: {deeper}."
        )
    entries = (Entry(path, index, refusal) for index, folder in enumerate(people) for path, refusal in files[folder])
    empty = tuple(folder for folder in folders if not files[folder])
    return root, people, tuple(entries), empty, tuple(sorted(loose)), tuple(sorted(linked))


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
            entries = sorted((entry for entry in found if counts(entry.name)), key=lambda entry: entry.name)
    except FileNotFoundError:
        raise InputError(f"There is no folder {root}.") from None
    except NotADirectoryError:
        tar = "; a tar is read by facefeat extract only" if root.suffix.lower() == ".tar" else ""
        raise InputError(f"{root} is a file; a folder with one subfolder a person is expected{tar}.") from None
    except OSError as error:
        raise InputError(f"The folder {root} cannot be read: {error.strerror}.") from error
    folders = sorted(escaped(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False))
    loose = [escaped(entry.name) for entry in entries if not entry.is_dir() and looks_like_picture(entry.name)]
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


def _below(root: Path | str, name: str) -> str:
    return str(root / name) if isinstance(root, Path) else f"{root}/{name}"


def _nobody(root: Path | str, loose: Sequence[str]) -> str:
    expected = f"one subfolder a person is expected, such as {_below(root, os.path.join('Anna', '1.jpg'))}"
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
                entries = [entry for entry in found if counts(entry.name)]
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


def inside(name: str) -> tuple[str, str] | None:
    """Read a name that is no file's, with slashes, as the listing of a folder would.

    Parameters
    ----------
    name : str

    Returns
    -------
    path, refusal : str
        Escaped text, and the code where it is not to be read. ``None`` where something in it is hidden.

    Examples
    --------
    >>> inside("ada/1.png"), inside("ada/.git/1.png"), inside("ada/../bob/1.png")
    (('ada/1.png', ''), None, ('ada/%2E%2E/bob/1.png', 'link_outside'))
    """
    parts = name.split("/")
    if not all(counts(part) for part in parts if part not in ("", "..")):
        return None
    path = "/".join("%2E%2E" if part == ".." else escaped(part) for part in parts)
    return path, "link_outside" if ".." in parts else ""


def counts(name: str) -> bool:
    """Tell whether a file or folder of that name is looked at: hidden ones are not."""
    return not name.startswith(".") and name.lower() not in _IGNORED


def looks_like_picture(name: str) -> bool:
    """Tell whether a name ends as those of pictures do."""
    return name.rpartition(".")[2].lower() in SUFFIXES
