"""The table of a folder of cropped faces: what became of every photograph, as CSV.

RFC 4180 in UTF-8, with a row of headings. Numbers have as many digits as bring their float32 back. No text is a
formula to a spreadsheet; see ``facefeat.curate.cells``.

While a run is at work, its table has rows added at its end, and later ones stand for earlier ones of the same source.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facefeat.curate.cells import bare, guarded
from facefeat.errors import DamagedFile, ForeignFile, StorageError
from facefeat.features.store import durable

_POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
FACE = ("left", "top", "right", "bottom", "score", *(f"{point}_{axis}" for point in _POINTS for axis in "xy"))
COLUMNS = ("source", "output", "sha256", "faces", *FACE, "code", "message", "step")

PENDING = "pending"  # its output is to be written by the run at work
ORPHANED = "orphaned"  # a face that no source stands behind any more

_END = b"\r\n"


@dataclass(frozen=True, slots=True)  # there may be very many
class Row:
    """What became of one photograph.

    Attributes
    ----------
    source : str
        Path relative to the folder of photographs, forward slashes, as ``facefeat.data.folder`` writes names.
    output : str
        Path of the face relative to the folder of faces, likewise; ``''`` where there is none.
    sha256 : str
        Of the source's bytes, hex; ``''`` where they could not be read.
    faces : int or None
        How many faces of the photograph count; ``None`` where nobody knows.
    face : tuple of float
        The numbers of ``FACE``, those of lengths in pixels of the upright photograph; empty where no face was cut.
    code, message : str
        Why no face was cut: one of ``facefeat.data.picture.CODES``; or ``ORPHANED``; or ``''``.
    step : str
        Of the way it was cut; see ``facefeat.curate.crop.CropStep``.
    """

    source: str
    output: str
    sha256: str
    faces: int | None
    face: tuple[float, ...]
    code: str
    message: str
    step: str


def table(rows: Iterable[Row]) -> bytes:
    """Write a table as bytes.

    Parameters
    ----------
    rows : iterable of Row

    Returns
    -------
    bytes
    """
    return _lines([COLUMNS, *map(_cells, rows)])


def append(path: Path, rows: Iterable[Row]) -> None:
    """Add rows at the end of a table.

    Raises
    ------
    StorageError
    """
    with durable.storage_errors(path), path.open("ab") as file:
        file.write(_lines(map(_cells, rows)))


def read(path: Path, *, torn: bool = False) -> list[Row]:
    """Read a table.

    Parameters
    ----------
    path : Path
    torn : bool, default=False
        Whether its end may be torn, as a run that was killed leaves it: what cannot be read there is left out.

    Returns
    -------
    list of Row
        Empty where there is no such file.

    Raises
    ------
    ForeignFile
        If it has other columns.
    DamagedFile
        If a row cannot be read.
    StorageError
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    if not data.startswith(_lines([COLUMNS])):
        raise ForeignFile(f"{path} is no table of facefeat crop; move it away, or crop into another folder.")
    return list(_parsed(path, data[: data.rfind(_END) + len(_END)] if torn else data, torn))


def _parsed(path: Path, data: bytes, torn: bool) -> Iterator[Row]:
    """Yield the rows; of a torn table those before the first that cannot be read."""
    line = 1
    try:
        records = csv.reader(io.StringIO(data.decode(errors="replace" if torn else "strict"), newline=""), strict=True)
        next(records)
        for cells in records:
            yield _row(cells)
            line = records.line_num
    except (csv.Error, ValueError) as error:
        if not torn:
            raise DamagedFile(
                f"{path} is damaged after line {line:,}; mend it, or crop into another folder."
            ) from error


def _lines(records: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(records)
    return text.getvalue().encode()


def _cells(row: Row) -> list[str]:
    numbers = [str(np.float32(number)) for number in row.face] or [""] * len(FACE)
    count = "" if row.faces is None else str(row.faces)
    texts = [guarded(text) for text in (row.source, row.output, row.code, row.message)]
    return [*texts[:2], row.sha256, count, *numbers, *texts[2:], row.step]


def _row(cells: list[str]) -> Row:
    if len(cells) != len(COLUMNS):
        raise ValueError
    source, output, sha256, faces, *numbers, code, message, step = cells
    return Row(
        bare(source),
        bare(output),
        sha256,
        int(faces) if faces else None,
        tuple(float(np.float32(number)) for number in numbers) if any(numbers) else (),
        bare(code),
        bare(message),
        step,
    )
