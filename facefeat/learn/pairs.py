"""Pairs of pictures in the format of Labeled Faces in the Wild, and which files they mean.

The first line says how many folds there are and how many pairs of each kind a fold has (``10 300``); LFW's development
sets have one number, and one fold. Then, fold by fold, come the pairs of one person (``name i j``), and as many of two
(``name i name j``). G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller, "Labeled Faces in the Wild", Technical Report
07-49, University of Massachusetts, Amherst, 2007.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefeat.data import regular
from facefeat.errors import InputError, StorageError

MOST_BYTES = 64 * 1024**2

_EXAMPLE = "such as '10 300', or of pairs alone, such as '500'"
_FIELDS = {3: ("one person", "name, picture, picture"), 4: ("two people", "name, picture, name, picture")}
_SHOWN = 60  # characters of a line that is refused

Picture = tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """Two pictures.

    Attributes
    ----------
    first, second : tuple of (str, str)
        Name of the person, and the picture: its number, file name or stem.
    line : int
        Where it stands, from 1; it does not count when pairs are compared.
    """

    first: Picture
    second: Picture
    line: int = field(default=0, compare=False)

    @property
    def mated(self) -> bool:
        """Whether both are of one person."""
        return composed(self.first[0]) == composed(self.second[0])


@dataclass(frozen=True)
class Pairs:
    """The pairs of a protocol.

    Attributes
    ----------
    n_folds : int
    n_each : int
        Pairs of one person in a fold; there are as many of two.
    pairs : tuple of Pair, length 2 * n_folds * n_each
        Fold by fold, in each those of one person first.
    """

    n_folds: int
    n_each: int
    pairs: tuple[Pair, ...]

    @property
    def fold(self) -> NDArray[np.int64]:
        """The fold of each pair, from 0; shape (n_pairs,)."""
        return np.repeat(np.arange(self.n_folds), 2 * self.n_each)

    @property
    def mated(self) -> NDArray[np.bool_]:
        """Whether each pair is of one person, shape (n_pairs,)."""
        return np.tile(np.repeat([True, False], self.n_each), self.n_folds)


def read_pairs(path: str | Path) -> Pairs:
    """Read a file of pairs; see ``parse_pairs``.

    Raises
    ------
    InputError
        Also where there is no such file, or it is no text.
    StorageError
    """
    try:
        with open(regular.opened(path), "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"There is no file of pairs {path}.") from None
    except regular.NotRegular as error:
        raise InputError(f"{path} is {error.strerror}; a file of pairs is expected.") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES // 1024**2} MB; a file of pairs is expected.")
    try:
        return parse_pairs(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8; a file of pairs is expected.") from None


def parse_pairs(text: str, whose: str = "the pairs") -> Pairs:
    r"""Read pairs in LFW's format.

    Fields are separated by tabs, or by blanks in a line without a tab. Empty lines do not count.

    Parameters
    ----------
    text : str
    whose : str
        What the text is, for sentences.

    Returns
    -------
    Pairs

    Raises
    ------
    InputError
        Naming the line that is wrong.

    Examples
    --------
    >>> found = parse_pairs("1\nAda\t1\t2\nAda\t1\tBob\t3\n")
    >>> found.n_folds, [pair.mated for pair in found.pairs]
    (1, [True, False])
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise InputError(
            f"There is no line in {whose}; the first must hold the number of folds and of pairs, {_EXAMPLE}."
        )
    n_folds, n_each = _counts(*lines[0], whose)
    total, pairs = 2 * n_folds * n_each, []
    for (number, line), index in zip(lines[1:], range(total), strict=False):
        pairs.append(_pair(number, line, index, n_each, whose))
    if len(lines) - 1 > total:
        raise InputError(
            f"Line {lines[total + 1][0]} of {whose} is one too many: line {lines[0][0]} announces {total} pairs in all."
        )
    if len(pairs) < total:
        fold, rest = divmod(len(pairs), 2 * n_each)
        raise InputError(
            f"Line {lines[-1][0]} of {whose} is the last, but fold {fold + 1} of {n_folds} is short: it has "
            f"{min(rest, n_each)} of {n_each} pairs of one person and {max(rest - n_each, 0)} of {n_each} of two people."
        )
    return Pairs(n_folds, n_each, tuple(pairs))


def _counts(number: int, line: str, whose: str) -> tuple[int, int]:
    counts = [int(text) for text in _fields(line) if re.fullmatch("[0-9]{1,9}", text)]
    if len(counts) != len(_fields(line)) or len(counts) > 2 or not all(counts):
        raise InputError(
            f"Line {number} of {whose} must hold the number of folds and of pairs in each, {_EXAMPLE}; "
            f"it holds '{line[:_SHOWN]}'."
        )
    return (1, counts[0]) if len(counts) == 1 else (counts[0], counts[1])


