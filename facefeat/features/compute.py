"""Pictures to shards: read and decode ahead, find faces, run the network, keep what is done."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import picture
from facefeat.data.faces import Face
from facefeat.engines.network import Engine
from facefeat.errors import PictureRefused
from facefeat.features.encode import Encoder
from facefeat.features.recipe import canonical_json
from facefeat.features.store.columns import FEATURES, THUMBNAIL, Skipped
from facefeat.features.store.shards import Shard

SHARD_ROWS = 256

Pixels = NDArray[np.uint8]


@dataclass
class Seconds:
    """Where the time went; reading and decoding overlap with the rest, so only the waiting counts."""

    decode: float = 0.0
    faces: float = 0.0
    network: float = 0.0
    write: float = 0.0
    total: float = 0.0


def compute(
    todo: Sequence[tuple[Path, bytes]],
    encoder: Encoder,
    keep: Callable[[Shard], None],
    *,
    workers: int,
    seconds: Seconds,
    tell: Callable[[int], None],
) -> None:
    """Compute pictures, handing over a shard at a time.

    Parameters
    ----------
    todo : sequence of (file, SHA-256 of its bytes)
    encoder : Encoder
    keep : callable
        Takes each finished shard. Also called for a last short one when the run is stopped, so that
        nothing computed is lost.
    workers : int
        Threads that read and decode.
    seconds : Seconds
        Added to.
    tell : callable
        Told how many are done, after each.
    """
    pending = _Pending(encoder, seconds)
    try:
        for done, (digest, pixels) in enumerate(_decoded(todo, workers, seconds), 1):
            pending.take(digest, pixels)
            if len(pending) >= SHARD_ROWS:
                keep(pending.shard())
            tell(done)
    finally:
        if len(pending):
            keep(pending.shard())


class _Pending:
    """Faces and vectors of the shard that is being filled."""

    def __init__(self, encoder: Encoder, seconds: Seconds) -> None:
        self.encoder, self.seconds = encoder, seconds
        self.maker = canonical_json(made_by(encoder.engine))
        self.rows: list[tuple[bytes, Face]] = []
        self.skipped: list[Skipped] = []

    def __len__(self) -> int:
        return len(self.rows) + len(self.skipped)

    def take(self, digest: bytes, pixels: Pixels | PictureRefused) -> None:
        if isinstance(pixels, PictureRefused):
            self.skipped.append(Skipped("", digest, pixels.code, pixels.message))
            return
        started = time.perf_counter()
        self.rows.append((digest, self.encoder.face(pixels)))
        self.seconds.faces += time.perf_counter() - started

    def shard(self) -> Shard:
        started = time.perf_counter()
        squares = [face.pixels for _, face in self.rows]
        vectors = self.encoder.vectors(squares) if squares else {}
        self.seconds.network += time.perf_counter() - started
        columns = {
            "images/sha256": np.array([list(digest) for digest, _ in self.rows], "u1").reshape(-1, 32),
            "images/copy": np.zeros(len(self.rows), "<i2"),
            "faces/box": np.array([face.box for _, face in self.rows], "<f4").reshape(-1, 4),
            "faces/landmarks": np.array([face.landmarks for _, face in self.rows], "<f4").reshape(-1, 5, 2),
            "faces/score": np.array([face.score for _, face in self.rows], "<f4"),
            "faces/found": np.array([face.found for _, face in self.rows], bool),
            "faces/pixels": np.array([_thumbnail(one) for one in squares], "u1").reshape(-1, THUMBNAIL, THUMBNAIL),
            **{FEATURES + layer: array for layer, array in vectors.items()},
        }
        shard = Shard(columns, tuple(self.skipped), self.maker)
        self.rows, self.skipped = [], []
        return shard


def _thumbnail(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(square).convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def _decoded(
    todo: Sequence[tuple[Path, bytes]], workers: int, seconds: Seconds
) -> Iterator[tuple[bytes, Pixels | PictureRefused]]:
    """Read and decode ahead of the network, a few pictures a thread, in order."""
    waiting: deque[Future[tuple[bytes, Pixels | PictureRefused]]] = deque()
    left = iter(todo)
    ahead = max(workers, 1) * 4
    pool = ThreadPoolExecutor(max(workers, 1))
    try:
        while True:
            waiting.extend(pool.submit(_decode_one, *pair) for pair in islice(left, ahead - len(waiting)))
            if not waiting:
                return
            started = time.perf_counter()
            digest, pixels = waiting.popleft().result()
            seconds.decode += time.perf_counter() - started
            if digest:
                yield digest, pixels
    finally:
        pool.shutdown(cancel_futures=True)  # who stops a run does not wait for what was decoded ahead


def _decode_one(file: Path, digest: bytes) -> tuple[bytes, Pixels | PictureRefused]:
    """Return the pixels or the refusal; no digest where the bytes are no longer those that were hashed."""
    try:
        data = picture.read(file)
    except PictureRefused as refused:
        return b"", refused
    if hashlib.sha256(data).digest() != digest:
        return b"", PictureRefused("changed", "The file changed while it was read.")
    try:
        return digest, picture.decode(data)
    except PictureRefused as refused:
        return digest, refused


def made_by(engine: Engine) -> dict[str, Any]:
    """Describe what computes: engine, device, precision, and the versions that matter."""
    versions = {name: version(name) for name in ("facefeat", "numpy", "pillow", engine.name)}
    return {"engine": engine.name, "device": engine.device, "precision": engine.precision, "versions": versions}
