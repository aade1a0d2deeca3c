"""``.safetensors``: the length of a header, the header in JSON, and the numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from facefeat.features.tensors.entry import WIDTHS, Entry, Listing, little_endian

HEADER = 100_000_000  # bytes; the format allows no more


@contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """List the tensors of a file, for as long as it is open, in the order of their numbers.

    Raises
    ------
    ValueError
        If the header is not what the format asks for, or the tensors do not fill the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(HEADER, size - 8):
            raise ValueError(f"its header would have {length:,} bytes")
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        tensors = sorted(((name, *_checked(one)) for name, one in header.items()), key=lambda one: one[3:])
        end = 8 + length
        for name, _, _, start, stop in tensors:
            if 8 + length + start != end or stop > size - 8 - length:
                raise ValueError(f"{name} does not lie where the one before it ends")
            end = 8 + length + stop
        if end != size:
            raise ValueError(f"it has {size:,} bytes, and its tensors end at {end:,}")
        entries = [_entry(file, 8 + length, *one) for one in tensors]
        yield Listing(".safetensors", entries, ordered=True)


def _checked(one: dict[str, Any]) -> tuple[str, tuple[int, ...], int, int]:
    dtype, shape, (start, stop) = one["dtype"], tuple(one["shape"]), one["data_offsets"]
    if not isinstance(dtype, str) or any(type(side) is not int or side < 0 for side in (*shape, start, stop)):
        raise ValueError("its header is not one of the format")
    if stop < start or (dtype in WIDTHS and stop - start != math.prod(shape) * WIDTHS[dtype]):
        raise ValueError(f"a tensor of {shape} has {stop - start:,} bytes")
    return dtype, shape, start, stop


def _entry(file: BinaryIO, base: int, name: str, dtype: str, shape: tuple[int, ...], start: int, stop: int) -> Entry:
    *layers, leaf = re.split(r"[./]", name)
    read = partial(little_endian, file, base + start, dtype, shape) if dtype in WIDTHS else None
    return Entry(tuple(layers), leaf, shape, read)