def _pair(number: int, line: str, index: int, n_each: int, whose: str) -> Pair:
    """Read the pair that stands at an index after the first line."""
    fold, place = divmod(index, 2 * n_each)
    n_fields = 3 if place < n_each else 4
    fields, (of, names) = _fields(line), _FIELDS[n_fields]
    if len(fields) != n_fields or not all(fields):
        what = f"{len(fields)} fields" if all(fields) else "an empty field"
        tabs = " Where names hold blanks, tabs must stand between the fields." if "\t" not in line else ""
        raise InputError(
            f"Line {number} of {whose} has {what}, but pair {place % n_each + 1} of {n_each} of {of} in fold {fold + 1} "
            f"is expected there, with {n_fields}: {names}.{tabs}"
        )
    name, first, *other, second = fields
    pair = Pair((name, first), (other[0] if other else name, second), number)
    if n_fields == 4 and pair.mated:
        raise InputError(f"Line {number} of {whose} should be of two people, but names {name} twice.")
    if pair.mated and _number(first) == _number(second):
        raise _itself(pair, whose)
    return pair


def _fields(line: str) -> list[str]:
    return [text.strip() for text in line.split("\t")] if "\t" in line else line.split()


def _number(text: str) -> int | str:
    """Return the number that a picture is called, or what else it is called."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else text


def _itself(pair: Pair, whose: str) -> InputError:
    name, first, second = *pair.first, pair.second[1]
    return InputError(f"Line {pair.line} of {whose} compares a picture with itself: {name}'s {first} and {second}.")


class Listing:
    """Pictures of a folder of people, by what a file of pairs may call them.

    A number ``i`` is the picture ``NAME/NAME_000i`` with any suffix, or else the one whose stem is that number, such as
    ``NAME/i``, ``NAME/0i`` and ``NAME/000i``. Any other word is a file's name or its stem.

    Parameters
    ----------
    paths : sequence of str
        Relative to the data set, forward slashes.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._rows: dict[str, dict[tuple[str, int | str], list[int]]] = {}
        for row, path in enumerate(paths):
            name, _, inner = path.partition("/")
            known = self._rows.setdefault(composed(name), {})
            for key in dict.fromkeys(_keys(inner)):
                known.setdefault(key, []).append(row)

    @property
    def people(self) -> tuple[str, ...]:
        """Their names, as they are compared."""
        return tuple(self._rows)

    def find(self, picture: Picture) -> list[int]:
        """Return the indices of all pictures that fit best; none where there is no such picture."""
        name, text = composed(picture[0]), composed(picture[1])
        known, number = self._rows.get(name, {}), _number(text)
        wanted: list[tuple[str, int | str]] = [("file", text), ("stem", text)]
        if isinstance(number, int):
            wanted = [("stem", f"{name}_{number:04d}"), ("stem", text), ("number", number), ("file", text)]
        return next((known[key] for key in wanted if key in known), [])


def _keys(inner: str) -> Iterator[tuple[str, int | str]]:
    """Yield what a picture may be called; ``inner`` is its path in the person's folder."""
    whole = composed(inner)
    file = whole.rpartition("/")[2]
    stem = file.rpartition(".")[0] or file
    yield from (("file", whole), ("file", file), ("stem", stem))
    if isinstance(number := _number(stem), int):
        yield "number", number


def composed(name: str) -> str:
    """Write a name in the one form in which accents belong to their letters (NFC)."""
    return unicodedata.normalize("NFC", name)


def locate(pairs: Pairs, paths: Sequence[str], data: str, whose: str = "the pairs") -> NDArray[np.int64]:
    """Find the pictures of pairs.

    Parameters
    ----------
    pairs : Pairs
    paths : sequence of str
        Of the pictures there are.
    data, whose : str
        Where the pictures lie, and what the pairs are, for sentences.

    Returns
    -------
    ndarray of shape (n_pairs, 2), int64
        Indices into ``paths``; -1 where there is no such picture.

    Raises
    ------
    InputError
        Where a word fits several pictures, both of a pair are one picture, or no pair fits any.
    """
    listing = Listing(paths)
    found = np.full((len(pairs.pairs), 2), -1, np.int64)
    for index, pair in enumerate(pairs.pairs):
        for side, picture in enumerate((pair.first, pair.second)):
            rows = listing.find(picture)
            if len(rows) > 1:
                some = " and ".join(paths[row] for row in rows[:2])
                raise InputError(
                    f"Line {pair.line} of {whose} means several pictures by {picture[0]}'s {picture[1]}: {some}; "
                    "give the file's name there."
                )
            found[index, side] = rows[0] if rows else -1
        if found[index, 0] == found[index, 1] >= 0:
            raise _itself(pair, whose)
    if (found < 0).all():
        pair, names = pairs.pairs[0], listing.people
        some = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
        raise InputError(
            f"No picture of {whose} is in {data}, whose people are {some}: line {pair.line} is about {pair.first[0]}'s "
            f"{pair.first[1]}."
        )
    return found
