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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import picture
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
GROUP_BYTES = 256 * 1024**2  # of their pixels; one may be as large by itself


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


def compute(
    todo: Iterable[tuple[str, bytes]],
    file_of: Callable[[str], Path],
    encoder: Encoder,
    keep: Callable[[Shard], None],
    *,
    workers: int,
    seconds: Seconds,
    tell: Callable[[int], None],
) -> None:
    """Compute pictures, handing over a shard at a time.

    Every worker takes a few pictures from the file to their vectors, so all cores are busy as long as there
    are pictures, and what is in memory does not grow with their number.

    Parameters
    ----------
    todo : iterable of (path, SHA-256 of the file's bytes)
    file_of : callable
        Where a path's file lies.
    encoder : Encoder
    keep : callable
        Takes each finished shard. Also called for a last short one when the run is stopped, so that
        nothing computed is lost.
    workers : int
        Threads.
    seconds : Seconds
        Added to.
    tell : callable
        Told how many are done, for each.
    """
    pending = _Pending(canonical_json(made_by(encoder.engine)), seconds, workers)
    work, done = _Work(encoder, file_of), 0
    each = min(max(GROUP, encoder.batch_size), SHARD_ROWS)
    pictures = iter(todo)
    left = iter(lambda: list(islice(pictures, each)), [])
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


@dataclass
class _Group:
    """What became of some pictures."""

    columns: Columns
    skipped: list[Skipped]
    tried: int
    seconds: Seconds


class _Work:
    """What a worker does."""

    def __init__(self, encoder: Encoder, file_of: Callable[[str], Path]) -> None:
        self.encoder, self.file_of = encoder, file_of
        self.stopped = threading.Event()

    def group(self, pairs: Sequence[tuple[str, bytes]]) -> _Group:
        """Take some pictures from their files to their vectors; a run that is stopped ends between two of them."""
        spent = Seconds()
        rows: list[tuple[bytes, Face]] = []
        skipped: list[Skipped] = []
        for opened in self._opened(pairs, skipped, spent):
            with _timed(spent, "faces"):
                squares = self.encoder.finder.faces([one for _, one in opened])
            for (digest, _), face in zip(opened, squares, strict=True):
                if isinstance(face, PictureRefused):
                    skipped.append(Skipped("", digest, face.code, face.message))
                else:
                    rows.append((digest, face))
        with _timed(spent, "network"):
            vectors = self.encoder.vectors([face.pixels for _, face in rows]) if rows else {}
        return _Group(_columns(rows, vectors), skipped, len(pairs), spent)

    def _opened(
        self, pairs: Sequence[tuple[str, bytes]], skipped: list[Skipped], spent: Seconds
    ) -> Iterator[list[tuple[bytes, Opened]]]:
        """Yield decoded pictures, a few at a time: fewer where they are large."""
        opened: list[tuple[bytes, Opened]] = []
        n_bytes = 0
        for path, digest in pairs:
            if self.stopped.is_set():
                break
            with _timed(spent, "decode"):
                one = self._open(self.file_of(path), digest)
            if isinstance(one, Opened):
                opened.append((digest, one))
                n_bytes += one.decoded.pixels.nbytes
            elif one is not None:
                skipped.append(one)
            if len(opened) >= GROUP or n_bytes > GROUP_BYTES:
                yield opened
                opened, n_bytes = [], 0
        if opened:
            yield opened

    def _open(self, file: Path, digest: bytes) -> Opened | Skipped | None:
        """Read and decode; None where the bytes are no longer those that were hashed."""
        try:
            data = picture.read(file)
        except PictureRefused:
            return None
        if hashlib.sha256(data).digest() != digest:
            return None
        try:
            return self.encoder.finder.open(data)
        except PictureRefused as refused:
            return Skipped("", digest, refused.code, refused.message)


class _Pending:
    """What is computed and not yet kept."""

    def __init__(self, maker: str, seconds: Seconds, workers: int) -> None:
        self.maker, self.seconds, self.workers = maker, seconds, workers
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
        return Shard(columns, skipped, self.maker)


def _columns(rows: Sequence[tuple[bytes, Face]], vectors: dict[str, NDArray[np.float32]]) -> Columns:
    return {
        "images/sha256": np.array([list(digest) for digest, _ in rows], "u1").reshape(-1, 32),
        "images/copy": np.zeros(len(rows), "<i2"),
        "faces/box": np.array([face.box for _, face in rows], "<f4").reshape(-1, 4),
        "faces/landmarks": np.array([face.landmarks for _, face in rows], "<f4").reshape(-1, 5, 2),
        "faces/score": np.array([face.score for _, face in rows], "<f4"),
        "faces/found": np.array([face.found for _, face in rows], bool),
        "faces/count": np.array([face.count for _, face in rows], "<i2"),
        "faces/pixels": np.array([grey(face.pixels) for _, face in rows], "u1").reshape(-1, SIDE, SIDE),
        **{FEATURES + layer: array for layer, array in vectors.items()},
    }


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
