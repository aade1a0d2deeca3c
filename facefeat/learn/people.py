"""People of two data sets, matched by their names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from facefeat.data.folder import escaped, unescaped
from facefeat.errors import unknown_name


def matched(theirs: tuple[str, ...], ours: tuple[str, ...]) -> NDArray[np.int64]:
    """Return for each of their people the index of ours of the same name; -1 where there is none."""
    index = {composed(name): i for i, name in enumerate(ours)}
    return np.array([index.get(composed(name), -1) for name in theirs], np.int64)


def composed(name: str) -> str:
    """Write a name in the one form in which accents belong to their letters (NFC)."""
    return unicodedata.normalize("NFC", name)


def known_as(name: str, people: Iterable[str]) -> str:
    """Return what a file calls somebody; the name may be written as the file, the disk or another system has it.

    Raises
    ------
    UsageError
        If there is nobody of that name; the sentence has the nearest.
    """
    there = tuple(people)
    by_form = {composed(one): one for one in reversed(there)}
    for one in (name, escaped(name), escaped(unescaped(name))):
        if one in there or composed(one) in by_form:
            return one if one in there else by_form[composed(one)]
    raise unknown_name("person", name, there)


def some_of(names: tuple[str, ...]) -> str:
    """Name the first three."""
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
