"""Files of weights, written byte by byte: .safetensors and .onnx."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def safetensors(path: Path, tensors: dict[str, NDArray[Any]], dtype: str = "F32") -> Path:
    """Write a .safetensors file, its tensors in the order given; BF16 takes numbers of 16 bits as they are."""
    header: dict[str, Any] = {"__metadata__": {"format": "tf"}}
    data = b""
    for name, tensor in tensors.items():
        raw = tensor.tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    return safetensors_of(path, header, data)


def safetensors_of(path: Path, header: Any, data: bytes) -> Path:
    """Write a .safetensors file of any header."""
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def varint(value: int) -> bytes:
    """Write a whole number as protocol buffers do."""
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, value: int | str | bytes) -> bytes:
    """Write a field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def initializer(name: str, tensor: NDArray[np.float32], more: bytes = b"") -> bytes:
    """Write a TensorProto of float32."""
    dims = b"".join(field(1, side) for side in tensor.shape)
    return field(5, dims + field(2, 1) + field(8, name) + field(9, tensor.astype("<f4").tobytes()) + more)


def onnx(path: Path, tensors: dict[str, NDArray[np.float32]], nodes: Sequence[Sequence[str]]) -> Path:
    """Write an ONNX file whose nodes take these inputs; kernels as (out, in, height, width) are for the caller to turn."""
    graph = b"".join(field(1, b"".join(field(1, name) for name in names) + field(4, "Conv")) for names in nodes)
    graph += b"".join(initializer(name, tensor) for name, tensor in tensors.items())
    path.write_bytes(field(1, 8) + field(2, "tests") + field(7, graph))
    return path
