"""Mending a data set by a list that a person has looked at: pictures are moved, never deleted, and can be moved back."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facefeat.curate.cells import bare, guarded
from facefeat.curate.findings import ACTIONS, Finding
from facefeat.data import picture
from facefeat.data.folder import DataSet, escaped, list_people, unescaped
from facefeat.errors import DamagedFile, InputError, PictureRefused, StorageError, UsageError, unknown_name
from facefeat.features.store import durable

COLUMNS = ("action", "path", "to", "kind", "reason", "other", "value", "sha256")
MOVES = ".moves.csv"  # what was moved, in the folder of what was removed; hidden, as nobody's folder is
_RECORDED = ("from", "place", "to")
MOST_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class Move:
    """One picture that goes from one place to another.

    Attributes
    ----------
    source, target : Path
    """

    source: Path
    target: Path


@dataclass(frozen=True)
class Mended:
    """What was moved.

    Attributes
    ----------
    removed, moved, restored : int
        Pictures that left the data set, that went to another person, and that came back.
    folder : Path
        Where removed pictures lie, with the record of all moves.
    left : tuple of str
        What could not be put back, each with why.
    """

    removed: int
    moved: int
    restored: int
    folder: Path
    left: tuple[str, ...] = ()


def removed_folder(data: Path) -> Path:
    """Return where pictures go that leave a data set: a folder beside it."""
    whole = Path(os.path.abspath(data))
    return whole.with_name(f"{whole.name}-removed")


def write_list(findings: Iterable[Finding], dataset: DataSet, path: Path) -> int:
    """Write what is proposed, a row a finding, to be looked at and changed.

    Parameters
    ----------
    findings : iterable of Finding
    dataset : DataSet
    path : Path
        CSV in UTF-8 with ``COLUMNS``. ``action`` is empty, ``remove``, or ``move``, which goes to the person ``to``.
        No cell is a formula to a spreadsheet; see ``facefeat.curate.cells``.

    Returns
    -------
    int
        Rows that propose an action; of several about one picture only the first does.

    Raises
    ------
    StorageError
    """
    text, acted = io.StringIO(newline=""), set()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for one in findings:
        action = one.action if one.path not in acted else ""
        if action:
            acted.add(one.path)
        value = "" if one.value is None else f"{one.value:.6g}"
        digest = "" if one.kind == "few" else _sha256(dataset.file(one.path))
        cells = (action, one.path, one.to, one.kind, one.reason, one.other, value, digest)
        rows.writerow(map(guarded, cells))
    durable.write(path, text.getvalue().encode("utf-8", "surrogateescape"))
    return len(acted)


def apply_list(data: str | Path, table: str | Path) -> Mended:
    """Carry out the actions of a list, all of them or, where one cannot be, none.

    Parameters
    ----------
    data : path-like
        The data set.
    table : path-like
        As ``write_list`` writes it. Only ``action`` and ``path`` are needed, and ``to`` for moves; where there is a
        ``sha256``, the picture must still be that one.

    Returns
    -------
    Mended

    Raises
    ------
    InputError
        If there is no such list, or it asks for what cannot be done; the sentence names the line.
    StorageError
        What was moved until then is recorded, and ``restore`` brings it back.
    """
    dataset = list_people(data)
    folder = removed_folder(dataset.root)
    moves = list(_moves(dataset, folder, _rows(Path(table))))
    _carry_out(moves, folder, dataset.root)
    inside = Path(os.path.abspath(dataset.root))
    moved = sum(move.target.is_relative_to(inside) for move in moves)
    return Mended(len(moves) - moved, moved, 0, folder)


def restore(data: str | Path) -> Mended:
    """Put back whatever lists have moved, the last first.

    Parameters
    ----------
    data : path-like
        The data set.

    Returns
    -------
    Mended

    Raises
    ------
    InputError
        If nothing was ever moved.
    DamagedFile
        If the record of moves is none.
    StorageError
    """
    root = Path(os.path.abspath(data))
    folder = removed_folder(root)
    record = folder / MOVES
    if not record.is_file():
        raise InputError(f"Nothing was moved out of {data}: there is no {record}.")
    moves = _recorded(record, root, folder)
    kept: list[Move] = []
    left, restored = [], 0
    for move in reversed(moves):
        if not os.path.lexists(move.target):
            continue  # the run was stopped between the record and the move
        if taken := _in_the_way(move, kept):
            left.append(f"{escaped(str(move.target))}: there is another {escaped(str(taken))}")
            kept.append(move)
            continue
        with durable.storage_errors(move.source):
            move.source.parent.mkdir(parents=True, exist_ok=True)
            os.rename(move.target, move.source)
        restored += 1
    _record(record, root, folder, kept[::-1])
    _tidy(folder)
    return Mended(0, 0, restored, folder, tuple(left))


def _in_the_way(move: Move, kept: list[Move]) -> Path | None:
    """Return the place that something else has taken: where a picture was, or where it went before it went further."""
    if os.path.lexists(move.source):
        return move.source
    return move.target if any(move.target == later.source for later in kept) else None


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows that ask for something, with their line's number."""
    try:
        data = table.read_bytes() if table.stat().st_size <= MOST_BYTES else b""
        text = data.decode("utf-8-sig", "surrogateescape")  # spreadsheets put a mark in front
    except OSError as error:
        raise InputError(f"The list {table} cannot be read: {error.strerror}.") from error
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if not {"action", "path"} <= set(rows.fieldnames or ()):
            raise InputError(
                f"{table} is no list of what to do: its first line has to name the columns action and path."
            )
        for row in rows:
            if (row["action"] or "").strip():
                yield rows.line_num, {name: bare(value or "") for name, value in row.items() if name}
    except csv.Error as error:
        raise InputError(f"{table} is no CSV after line {rows.line_num}: {error}.") from error


