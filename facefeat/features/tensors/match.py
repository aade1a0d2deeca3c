"""Which tensor of a file is which of a network: by names, or in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from facefeat.features.tensors.entry import Entry

Shapes = Mapping[str, tuple[int, ...]]

# What Keras, its older selves and PyTorch call a layer's tensors.
_LEAVES = {
    "kernel": ("kernel", "kernel:0", "W_1:0", "W", "weight", "0"),
    "bias": ("bias", "bias:0", "b_1:0", "b", "1"),
    "depthwise_kernel": ("depthwise_kernel", "depthwise_kernel:0", "kernel", "kernel:0", "weight", "0"),
    "gamma": ("gamma", "gamma:0", "weight", "0"),
    "beta": ("beta", "beta:0", "bias", "1"),
    "moving_mean": ("moving_mean", "moving_mean:0", "running_mean", "2"),
    "moving_variance": ("moving_variance", "moving_variance:0", "running_var", "3"),
    "mean": ("mean", "mean:0", "0"),
    "variance": ("variance", "variance:0", "1"),
}
# Axes of (out, in, height, width), as Keras orders them.
_AXES = {"kernel": (2, 3, 1, 0), "depthwise_kernel": (2, 3, 0, 1)}


def by_name(entries: Sequence[Entry], shapes: Shapes) -> dict[str, Entry]:
    """Find the entries that are named as a network's tensors are, whatever their shape; the right one goes first."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if is_of_the_optimizer(entry):
            continue
        for layer in entry.layers:
            for part, leaves in _LEAVES.items():
                name = f"{layer}/{part}"
                called = entry.leaf in leaves or entry.leaf.removeprefix(f"{layer}_") in leaves
                if called and name in shapes and (name not in found or not fits(found[name], name, shapes[name])):
                    found[name] = entry
    return found


def in_order(entries: Sequence[Entry], shapes: Shapes) -> dict[str, Entry] | None:
    """Take the entries as they stand, where their shapes are those of the network one after the other.

    Returns
    -------
    dict of str to Entry or None
        ``None`` where there is no such stretch, or a further convolution beside it.
    """
    usable = [entry for entry in entries if entry.read is not None and len(entry.shape) in (1, 4)]
    usable = [entry for entry in usable if not is_of_the_optimizer(entry)]
    names = list(shapes)
    for start in range(len(usable) - len(names) + 1):
        stretch = usable[start : start + len(names)]
        if all(fits(entry, name, shapes[name]) for entry, name in zip(stretch, names, strict=True)):
            return dict(zip(names, stretch, strict=True))
    return None


def convolutions(shapes: Iterable[tuple[int, ...]]) -> int:
    """Count the kernels of convolutions; four axes of which three are 1 are a constant's."""
    return sum(len(shape) == 4 and sum(side > 1 for side in shape) > 1 for shape in shapes)


def fits(entry: Entry, name: str, shape: tuple[int, ...]) -> bool:
    """Tell whether an entry has the shape of a network's tensor, or has it turned round."""
    return _axes(entry, name, shape) is not None


def arranged(entry: Entry, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Read an entry, turned as Keras has it."""
    axes = _axes(entry, name, shape)
    if entry.read is None or axes is None:
        raise ValueError(f"{name} cannot be taken from a tensor of {entry.shape}")
    return np.ascontiguousarray(entry.read().transpose(axes))


def _axes(entry: Entry, name: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    axes = _AXES.get(name.rpartition("/")[2])
    turned = len(entry.shape) == 4 and axes is not None and tuple(entry.shape[axis] for axis in axes) == shape
    if entry.shape == shape and not (entry.channels_first and turned):
        return tuple(range(len(shape)))
    return axes if turned else None


def is_of_the_optimizer(entry: Entry) -> bool:
    """Tell whether an entry is what an optimizer remembers of a tensor."""
    return any(layer in ("optimizer", "optimizer_weights") for layer in entry.layers)
