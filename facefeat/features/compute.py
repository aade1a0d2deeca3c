"""Pictures to shards: workers read, decode, find faces and run the network; what is done is kept."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.augment import AUGMENTATION, Augmentation, augmented
from facefeat.data.faces import Face
from facefeat.data.finder import Opened
from facefeat.data.quality import SIDE, grey
from facefeat.engines.network import Engine
from facefeat.errors import PictureRefused, StorageError
from facefeat.features.encode import Encoder
from facefeat.features.recipe import canonical_json
from facefeat.features.store.columns import FEATURES, Columns, Skipped
from facefeat.features.store.shards import Shard

SHARD_ROWS = 256
GROUP = 8  # pictures whose faces are found together
GROUP_ROWS = 64  # that they may become; one picture may become more by itself
GROUP_BYTES = 256 * 1024**2  # of their pixels; one may be as large by itself


# What is being done, how many are done, of how many; of 0: a message.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Task:
    """What is to be made of a picture.

    Attributes
    ----------
    path : str
    sha256 : bytes
        Of the file.
    copies : tuple of int
        0 for the picture itself, 1 and above for its augmented copies; rising.
    """

    path: str
    sha256: bytes
    copies: tuple[int, ...] = (0,)


@dataclass
class Seconds:
    """Where the time went.

    Workers do ``decode``, ``faces`` and ``network`` side by side: each is the mean over the workers, so that all
    add up to ``total`` at most.
    """

    decode: float = 0.0
    faces: float = 0.0
    network: float = 0.0
    write: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class NodeShare:
    """What one node of a cluster did.

    Attributes
    ----------
    node : str
        Its name.
    pictures : int
    seconds : float
        That its actors were at work; several at once count each.
    lost : bool
        Whether it was gone in the end.
    """

    node: str
    pictures: int
    seconds: float
    lost: bool


def compute(
    todo: Iterable[Task],
    read: Callable[[str], bytes],
    encoder: Encoder,
    keep: Callable[[Shard], None],
    *,
    ranges: Augmentation = AUGMENTATION,
    workers: int,
    seconds: Seconds,
    tell: Callable[[int], None],
) -> None:
    """Compute pictures, handing over a shard at a time.

    Every worker takes a few pictures from the file to their vectors, so all cores are busy as long as there
    are pictures, and what is in memory does not grow with their number.

    Parameters
    ----------
    todo : iterable of Task
    read : callable
        Gives the bytes of a path's file, or raises PictureRefused, as ``Listing.read`` does.
    encoder : Encoder
    keep : callable
        Takes each finished shard. Also called for a last short one when the run is stopped, so that
        nothing computed is lost.
    ranges : Augmentation
        Of augmented copies.
    workers : int
        Threads.
    seconds : Seconds
        Added to.
    tell : callable
        Told how many are done, for each.
    """
    pending = _Pending(canonical_json(made_by(encoder.engine)), canonical_json(ranges.as_dict()), seconds, workers)
    work, done = _Work(encoder, read, ranges), 0
    left = _groups(todo, min(max(GROUP, encoder.batch_size), SHARD_ROWS))
    waiting: deque[Future[_Group]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        while True:
            waiting.extend(pool.submit(work.group, some) for some in islice(left, 2 * workers - len(waiting)))
            if not waiting:
                return
            group = waiting.popleft().result()
            pending.take(group)
            if len(pending) >= SHARD_ROWS:
                keep(pending.shard())
            for _ in range(group.tried):
                done += 1
                tell(done)
    except StorageError:  # there is no room for more
        waiting.clear()
        pending.groups.clear()
        raise
    finally:
        work.stopped.set()
        pool.shutdown(cancel_futures=True)
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                pending.take(future.result())
        if len(pending):
            keep(pending.shard())


def _groups(todo: Iterable[Task], most: int) -> Iterator[list[Task]]:
    """Take pictures together, fewer where each becomes many rows: what is in memory does not grow with their copies."""
    group: list[Task] = []
    for task in todo:
        rows = sum(len(one.copies) for one in (*group, task))
        if group and (len(group) == most or rows > max(GROUP_ROWS, most)):
            yield group
            group = []
        group.append(task)
    if group:
        yield group


@dataclass
class _Group:
    """What became of some pictures."""

    columns: Columns
    skipped: list[Skipped]
    tried: int
    seconds: Seconds


class _Work:
    """What a worker does."""

    def __init__(self, encoder: Encoder, read: Callable[[str], bytes], ranges: Augmentation) -> None:
        self.encoder, self.read, self.ranges = encoder, read, ranges
        self.stopped = threading.Event()

    def group(self, tasks: Sequence[Task]) -> _Group:
        """Take some pictures from their files to their vectors; a run that is stopped ends between two of them."""
        spent = Seconds()
        rows: list[tuple[Task, Face]] = []
        skipped: list[Skipped] = []
        for opened in self._opened(tasks, skipped, spent):
            with _timed(spent, "faces"):
                squares = self.encoder.finder.faces([one for _, one in opened])
            for (task, _), face in zip(opened, squares, strict=True):
                if isinstance(face, PictureRefused):
                    skipped.append(Skipped("", task.sha256, face.code, face.message))
                else:
                    rows.append((task, face))
        with _timed(spent, "network"):
            vectors = self._vectors(rows)
        return _Group(_columns(rows, vectors), skipped, len(tasks), spent)

    def _vectors(self, rows: Sequence[tuple[Task, Face]]) -> dict[str, NDArray[np.float32]]:
        """Run the network on faces and their copies, which are made as they are needed."""
        squares = (
            augmented(face.pixels, task.sha256, copy, self.ranges) for task, face in rows for copy in task.copies
        )
        some = iter(lambda: list(islice(squares, max(GROUP, self.encoder.batch_size))), [])
        parts = [self.encoder.vectors(part) for part in some]
        return {layer: np.concatenate([part[layer] for part in parts]) for layer in parts[0]} if parts else {}

    def _opened(
        self, tasks: Sequence[Task], skipped: list[Skipped], spent: Seconds
    ) -> Iterator[list[tuple[Task, Opened]]]:
        """Yield decoded pictures, a few at a time: fewer where they are large."""
        opened: list[tuple[Task, Opened]] = []
        n_bytes = 0
        for task in tasks:
            if self.stopped.is_set():
                break
            with _timed(spent, "decode"):
                one = self._open(task)
            if isinstance(one, Opened):
                opened.append((task, one))
                n_bytes += one.decoded.pixels.nbytes
            elif one is not None:
                skipped.append(one)
            if len(opened) >= GROUP or n_bytes > GROUP_BYTES:
                yield opened
                opened, n_bytes = [], 0
        if opened:
            yield opened

    def _open(self, task: Task) -> Opened | Skipped | None:
        """Read and decode; None where the bytes are no longer those that were hashed."""
        try:
            data = self.read(task.path)
        except PictureRefused:
            return None
        if hashlib.sha256(data).digest() != task.sha256:
            return None
        try:
            return self.encoder.finder.open(data)
        except PictureRefused as refused:
            return Skipped("", task.sha256, refused.code, refused.message)


class _Pending:
    """What is computed and not yet kept."""

    def __init__(self, maker: str, augmentation: str, seconds: Seconds, workers: int) -> None:
        self.maker, self.augmentation, self.seconds, self.workers = maker, augmentation, seconds, workers
        self.groups: list[_Group] = []

    def __len__(self) -> int:
        return sum(len(group.columns["images/sha256"]) + len(group.skipped) for group in self.groups)

    def take(self, group: _Group) -> None:
        self.groups.append(group)
        for name in ("decode", "faces", "network"):
            mean = getattr(group.seconds, name) / self.workers
            setattr(self.seconds, name, getattr(self.seconds, name) + mean)

    def shard(self) -> Shard:
        full = [group.columns for group in self.groups if len(group.columns["images/sha256"])]
        full = full or [self.groups[0].columns]
        columns = {name: np.concatenate([one[name] for one in full]) for name in full[0]}
        skipped = tuple(one for group in self.groups for one in group.skipped)
        self.groups = []
        return Shard(columns, skipped, self.maker, self.augmentation if columns["images/copy"].any() else "")


def _columns(rows: Sequence[tuple[Task, Face]], vectors: dict[str, NDArray[np.float32]]) -> Columns:
    """Lay out rows; what is said of a face is said of each of its copies."""
    faces = [face for _, face in rows]
    columns = {
        "images/sha256": np.array([list(task.sha256) for task, _ in rows], "u1").reshape(-1, 32),
        "faces/box": np.array([face.box for face in faces], "<f4").reshape(-1, 4),
        "faces/landmarks": np.array([face.landmarks for face in faces], "<f4").reshape(-1, 5, 2),
        "faces/score": np.array([face.score for face in faces], "<f4"),
        "faces/found": np.array([face.found for face in faces], bool),
        "faces/count": np.array([face.count for face in faces], "<i2"),
        "faces/pixels": np.array([grey(face.pixels) for face in faces], "u1").reshape(-1, SIDE, SIDE),
    }
    each = [len(task.copies) for task, _ in rows]
    repeated = {name: np.repeat(column, each, axis=0) for name, column in columns.items()}
    copies = np.array([copy for task, _ in rows for copy in task.copies], "<i2")
    return {**repeated, "images/copy": copies, **{FEATURES + layer: array for layer, array in vectors.items()}}


@contextmanager
def _timed(spent: Seconds, what: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        setattr(spent, what, getattr(spent, what) + time.perf_counter() - started)


def made_by(engine: Engine) -> dict[str, Any]:
    """Describe what computes: engine, device, precision, and the versions that matter."""
    versions = {name: version(name) for name in ("facefeat", "numpy", "pillow", engine.name)}
    return {"engine": engine.name, "device": engine.device, "precision": engine.precision, "versions": versions}
