"""What a run that crops faces finds, has to do, and leaves: the table, and its part while the run is at work."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from facefeat.curate import crop_table
from facefeat.curate.crop_cut import CropStep, name_of, refusal
from facefeat.curate.crop_names import output_names
from facefeat.curate.crop_table import ORPHANED, PENDING, Row
from facefeat.data import picture
from facefeat.data.folder import DataSet, unescaped
from facefeat.data.listing import Entry
from facefeat.errors import PictureRefused, UsageError
from facefeat.features import hashes
from facefeat.features.recipe import canonical_json
from facefeat.features.store import durable

TABLE = "faces.csv"

_NOTE = ".faces.json"  # says in full how the faces of the table were cut
_LEFTOVER = re.compile(r"\.(.+)\.[0-9a-f]{32}\.tmp", re.DOTALL)  # what a killed writer leaves; see durable.beside


class State:
    """A folder of faces, held by one run.

    While the run is at work, all that is known lies in ``faces.csv.part``. It begins with a row for every output that
    is to be written, so that what is found under such a name is known to be a run's own, even if that was killed.

    Parameters
    ----------
    dataset : DataSet
        The photographs.
    out : Path
        The folder of faces.
    step : CropStep
    overwrite : bool
        Whether faces that were cut otherwise, and files that are nobody's, may be replaced.

    Raises
    ------
    UsageError
        If there are faces that were cut otherwise, which may not be replaced.
    ForeignFile, DamagedFile, StorageError

    Attributes
    ----------
    outputs : dict of str to str
        What faces are called, by source.
    known, written : int
        Faces that were there already, and those that were written now.
    """

    def __init__(self, dataset: DataSet, out: Path, step: CropStep, overwrite: bool) -> None:
        self._dataset, self._out, self._step, self._overwrite = dataset, out, step, overwrite
        self._part = out / f"{TABLE}.part"
        self._was_stopped = self._part.exists()
        before = crop_table.read(self._part, torn=True) if self._was_stopped else crop_table.read(out / TABLE)
        self._own = {row.output: row for row in before if row.output}
        self._before = {row.source: row for row in before if row.code != ORPHANED}
        self._rows: dict[str, Row] = {}
        self.outputs = output_names([entry.path for entry in dataset.entries])
        self.known = self.written = 0
        if not overwrite:
            self._require_same_step()

    def begun(self, digests: Sequence[bytes]) -> list[Entry]:
        """Note what is to be done, and return it.

        Parameters
        ----------
        digests : sequence of bytes
            Of the photographs; see ``facefeat.features.hashes.of_all``.

        Returns
        -------
        list of Entry

        Raises
        ------
        UsageError
            If files that are nobody's lie where faces are to be written, and may not be replaced.
        StorageError
        """
        pairs = zip(self._dataset.entries, digests, strict=True)
        todo = [entry for entry, digest in pairs if not self._is_known(entry, digest)]
        if not self._overwrite:
            self._require_no_strangers(todo)
        self.known = sum(bool(row.output) for row in self._rows.values())
        if todo:
            names = [(entry.path, self.outputs[entry.path]) for entry in todo]
            if self._was_stopped:
                self._clear_leftovers()
            pending = [Row(source, output, "", None, (), PENDING, "", self._step.name) for source, output in names]
            durable.write(self._out / _NOTE, canonical_json(self._step.as_dict()).encode())
            rows = [*self._rows.values(), *pending]
            durable.write(self._part, crop_table.table([*rows, *self._orphans(rows)]))
        return todo

    def keep(self, rows: Sequence[Row]) -> None:
        """Note what became of some photographs."""
        crop_table.append(self._part, rows)
        self._rows |= {row.source: row for row in rows}
        self.written += sum(bool(row.output) for row in rows)

    def ended(self) -> tuple[Row, ...]:
        """Write the table where it says something new, and return its rows."""
        rows = list(self._rows.values())
        rows = sorted([*rows, *self._orphans(rows)], key=lambda row: (row.source, row.code, row.output))
        path, data = self._out / TABLE, crop_table.table(rows)
        if not path.exists() or path.read_bytes() != data:
            durable.write(path, data)
        durable.remove(self._part)
        return tuple(rows)

    def _is_known(self, entry: Entry, digest: bytes) -> bool:
        """Tell whether nothing is to be done for a photograph, and keep its row."""
        row = self._unreadable(entry) if digest == hashes.UNREADABLE else self._seen(entry, digest.hex())
        if row is None:
            return False
        self._rows[entry.path] = row
        return True

    def _unreadable(self, entry: Entry) -> Row | None:
        """Return the row of a file that cannot be read."""
        if entry.refusal:
            message = picture.CODES[entry.refusal].capitalize() + "."
            return refusal(entry.path, "", entry.refusal, message, self._step)
        try:
            self._dataset.read(entry.path)
        except PictureRefused as refused:
            return refusal(entry.path, "", refused.code, refused.message, self._step)
        return None

    def _seen(self, entry: Entry, sha256: str) -> Row | None:
        """Return the row of a photograph that was cut before, or found to have no face, and is the same still."""
        output = self.outputs[entry.path]
        found = self._own.get(output)
        row = self._before.get(entry.path) or (found if found and found.source == entry.path else None)
        if row is None or row.code == PENDING or (row.sha256, row.step) != (sha256, self._step.name):
            return None
        if not row.output:
            return row if row.code in picture.OF_THE_BYTES else None
        is_there = row.output == output and os.path.isfile(self._file(output))
        return replace(row, code="", message="") if is_there else None

    def _orphans(self, rows: Iterable[Row]) -> list[Row]:
        """Return a row for each face that is there and that none of these rows has for its output."""
        outputs = {row.output for row in rows}
        left = (
            row for row in self._own.values() if row.output not in outputs and os.path.isfile(self._file(row.output))
        )
        message = "No photograph stands behind it any more."
        return [replace(row, code=ORPHANED, message=message) for row in left]

    def _require_same_step(self) -> None:
        for row in self._before.values():
            if row.output and row.code != PENDING and row.step != self._step.name:
                raise UsageError(
                    f"{self._out} holds faces that were cut otherwise: {self._difference(row.step)}. "
                    "Crop into another folder, or cut all of them anew with --overwrite."
                )

    def _difference(self, name: str) -> str:
        """Say in what another step differs; where the note of it is lost, by its name alone."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            other = json.loads((self._out / _NOTE).read_bytes())
            if name_of(other) == name:
                return self._step.difference(other)
        return f"step is {name} instead of {self._step.name}"

    def _require_no_strangers(self, todo: Sequence[Entry]) -> None:
        """Refuse to write over what no run wrote."""
        outputs = (self.outputs[entry.path] for entry in todo)
        strangers = [output for output in outputs if output not in self._own and os.path.lexists(self._file(output))]
        if strangers:
            more = len(strangers) - 1
            are, were, them = (f"and {more:,} more are", "were", "them") if more else ("is", "was", "it")
            raise UsageError(
                f"{self._file(strangers[0])} {are} there and {were} not written by facefeat crop; "
                f"crop into another folder, or replace {them} with --overwrite."
            )

    def _clear_leftovers(self) -> None:
        """Remove what a killed run left half written."""
        files = {self._file(output) for output in self.outputs.values()}
        files |= {self._part, self._out / TABLE, self._out / _NOTE}
        for folder in {file.parent for file in files}:
            for leftover in folder.glob(".*.tmp"):
                match = _LEFTOVER.fullmatch(leftover.name)
                if match and folder / match[1] in files:
                    durable.remove(leftover)

    def _file(self, output: str) -> Path:
        return self._out / unescaped(output)
