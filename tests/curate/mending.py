"""What the tests of mending share: data sets of a few bytes, lists, and moves that fail."""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from facefeat.curate.mend import MOVES, Mended, apply_list, removed_folder

Tree = dict[str, bytes]
Asked = tuple[str, str, str]  # action, path as it is listed, person


def write(root: Path, tree: Mapping[str, bytes]) -> Path:
    for path, data in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def tree_of(root: Path) -> Tree:
    """Read all files of a folder, but for the record of moves."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != MOVES)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def write_asked(path: Path, asked: Sequence[Asked], columns: Sequence[str] = ("action", "path", "to")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *asked])
    return path


def apply(data: Path, *asked: Asked) -> Mended:
    return apply_list(data, write_asked(data.with_name("list.csv"), asked))


@contextmanager
def failing(after: int, code: int = errno.ENOSPC) -> Iterator[None]:
    """Let so many pictures be moved, and no more."""
    real, done = os.rename, 0

    def rename(source: Path, target: Path) -> None:
        nonlocal done
        done += 1
        if done > after:
            raise OSError(code, os.strerror(code))
        real(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", rename)
        yield


def removed(data: Path) -> Tree:
    folder = removed_folder(data)
    return tree_of(folder) if folder.exists() else {}
