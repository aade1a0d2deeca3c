"""Texts as cells of a CSV that no spreadsheet takes for a formula.

A text that could be taken for one is written with ``./`` before it, and so is one that begins with ``./`` itself; a
path so written still leads to its file, and ``bare`` takes the ``./`` off again.
"""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_GUARD = "./"


def guarded(text: str) -> str:
    """Write a text so that it is no formula.

    Examples
    --------
    >>> guarded("=1/1.jpg"), guarded("./a"), guarded("Anna/1.jpg")
    ('./=1/1.jpg', '././a', 'Anna/1.jpg')
    """
    return _GUARD + text if text.startswith((*_FORMULA, _GUARD)) else text


def bare(text: str) -> str:
    """Read a text as it was before ``guarded``.

    Examples
    --------
    >>> bare("./=1/1.jpg"), bare("Anna/1.jpg")
    ('=1/1.jpg', 'Anna/1.jpg')
    """
    return text.removeprefix(_GUARD)
