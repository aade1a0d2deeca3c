"""What an engine runs, and what it promises: the records and protocols of this room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

PRECISIONS = ("float32", "bfloat16", "float16", "int8")
ENGINES = ("keras", "openvino")

Run = Callable[[NDArray[Any]], tuple[NDArray[np.float32], ...]]

# The lowest and the highest number that enters each convolution but the first, in the network's order.
Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Network:
    """A network to be run, described without being built.

    Attributes
    ----------
    name : str
        Short and readable; used in messages and file names.
    key : str
        SHA-256, in hex, over everything that decides its numbers (weights, layers, input size): two
        networks of the same key are the same function. Exported copies are cached under it.
    build : callable
        Returns the ``keras.Model``; called only where there is no exported copy.
    input_shape : tuple of (int or None, int or None, int)
        Height, width and channels; ``None`` where any size goes.
    batch_size : int or None
        Number of inputs run together. Short batches are padded to it, so that a row's numbers depend
        neither on its neighbours nor on how many there are. ``None``: whatever comes.
    exact : bool
        Always float32, whatever precision the engine was asked for.
    ranges : Ranges
        What ``Engine.calibrate`` found: the network is run in int8. Empty: in the engine's precision.
    """

    name: str
    key: str
    build: Callable[[], Any]
    input_shape: tuple[int | None, int | None, int]
    batch_size: int | None = None
    exact: bool = False
    ranges: Ranges = ()


class Engine(Protocol):
    """A way to run networks.

    Attributes
    ----------
    name : str
        One of ``ENGINES``.
    device : str
        What really computes, in words, e.g. ``'AMD EPYC 9B14'``.
    precision : str
        One of ``PRECISIONS``.
    batch_size : int
        Inputs that are best run together on this device.
    """

    name: str
    device: str
    precision: str
    batch_size: int

    def load(self, network: Network) -> Run:
        """Make a network ready.

        The result maps (n, height, width, channels) to one float32 array an output. Several threads may
        call it at once.
        """

    def calibrate(self, network: Network, inputs: NDArray[Any]) -> Ranges:
        """Find the ranges of a network's numbers on inputs like those to come; see ``Ranges``.

        Raises
        ------
        UsageError
            If this engine does not compute in int8.
        """


def describe(engine: Engine) -> str:
    """Say in one line which engine, device and precision are in use.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> describe(SimpleNamespace(name="openvino", device="AMD EPYC 9B14", precision="bfloat16"))
    'openvino on AMD EPYC 9B14, bfloat16'
    """
    return f"{engine.name} on {engine.device}, {engine.precision}"


def in_fixed_batches(run: Run, batch_size: int) -> Run:
    """Cut an input of any length into batches of one length, padding the last with zeros."""

    def run_all(inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        parts = []
        for start in range(0, len(inputs), batch_size):
            batch = inputs[start : start + batch_size]
            n = len(batch)
            if n < batch_size:
                batch = np.concatenate([batch, np.zeros((batch_size - n, *batch.shape[1:]), batch.dtype)])
            parts.append([output[:n] for output in run(batch)])
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    return run_all
