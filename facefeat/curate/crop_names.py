"""What the faces of a folder of photographs are called."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence

from facefeat.data.folder import SUFFIXES, unescaped

SUFFIX = ".png"
LONGEST = 200  # bytes of a name; a file is written under a longer one before it is renamed


def output_names(sources: Sequence[str]) -> dict[str, str]:
    """Name the face of every photograph; no two get one name, and none that of a folder.

    A face lies where its photograph lies and has its name, with ``.png`` for the suffix of a picture. All whose names
    would then be the same, be it but for capitals, keep their suffix before it. A name that is too long to be written
    becomes its hash.

    Parameters
    ----------
    sources : sequence of str
        Paths of files, all of them, as ``facefeat.data.folder`` writes them.

    Returns
    -------
    dict of str to str
        By source. It depends on which sources there are, and on nothing else.

    Examples
    --------
    >>> list(output_names(["ada/1.jpg", "ada/2.JPG", "ada/2.png", "ada/notes"]).values())
    ['ada/1.png', 'ada/2.JPG.png', 'ada/2.png.png', 'ada/notes.png']
    """
    folders = {folder for source in sources for folder in _folders(source)}
    whole: set[str] = set()
    named = {source: _name(_stem(source)) for source in sources}
    while True:  # a whole name may meet another's short one
        taken = Counter(name.casefold() for name in (*named.values(), *folders))
        clashing = {source for source in sources if source not in whole and taken[named[source].casefold()] > 1}
        if not clashing:
            return named
        whole |= clashing
        named |= {source: _whole(source, folders) for source in clashing}


def _folders(source: str) -> Iterator[str]:
    """Yield the folders that a file lies in."""
    while source := source.rpartition("/")[0]:
        yield source


def _stem(source: str) -> str:
    """Return a path without the suffix of a picture."""
    stem, _, suffix = source.rpartition(".")
    return stem if suffix.lower() in SUFFIXES else source


def _whole(source: str, folders: set[str]) -> str:
    stem = source
    while (name := _name(stem)) in folders:
        stem += SUFFIX
    return name


def _name(stem: str) -> str:
    folder, _, name = f"{stem}{SUFFIX}".rpartition("/")
    if len(os.fsencode(unescaped(name))) > LONGEST:
        name = hashlib.sha256(stem.encode()).hexdigest()[:32] + SUFFIX
    return f"{folder}/{name}"
