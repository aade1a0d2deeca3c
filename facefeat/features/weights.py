"""A network's weights: where they come from, and the hash of their numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import DamagedFile, FacefeatError, ForeignFile, InputError
from facefeat.features.tensors import hdf5, match, npz, onnx, safetensors
from facefeat.features.tensors.entry import Entry, Listing

Tensors = dict[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]

EXPECTED = "a .npz, Keras' .h5, .safetensors or .onnx file was expected"


@dataclass(frozen=True)
class Weights:
    """Weights that can be loaded when they are needed.

    Attributes
    ----------
    name : str
        As in the recipe: ``'imagenet'``, ``'keras'``, ``'file'``, or ``'none'``.
    sha256 : str
        Hex, over all tensors as little-endian float32 in the network's order.
    read : callable
        Returns the tensors, by name.
    layout : str
        Of a file, in words: its format, and how its tensors were told.
    renamed : bool
        Whether the file calls the layers otherwise, by the other names that the network's module knows.
    preprocess : str or None
        What its names say that it was trained on, where that is not the backbone's first; see
        ``facefeat.features.encode.plan``.
    """

    name: str
    sha256: str
    read: Callable[[], Tensors]
    layout: str = ""
    renamed: bool = False
    preprocess: str | None = None


def from_file(path: str | Path, shapes: Shapes, other_names: Mapping[str, str] | None = None) -> Weights:
    """Read the tensors of a network from a user's file.

    Tensors are told by their layers' names. Where those are others, they are taken in the order of the file if that
    is somebody's (``.safetensors``, ``.onnx``, the ``.h5`` of Keras 2) and all shapes fit one after the other.
    Nothing is read whose size is not that of the tensor wanted.

    Parameters
    ----------
    path : path-like
        ``.npz``, Keras' ``.h5`` or ``.weights.h5``, ``.safetensors`` or ``.onnx``; told by their bytes, ONNX by
        its name.
    shapes : mapping of str to tuple of int
        The tensors that are needed, in the network's order.
    other_names : mapping of str to str or None
        What else layers may be called, to their names in ``shapes``.

    Returns
    -------
    Weights

    Raises
    ------
    InputError
        If there is no such file.
    ForeignFile
        If it is of another kind, could run code, lacks a tensor, or is of another network.
    DamagedFile
        If it cannot be read, or holds a number that is not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no weights file {path}.")
    with _readable(path), _opened(path) as listing:
        renamed = _renamed(listing, other_names or {})
        found, how = _told(path, renamed or listing, shapes)
        tensors = {name: match.arranged(found[name], name, shape) for name, shape in shapes.items()}
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise DamagedFile(f"{path}: {name} holds numbers that are not finite.")
    layout = f"{listing.kind}, tensors {how}"
    return Weights("file", digest(tensors.values()), lambda: tensors, layout, renamed is not None)


def digest(tensors: Iterable[NDArray[Any]]) -> str:
    """Return the SHA-256, in hex, of tensors as little-endian float32, one after the other."""
    hashed = hashlib.sha256()
    for tensor in tensors:
        hashed.update(np.ascontiguousarray(tensor, "<f4").tobytes())
    return hashed.hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FacefeatError:
        raise
    except Exception as error:  # zipfile, zlib, JSON, NumPy and HDF5 each raise their own on a malformed file
        raise DamagedFile(f"{path} cannot be read: {str(error).rstrip('.') or type(error).__name__}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[Listing]:
    """Open a file by what its first bytes say that it is."""
    with path.open("rb") as file:
        start = file.read(9)
    if start[:1] == b"\x80":
        raise ForeignFile(f"{path} is a pickle, which could run code; {EXPECTED}.")
    if start.startswith(b"PK"):
        opened = npz.opened
    elif start.startswith(b"\x89HDF\r\n\x1a\n"):
        opened = hdf5.opened
    elif path.suffix.lower() == ".onnx" and start:
        opened = onnx.opened
    elif start[8:] == b"{":
        opened = safetensors.opened
    else:
        raise ForeignFile(f"{path} is no weights file: {EXPECTED}.")
    with opened(path) as listing:
        yield listing


def _renamed(listing: Listing, other_names: Mapping[str, str]) -> Listing | None:
    """Call the layers as the network does, where the file has another's names for them."""
    entries = [_called(entry, other_names) for entry in listing.entries]
    return replace(listing, entries=entries) if entries != list(listing.entries) else None


def _called(entry: Entry, other_names: Mapping[str, str]) -> Entry:
    theirs = [layer for layer in entry.layers if layer in other_names]
    if not theirs:
        return entry
    layers = tuple(other_names.get(layer, layer) for layer in entry.layers)
    return replace(entry, layers=layers, leaf=entry.leaf.removeprefix(f"{theirs[-1]}_"))


def _told(path: Path, listing: Listing, shapes: Shapes) -> tuple[dict[str, Entry], str]:
    """Find each tensor in a file, or say what is wrong with it."""
    named, how = match.by_name(listing.entries, shapes), "by name"
    right = [name for name, entry in named.items() if match.fits(entry, name, shapes[name])]
    if len(right) < len(shapes) and listing.ordered:
        ordered = match.in_order(listing.entries, shapes)
        named, how = (ordered, "in order") if ordered else (named, how)
    for name, shape in shapes.items():
        if name not in named:
            raise ForeignFile(f"{path} has no tensor {name}: it is of another network.")
        if not match.fits(named[name], name, shape):
            raise ForeignFile(f"{path}: {name} has shape {named[name].shape}; {shape} was expected.")
        if named[name].read is None:
            raise ForeignFile(f"{path}: {name} does not hold plain numbers.")
    mine = match.convolutions(one.shape for one in listing.entries if not match.is_of_the_optimizer(one))
    wanted = match.convolutions(shapes.values())
    if mine > wanted:
        raise ForeignFile(f"{path} has {mine} convolutions where the network has {wanted}: it is of another network.")
    return named, how
