"""A network's weights: where they come from, and the hash of their numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import DamagedFile, ForeignFile, InputError

Tensors = dict[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]

# What Keras and its older selves call a layer's tensors.
_LEAVES = {
    "kernel": ("kernel", "kernel:0", "W_1:0", "0"),
    "bias": ("bias", "bias:0", "b_1:0", "1"),
    "depthwise_kernel": ("depthwise_kernel", "depthwise_kernel:0", "kernel", "0"),
    "gamma": ("gamma", "gamma:0", "0"),
    "beta": ("beta", "beta:0", "1"),
    "moving_mean": ("moving_mean", "moving_mean:0", "2"),
    "moving_variance": ("moving_variance", "moving_variance:0", "3"),
    "mean": ("mean", "mean:0", "0"),
    "variance": ("variance", "variance:0", "1"),
}


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
    """

    name: str
    sha256: str
    read: Callable[[], Tensors]


def from_file(path: str | Path, shapes: Shapes) -> Weights:
    """Read the tensors of a network from a user's file.

    Parameters
    ----------
    path : path-like
        ``.npz`` with arrays named like ``block1_conv1/kernel``, or Keras' ``.h5``.
    shapes : mapping of str to tuple of int
        The tensors that are needed, in the network's order.

    Returns
    -------
    Weights

    Raises
    ------
    InputError
        If there is no such file.
    ForeignFile
        If it is neither kind, lacks a tensor, or has one of another shape.
    DamagedFile
        If it cannot be read, or holds a number that is not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no weights file {path}.")
    tensors = _read(path, shapes)
    for name, shape in shapes.items():
        if name not in tensors:
            raise ForeignFile(f"{path} has no tensor {name}: it is of another network.")
        if tensors[name].shape != shape:
            raise ForeignFile(f"{path}: {name} has shape {tensors[name].shape}; {shape} was expected.")
        if not np.isfinite(tensors[name]).all():
            raise DamagedFile(f"{path}: {name} holds numbers that are not finite.")
    return Weights("file", digest(tensors[name] for name in shapes), lambda: tensors)


def digest(tensors: Iterable[NDArray[Any]]) -> str:
    """Return the SHA-256, in hex, of tensors as little-endian float32, one after the other."""
    hashed = hashlib.sha256()
    for tensor in tensors:
        hashed.update(np.ascontiguousarray(tensor, "<f4").tobytes())
    return hashed.hexdigest()


def _read(path: Path, shapes: Shapes) -> Tensors:
    with path.open("rb") as file:
        start = file.read(8)
    try:
        if start.startswith(b"PK"):
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name].astype(np.float32) for name in shapes if name in arrays}
        if start == b"\x89HDF\r\n\x1a\n":
            return _read_hdf5(path, shapes)
    except Exception as error:  # zipfile, zlib, NumPy and HDF5 each raise their own on a malformed file
        raise DamagedFile(f"{path} cannot be read: {error}.") from error
    raise ForeignFile(f"{path} is no weights file: a .npz or Keras .h5 file was expected.")


def _read_hdf5(path: Path, shapes: Shapes) -> Tensors:
    """Find each tensor by its layer's name, its own name and its shape; links are not followed."""
    import h5py

    tensors: Tensors = {}

    def visit(where: str, item: object) -> None:
        *folders, leaf = where.split("/")
        if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
            return
        named = item.parent.attrs.get("name")  # Keras 3 calls the groups after the layers' kinds
        if isinstance(named, str):
            folders.append(named)
        for layer in folders:
            for part, leaves in _LEAVES.items():
                name = f"{layer}/{part}"
                if item.shape == shapes.get(name) and (leaf in leaves or leaf.removeprefix(f"{layer}_") in leaves):
                    tensors.setdefault(name, np.asarray(item, np.float32))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return tensors
