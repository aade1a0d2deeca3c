"""``.onnx``: the initializers of a graph, in the order in which its nodes take them.

ONNX is a protocol buffer (https://protobuf.dev/programming-guides/encoding), of which a handful of fields are needed:
those of ModelProto, GraphProto, NodeProto and TensorProto in onnx.proto3 of ONNX 1.17.
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from facefeat.features.tensors.entry import WIDTHS, Entry, Listing, little_endian

FIELDS = 2_000_000  # in all; a network has some thousands

_GRAPH = 7  # of ModelProto
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_INPUT = 1  # of NodeProto
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _EXTERNAL, _LOCATION = 1, 2, 4, 8, 9, 10, 13, 14  # of TensorProto
_TYPES = {1: "F32", 10: "F16", 11: "F64", 16: "BF16"}
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # how a field's value is written


@dataclass
class _Tensor:
    name: str = ""
    shape: list[int] = field(default_factory=list)
    dtype: str = ""
    start: int = 0
    bytes: int = 0
    elsewhere: bool = False


class _Wire:
    """Fields of a protocol buffer that lies in memory, each as its number and its value or its place."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.left = FIELDS

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (number, value, -1) of a whole number, (number, first byte, number of bytes) of anything else."""
        while start < end:
            self.left -= 1
            tag, start = self._varint(start, end)
            number, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                value, start = self._varint(start, end)
                yield number, value, -1
                continue
            if kind == _BYTES:
                size, start = self._varint(start, end)
            elif kind in (_EIGHT, _FOUR):
                size = 8 if kind == _EIGHT else 4
            else:
                raise ValueError(f"byte {start:,} is no field of a protocol buffer")
            if start + size > end or self.left < 0:
                raise ValueError(f"the field at byte {start:,} does not end")
            yield number, start, size
            start += size

    def text(self, start: int, size: int) -> str:
        return self.data[start : start + size].decode("utf-8", "replace")

    def numbers(self, value: int, size: int) -> list[int]:
        """Read whole numbers, whether they stand alone or packed."""
        if size < 0:
            return [value]
        found, at, end = [], value, value + size
        while at < end:
            one, at = self._varint(at, end)
            found.append(one)
        return found

    def _varint(self, start: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if start >= end:
                raise ValueError("it ends in the middle of a number")
            byte = self.data[start]
            start += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, start
        raise ValueError(f"the number before byte {start:,} does not end")


@contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """List the initializers of a file, for as long as it is open, in the order in which the graph's nodes take them.

    Raises
    ------
    ValueError
        If it is no ONNX file, or keeps its numbers in another one.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        tensors, taken = _graph(_Wire(data), len(data))
        order = [name for name in dict.fromkeys(taken) if name in tensors]
        rest = [name for name in tensors if name not in set(order)]
        yield Listing(".onnx", [_entry(file, tensors[name]) for name in (*order, *rest)], ordered=True)


def _graph(wire: _Wire, size: int) -> tuple[dict[str, _Tensor], list[str]]:
    """Return the initializers by name, and the names that nodes take, in their order."""
    tensors: dict[str, _Tensor] = {}
    taken: list[str] = []
    for number, start, length in wire.fields(0, size):
        if number == _GRAPH and length >= 0:
            for part, at, n in wire.fields(start, start + length):
                if part == _NODE and n >= 0:
                    taken += [wire.text(a, m) for f, a, m in wire.fields(at, at + n) if f == _INPUT and m >= 0]
                elif part == _INITIALIZER and n >= 0:
                    one = _tensor(wire, at, at + n)
                    tensors[one.name] = one
    if not tensors:
        raise ValueError("it has no initializers")
    if any(one.elsewhere for one in tensors.values()):
        raise ValueError("it keeps its numbers in another file; save it as one")
    return tensors, taken


def _tensor(wire: _Wire, start: int, end: int) -> _Tensor:
    found = _Tensor()
    for number, at, size in wire.fields(start, end):
        if number == _DIMS:
            found.shape += wire.numbers(at, size)
        elif number == _TYPE and size < 0:
            found.dtype = _TYPES.get(at, "")
        elif number == _NAME and size >= 0:
            found.name = wire.text(at, size)
        elif number in (_RAW, _FLOATS, _DOUBLES) and size >= 0:
            found.start, found.bytes = at, size
        elif number == _EXTERNAL or (number == _LOCATION and at):
            found.elsewhere = True
    return found


def _entry(file: BinaryIO, one: _Tensor) -> Entry:
    *layers, leaf = re.split(r"[./]", one.name)
    whole = one.dtype in WIDTHS and one.bytes == math.prod(one.shape) * WIDTHS[one.dtype]
    read = partial(little_endian, file, one.start, one.dtype, tuple(one.shape)) if whole else None
    return Entry(tuple(layers), leaf, tuple(one.shape), read, channels_first=True)
