"""A network of a few weights, whose numbers are known."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from facefeat.engines.network import Network

KERNEL = np.arange(1, 7, dtype=np.float32).reshape(1, 1, 3, 2) / 10


def build() -> Any:
    """Build a model with two outputs: a 1 x 1 convolution, and the mean of it."""
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    inputs = keras.Input((8, 8, 3))
    map_ = keras.layers.Conv2D(2, 1, use_bias=False, name="map")(inputs)
    model = keras.Model(inputs, [map_, keras.layers.GlobalAveragePooling2D(dtype="float32")(map_)])
    model.get_layer("map").set_weights([KERNEL])
    return model


def no_build() -> Any:
    """Stand for a build that must not be needed."""
    raise AssertionError("the network was built although its exported copy is there")


def network(name: str = "tiny", *, builds: bool = True, batch_size: int | None = 4, exact: bool = False) -> Network:
    """Describe the tiny network."""
    key = hashlib.sha256(name.encode()).hexdigest()
    return Network(name, key, build if builds else no_build, (8, 8, 3), batch_size, exact)


def expected(inputs: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Compute what the network computes, by other means."""
    map_ = inputs.astype(np.float64) @ KERNEL[0, 0].astype(np.float64)
    return map_, map_.mean(axis=(1, 2))
