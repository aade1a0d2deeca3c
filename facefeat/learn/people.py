"""People of two data sets, matched by their names."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray


def matched(theirs: tuple[str, ...], ours: tuple[str, ...]) -> NDArray[np.int64]:
    """Return for each of their people the index of ours of the same name; -1 where there is none."""
    index = {composed(name): i for i, name in enumerate(ours)}
    return np.array([index.get(composed(name), -1) for name in theirs], np.int64)


def composed(name: str) -> str:
    """Write a name in the one form in which accents belong to their letters (NFC)."""
    return unicodedata.normalize("NFC", name)


def some_of(names: tuple[str, ...]) -> str:
    """Name the first three."""
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