def _moves(dataset: DataSet, folder: Path, rows: Iterable[tuple[int, dict[str, str]]]) -> Iterator[Move]:
    """Yield where each picture goes, if all of them can."""
    known = {entry.path for entry in dataset.entries}
    taken: set[Path] = set()
    root = Path(os.path.abspath(dataset.root))
    for line, row in rows:
        action, path, to = row["action"].strip().lower(), row["path"], row.get("to", "")
        if action not in ACTIONS:
            raise InputError(f"Line {line}: {unknown_name('action', action, ACTIONS[1:])}")
        if path not in known:
            raise InputError(f"Line {line}: '{path}' is no picture of {dataset.root}, or stands twice in the list.")
        known.discard(path)
        source = root / unescaped(path)
        if row.get("sha256") and _sha256(source) != row["sha256"]:
            raise InputError(f"Line {line}: {path} is another picture than when the list was written; write it anew.")
        target = folder / unescaped(path)
        if action == "move":
            target = _person(line, path, to, root) / source.name
        while os.path.lexists(target) or target in taken:
            target = _next(target)
        taken.add(target)
        yield Move(source, target)


def _person(line: int, path: str, to: str, root: Path) -> Path:
    """Return the folder of the person that a picture is to go to."""
    name = unescaped(to)
    if not name or name.startswith(".") or "/" in name or os.sep in name or "\0" in name:
        raise InputError(f"Line {line}: 'move' needs the name of a person in the column to; '{to}' was given.")
    if name == unescaped(path.partition("/")[0]):
        raise InputError(f"Line {line}: {path} lies in the folder of {to} already.")
    person = root / name
    if person.is_symlink() or (person.exists() and not person.is_dir()):
        raise InputError(f"Line {line}: {to} is a link or a file in {root}; a person is a folder.")
    return person


def _next(path: Path) -> Path:
    """Return the next free kind of name: a.jpg, a-2.jpg, a-3.jpg."""
    stem, _, number = path.stem.rpartition("-")
    if stem and number.isdecimal() and len(number) < 6:
        return path.with_name(f"{stem}-{int(number) + 1}{path.suffix}")
    return path.with_name(f"{path.stem}-2{path.suffix}")


def _carry_out(moves: list[Move], folder: Path, root: Path) -> None:
    """Record each move, then move: whatever happens, the record knows of it."""
    if not moves:
        return
    whole, record = Path(os.path.abspath(root)), folder / MOVES
    _make_room(folder, moves)
    before = _recorded(record, whole, folder) if record.exists() else []
    _record(record, whole, folder, [*before, *moves])
    for done, move in enumerate(moves):
        try:
            os.rename(move.source, move.target)
        except OSError as error:
            raise StorageError(
                f"{escaped(str(move.source))} cannot be moved: {error.strerror}. {done} of {len(moves)} pictures were "
                f"moved before it; facefeat doctor {root} --undo puts them back."
            ) from error


def _make_room(folder: Path, moves: list[Move]) -> None:
    """Make the folders that pictures go to, before any is moved."""
    with durable.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for move in moves:
        source, target = move.source.parent, move.target.parent
        with durable.storage_errors(target):
            target.mkdir(parents=True, exist_ok=True)
            if os.stat(source).st_dev != os.stat(target).st_dev:
                raise StorageError(f"{target} is on another disk than {source}; nothing was moved.")


def _record(record: Path, root: Path, folder: Path, moves: list[Move]) -> None:
    """Write down all moves, sources relative to the data set, targets to it or to the folder beside it."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(_RECORDED)
    for move in moves:
        place = "data" if move.target.is_relative_to(root) else "removed"
        base = root if place == "data" else folder
        source, target = move.source.relative_to(root), move.target.relative_to(base)
        rows.writerow((guarded(escaped(str(source))), place, guarded(escaped(str(target)))))
    durable.write(record, text.getvalue().encode())


def _recorded(record: Path, root: Path, folder: Path) -> list[Move]:
    try:
        rows = csv.DictReader(io.StringIO(record.read_bytes().decode(), newline=""), strict=True)
        if tuple(rows.fieldnames or ()) != _RECORDED:
            raise ValueError
        moves = []
        for row in rows:
            source, target = unescaped(bare(row["from"])), unescaped(bare(row["to"]))
            if any(Path(name).is_absolute() or ".." in Path(name).parts for name in (source, target)):
                raise ValueError
            moves.append(Move(root / source, {"data": root, "removed": folder}[row["place"]] / target))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DamagedFile(f"{record} is damaged: it does not say what was moved where.") from error
    return moves


def _tidy(folder: Path) -> None:
    """Take away what is empty of a folder whose pictures were put back, and its record with the last of them."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    if [path.name for path in folder.iterdir()] == [MOVES] and len((folder / MOVES).read_bytes().splitlines()) == 1:
        (folder / MOVES).unlink()
        folder.rmdir()


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(picture.read(path)).hexdigest()
    except PictureRefused:
        return ""


def check_options(apply: Path | None, undo: bool, others: Iterable[object]) -> None:
    """Refuse options that ask for looking and for mending at once.

    Raises
    ------
    UsageError
    """
    if apply and undo:
        raise UsageError("--apply moves pictures and --undo moves them back; give one of the two.")
    if (apply or undo) and any(others):
        raise UsageError(
            "--apply and --undo only move pictures; --against, --fix and --html belong to looking at them."
        )
