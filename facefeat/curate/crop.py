"""Photographs, one folder a person, to aligned faces as pictures in the same folders of people."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Unpack

from facefeat.curate.crop_cut import CropStep, Cutter, cut_all
from facefeat.curate.crop_state import TABLE, State
from facefeat.curate.crop_table import ORPHANED, Row
from facefeat.data import detectors
from facefeat.data.detectors import Knobs
from facefeat.data.finder import FaceFinder
from facefeat.data.folder import DataSet, list_people
from facefeat.engines.choose import choose
from facefeat.engines.network import describe
from facefeat.errors import InputError, UsageError
from facefeat.features import hashes
from facefeat.features.store import durable
from facefeat.features.store.lock import locked

SIZES = (32, 1024)

_LOCK = ".faces.lock"

# What is being done, how many are done, of how many; of 0: a message.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Cropped:
    """What became of a folder of photographs.

    Attributes
    ----------
    out : Path
    rows : tuple of Row
        Those of the table: one for each photograph, sorted by path, and one for each face that was left behind.
    written, known : int
        Faces written now; faces that were there already.
    step : CropStep
    dataset : DataSet
    seconds : float
    """

    out: Path
    rows: tuple[Row, ...]
    written: int
    known: int
    step: CropStep
    dataset: DataSet
    seconds: float

    @property
    def table(self) -> Path:
        """Where the table lies."""
        return self.out / TABLE

    @property
    def photographs(self) -> int:
        """How many files were found; each has a face, or is without one, or is skipped."""
        return len(self.dataset.entries)

    @cached_property
    def several(self) -> tuple[Row, ...]:
        """Photographs with more than one face, of which one was cut."""
        return tuple(row for row in self.rows if (row.faces or 0) > 1 and not row.code)

    @cached_property
    def no_face(self) -> tuple[Row, ...]:
        """Photographs in which no face was found."""
        return tuple(row for row in self.rows if row.code == "no_face")

    @cached_property
    def skipped(self) -> tuple[Row, ...]:
        """Files that cannot be read, and photographs that the policy refuses."""
        return tuple(row for row in self.rows if row.code not in ("", "no_face", ORPHANED))

    @cached_property
    def orphaned(self) -> tuple[Row, ...]:
        """Faces that no photograph stands behind any more; they are left where they are."""
        return tuple(row for row in self.rows if row.code == ORPHANED)


def crop(
    raw: str | Path,
    out: str | Path,
    *,
    size: int = 224,
    faces_mode: str = "auto",
    workers: int = 2,
    overwrite: bool = False,
    progress: Progress | None = None,
    **knobs: Unpack[Knobs],
) -> Cropped:
    """Cut the face out of every photograph of a folder of people, as extraction would cut it.

    A photograph without a face gives none. Faces are PNG files without metadata; ``faces.csv`` beside them says what
    became of every photograph. What an earlier run did in the same way is not done again, and a run that was stopped
    goes on. Faces whose photograph left, or no longer shows one, are left where they are, and listed.

    Parameters
    ----------
    raw : path-like
        One subfolder a person.
    out : path-like
        The folder of faces, for those of one folder of photographs; made where it is missing.
    size : int, default=224
        Side of a face, pixels.
    faces_mode : str, default='auto'
        See ``facefeat.data.detectors.face_step``; not ``'none'``.
    workers : int, default=2
        Threads that work: at most as many cores are busy.
    overwrite : bool, default=False
        Replace faces that were cut otherwise, and files that facefeat did not write.
    progress : callable or None
        Called with what is being done, how many are done, of how many.
    **knobs
        Fields of ``facefeat.data.faces.FaceStep``.

    Returns
    -------
    Cropped

    Raises
    ------
    UsageError
        A value out of range; folders that lie in each other; or, without ``overwrite``, faces in ``out`` that were
        cut otherwise, or files there that facefeat did not write.
    InputError
        No photograph shows a face that counts, or no folder of people.
    LockedError
        Another run is writing to the same folder.
    StorageError, ForeignFile, DamagedFile
    """
    started, workers = time.perf_counter(), max(workers, 1)
    raw, out = Path(raw), Path(out)
    step, file = _step(size, faces_mode, knobs)
    dataset = list_people(raw)
    with durable.storage_errors(out):
        _require_apart(raw, out)
    tell = progress or (lambda what, done, total: None)
    with _held(out):
        state = State(dataset, out, step, overwrite)
        digests = hashes.of_all(dataset, workers=workers, tell=lambda done, total: tell("reading", done, total))
        if todo := state.begun(digests):
            engine = choose(threads=workers, streams=workers)
            finder = FaceFinder(step.faces, step.size, detectors.load(step.faces, engine, file))
            tell(f"Faces are found by {step.faces.detector}, run by {'OpenCV' if file else describe(engine)}", 0, 0)
            cutter = Cutter(dataset, state.outputs, out, step, finder)
            cut_all(cutter, todo, state.keep, workers, lambda done: tell("faces", done, len(todo)))
        rows = state.ended()
    made = Cropped(out, rows, state.written, state.known, step, dataset, time.perf_counter() - started)
    if not made.written + made.known:
        raise InputError(
            f"None of the {made.photographs:,} files in {raw} shows a face that counts; {made.table} says why of each."
        )
    return made


def _step(size: int, faces_mode: str, knobs: Knobs) -> tuple[CropStep, Path | None]:
    """Describe how faces are cut, and say where the detector's file is, where it is the user's."""
    if not SIZES[0] <= size <= SIZES[1]:
        raise UsageError(f"The size must be from {SIZES[0]} to {SIZES[1]} pixels; {size} was given.")
    if faces_mode == "none":
        raise UsageError("Faces must be found to be cut out, and 'none' finds none; use auto or yunet:FILE.")
    faces, file = detectors.face_step(faces_mode, **knobs)
    return CropStep(faces, size), file


def _require_apart(raw: Path, out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; a folder for the faces is expected.")
    one, other = raw.resolve(), out.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise UsageError(f"{raw} and {out} lie in each other; choose a folder for the faces that is apart.")


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the lock of a folder of faces; take back a folder that was made for nothing."""
    is_new, lock = not out.exists(), out / _LOCK
    with locked(lock):
        try:
            yield
        finally:
            durable.remove(lock)
            if is_new:
                with suppress(OSError):  # there is something in it
                    out.rmdir()
