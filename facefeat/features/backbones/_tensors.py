"""Names and shapes of a Keras network's tensors, and tensors put into it by name."""

from __future__ import annotations

import re
from typing import Any

from facefeat.features.weights import Tensors

Named = dict[str, tuple[int, ...]]

NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")


def convolution(name: str, size: int, channels: int, filters: int, bias: bool = True) -> Named:
    """Name the tensors of a ``Conv2D`` of size x size."""
    kernel: Named = {f"{name}/kernel": (size, size, channels, filters)}
    return {**kernel, f"{name}/bias": (filters,)} if bias else kernel


def depthwise(name: str, size: int, channels: int) -> Named:
    """Name the tensor of a ``DepthwiseConv2D`` without bias."""
    return {f"{name}/depthwise_kernel": (size, size, channels, 1)}


def normalisation(name: str, channels: int) -> Named:
    """Name the tensors of a ``BatchNormalization``."""
    return {f"{name}/{part}": (channels,) for part in NORMALISATION}


def put(model: Any, tensors: Tensors) -> None:
    """Give a network's layers their tensors, by the layers' names.

    What no tensor is named after, such as a count of the pictures seen, stays as it is.
    """
    for layer in model.layers:
        names = [_known(tensors, layer.name, variable.name) for variable in layer.weights]
        if any(names):
            now = zip(names, layer.get_weights(), strict=True)
            layer.set_weights([tensors[name] if name else value for name, value in now])
            if hasattr(layer, "finalize_state"):  # Normalization computes with a copy of its tensors
                layer.finalize_state()


def _known(tensors: Tensors, layer: str, part: str) -> str | None:
    """Find a variable's tensor: a layer that Keras counts (the second ``normalization_1``) has it without the number."""
    layers, parts = (layer, re.sub(r"_\d+$", "", layer)), (part, f"depthwise_{part}")
    return next((f"{one}/{leaf}" for one in layers for leaf in parts if f"{one}/{leaf}" in tensors), None)
