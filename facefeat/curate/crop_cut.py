"""Threads that cut the faces out of photographs and write them."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.curate.crop_table import Row
from facefeat.data.faces import Face, FaceStep
from facefeat.data.finder import FaceFinder, Opened
from facefeat.data.folder import DataSet, unescaped
from facefeat.data.listing import Entry
from facefeat.errors import PictureRefused, StorageError
from facefeat.features.recipe import RESIZES, canonical_json
from facefeat.features.store import durable

GROUP = 8  # photographs whose faces are found together
GROUP_BYTES = 256 * 1024**2  # of their pixels; one may be as large by itself


@dataclass(frozen=True)
class CropStep:
    """How a photograph becomes the picture of a face: all that decides its pixels.

    Attributes
    ----------
    faces : FaceStep
    size : int
        Side of the picture, pixels.
    resize : str
        As in ``facefeat.features.recipe.Recipe``.
    """

    faces: FaceStep
    size: int
    resize: str = RESIZES[0]

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {"faces": self.faces.as_dict(), "size": self.size, "resize": self.resize}

    @cached_property
    def name(self) -> str:
        """The first 16 hex digits of the SHA-256 over the canonical JSON."""
        return name_of(self.as_dict())

    def difference(self, other: dict[str, Any]) -> str:
        """Name the fields in which another step, as ``as_dict`` returns it, differs from this one."""
        mine, theirs = _flat(self.as_dict()), _flat(other)
        fields = sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
        if "detector" in fields:
            fields = [name for name in fields if name in ("detector", "resize", "size")]
        return ", ".join(f"{name} is {theirs.get(name)} instead of {mine.get(name)}" for name in fields)


def name_of(step: dict[str, Any]) -> str:
    """Return a crop step's name in tables."""
    return hashlib.sha256(canonical_json(step).encode()).hexdigest()[:16]


def _flat(step: dict[str, Any]) -> dict[str, Any]:
    return {**step["faces"], "size": step["size"], "resize": step["resize"]}


class Cutter:
    """What a worker does.

    Parameters
    ----------
    dataset : DataSet
    outputs : dict of str to str
        Where faces go, by source.
    out : Path
        The folder of faces.
    step : CropStep
    finder : FaceFinder
        Of the step.
    """

    def __init__(
        self, dataset: DataSet, outputs: dict[str, str], out: Path, step: CropStep, finder: FaceFinder
    ) -> None:
        self.dataset, self.outputs, self.out, self.step, self.finder = dataset, outputs, out, step, finder
        self.stopped = threading.Event()

    def group(self, entries: Sequence[Entry]) -> list[Row]:
        """Cut the faces of some photographs and write them; a run that is stopped ends between two of them."""
        rows: list[Row] = []
        for some in self._opened(entries, rows):
            faces = self.finder.faces([opened for _, opened in some])
            for (entry, opened), face in zip(some, faces, strict=True):
                if self.stopped.is_set():
                    return rows
                rows.append(self._written(entry.path, opened.data, face))
        return rows

    def _opened(self, entries: Sequence[Entry], rows: list[Row]) -> Iterator[list[tuple[Entry, Opened]]]:
        """Yield decoded photographs, fewer together where they are large; refusals are rows at once."""
        some: list[tuple[Entry, Opened]] = []
        for entry in entries:
            if self.stopped.is_set():
                return
            data = b""
            try:
                data = self.dataset.read(entry.path)
                some.append((entry, self.finder.open(data)))
            except PictureRefused as refused:
                rows.append(refusal(entry.path, _digest(data), refused.code, refused.message, self.step))
            if sum(opened.decoded.pixels.nbytes for _, opened in some) > GROUP_BYTES:
                yield some
                some = []
        if some:
            yield some

    def _written(self, source: str, data: bytes, face: Face | PictureRefused) -> Row:
        """Write a face, and say so; or say why there is none."""
        digest = _digest(data)
        if isinstance(face, PictureRefused):
            return refusal(source, digest, face.code, face.message, self.step)
        if not face.found:
            return refusal(source, digest, "no_face", "No face was found.", self.step)
        output = self.outputs[source]
        durable.write(self.out / unescaped(output), _png(face.pixels))
        numbers = (*face.box, face.score, *face.landmarks.ravel())
        return Row(source, output, digest, face.count, tuple(map(float, numbers)), "", "", self.step.name)


def refusal(source: str, sha256: str, code: str, message: str, step: CropStep) -> Row:
    """Make the row of a photograph that gives no face."""
    return Row(source, "", sha256, 0 if code == "no_face" else None, (), code, message, step.name)


def cut_all(
    cutter: Cutter, todo: Sequence[Entry], keep: Callable[[list[Row]], None], workers: int, tell: Callable[[int], None]
) -> None:
    """Cut the faces of photographs, handing over the rows of a few at a time.

    What is in memory does not grow with the number of photographs.

    Parameters
    ----------
    cutter : Cutter
    todo : sequence of Entry
    keep : callable
        Takes the rows, in the order of the photographs. Also called when the run is stopped, so that nothing that was
        done is lost.
    workers : int
        Threads.
    tell : callable
        Told how many are done, for each.
    """
    done = 0
    groups = (todo[start : start + GROUP] for start in range(0, len(todo), GROUP))
    waiting: deque[Future[list[Row]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        while True:
            waiting.extend(pool.submit(cutter.group, some) for some in islice(groups, 2 * workers - len(waiting)))
            if not waiting:
                return
            rows = waiting.popleft().result()
            keep(rows)
            for _ in rows:
                done += 1
                tell(done)
    except StorageError:  # there is no room for more
        waiting.clear()
        raise
    finally:
        cutter.stopped.set()
        pool.shutdown(cancel_futures=True)
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                keep(future.result())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if data else ""


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
