"""What the tests of people who come and go share."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from facefeat.features.encode import Encoder, plan_of
from facefeat.learn import bundle
from facefeat.learn.predict import Recogniser
from tests.making import encoded, person_pixels

Memory = tuple[str, bytes]


def pictures(name: str, numbers: range, seed: int = 0) -> list[Memory]:
    """Make pictures of a synthetic person, in memory."""
    return [(f"{number:02}.png", encoded(person_pixels(name, number, seed=seed))) for number in numbers]


def ready(model: Path) -> Recogniser:
    """Make the toy's network ready without any engine."""
    read = bundle.read(model)
    engine: Any = SimpleNamespace(name="numpy", device="a test", precision="float32", batch_size=8)
    return Recogniser(read, Encoder(plan_of(read.recipe), engine, 4))


def state(model: Path) -> tuple[tuple[str, ...], bytes]:
    """Return who is in a model, and its gallery."""
    found = bundle.read(model)
    return found.people, found.gallery.to_bytes()


def members(model: Path) -> dict[str, bytes]:
    """Return the members of a model."""
    with zipfile.ZipFile(model) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def arrays(model: Path) -> Iterator[np.ndarray[Any, Any]]:
    """Yield every array in a model."""
    for data in members(model).values():
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as inner:
                for name in inner.namelist():
                    if name.endswith(".npy"):
                        yield np.load(io.BytesIO(inner.read(name)))


def traces(model: Path, name: str, paths: tuple[str, ...], digests: list[bytes], vectors: Any) -> set[str]:
    """Search all bytes of a model, unpacked, for a person: which kinds of what was theirs are there."""
    everything = b"".join([model.read_bytes(), *members(model).values()])
    wanted = {"name": [name.encode()], "path": [path.encode() for path in paths]}
    wanted["hash"] = [form for digest in digests for form in (digest, digest.hex().encode())]
    for kind in (np.float16, np.float32, np.float64):
        wanted[np.dtype(kind).name] = [row.astype(kind).tobytes() for row in vectors]
    found = {what for what, forms in wanted.items() if any(form in everything for form in forms)}
    rows = vectors.astype(np.float32)
    for array in arrays(model):  # a table may lie in its file column by column
        if array.ndim == 2 and rows.shape[1] in array.shape:
            table = array if array.shape[1] == rows.shape[1] else array.T
            if any((table.astype(np.float32) == row).all(axis=1).any() for row in rows):
                found.add("row")
    return found
