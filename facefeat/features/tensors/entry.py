"""A tensor as it stands in some file, not read yet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Entry:
    """A tensor of a file.

    Attributes
    ----------
    layers : tuple of str
        Names that its layer may have: the folders that it lies in, outermost first.
    leaf : str
        What it is called in its layer.
    shape : tuple of int
    read : callable or None
        Returns its numbers, in its own shape; ``None`` where it holds objects or text.
    channels_first : bool
        Whether a convolution's kernel is (out, in, height, width), in this file always.
    """

    layers: tuple[str, ...]
    leaf: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[np.float32]] | None
    channels_first: bool = False


@dataclass(frozen=True)
class Listing:
    """The tensors of a file.

    Attributes
    ----------
    kind : str
        The format, in words.
    entries : sequence of Entry
    ordered : bool
        Whether they stand in an order that somebody chose, so that a network's order may be theirs.
    """

    kind: str
    entries: Sequence[Entry]
    ordered: bool = False


def little_endian(file: BinaryIO, start: int, dtype: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Read an array out of the middle of a file.

    Parameters
    ----------
    file : binary file
    start : int
        Where its first byte is.
    dtype : {'F64', 'F32', 'F16', 'BF16'}
    shape : tuple of int

    Returns
    -------
    ndarray of shape ``shape``, float32

    Raises
    ------
    ValueError
        If the file ends before.
    """
    n = math.prod(shape)
    file.seek(start)
    data = file.read(n * WIDTHS[dtype])
    if len(data) < n * WIDTHS[dtype]:
        raise ValueError("it ends in the middle of a tensor")
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype(np.float32).reshape(shape)
    return np.frombuffer(data, f"<f{WIDTHS[dtype]}").astype(np.float32).reshape(shape)


WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # bytes
