"""Convolutions in int8: what is rounded, and how far."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facefeat.engines.choose import choose
from facefeat.engines.network import Network
from facefeat.errors import DamagedFile, UsageError
from tests.making import random_pixels

INPUTS = np.stack([random_pixels(16, 16, seed) for seed in range(8)])


def build() -> Any:
    """Build three convolutions, with pooling between the second and the third."""
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    rng = np.random.default_rng(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(inputs)
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="second")(x)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="third")(x)
    model = keras.Model(inputs, keras.layers.Flatten(dtype="float32")(x))
    for name in ("first", "second", "third"):
        layer = model.get_layer(name)
        shape = layer.kernel.shape
        layer.set_weights([rng.normal(0, 0.1, shape).astype(np.float32), rng.normal(0, 1, shape[-1]).astype("f4")])
    return model


NETWORK = Network("three", hashlib.sha256(b"three").hexdigest(), build, (16, 16, 3), 4)


def test_ranges_are_those_of_what_enters_every_convolution_but_the_first() -> None:
    from facefeat.engines.keras import import_keras

    model = build()
    inner = import_keras().Model(model.inputs, [model.get_layer(name).output for name in ("first", "second")])
    wanted = [(float(found.min()), float(found.max())) for found in inner.predict_on_batch(INPUTS.astype(np.float32))]
    found = choose("openvino", "int8").calibrate(NETWORK, INPUTS)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_rounding_keeps_the_vectors_and_changes_them_a_little() -> None:
    engine = choose("openvino", "int8")
    ranges = engine.calibrate(NETWORK, INPUTS)
    (rounded,) = engine.load(replace(NETWORK, ranges=ranges))(INPUTS)
    (full,) = choose("openvino", "float32").load(NETWORK)(INPUTS)
    cosines = np.sum(rounded * full, axis=1) / np.linalg.norm(rounded, axis=1) / np.linalg.norm(full, axis=1)
    assert 0.999 < cosines.min() < 0.9999999


def test_narrow_ranges_cut_numbers_off() -> None:
    engine = choose("openvino", "int8")
    ((low, high), second) = engine.calibrate(NETWORK, INPUTS)
    (full,) = engine.load(replace(NETWORK, ranges=((low, high), second)))(INPUTS)
    (cut,) = engine.load(replace(NETWORK, ranges=((low, high / 4), second)))(INPUTS)
    assert cut.mean() < 0.9 * full.mean()


def test_a_network_without_ranges_is_not_rounded() -> None:
    (one,) = choose("openvino", "int8").load(NETWORK)(INPUTS)
    (other,) = choose("openvino", "auto").load(NETWORK)(INPUTS)
    np.testing.assert_array_equal(one, other)


def test_too_few_ranges_are_refused() -> None:
    with pytest.raises(DamagedFile) as caught:
        choose("openvino", "int8").load(replace(NETWORK, ranges=((0.0, 1.0),)))
    assert str(caught.value) == "The network has 2 ranges of int8, but 1 are given."


def test_keras_refuses_int8() -> None:
    engine = choose("keras", "float32")
    for refused in (
        lambda: engine.load(replace(NETWORK, ranges=((0.0, 1.0), (0.0, 1.0)))),
        lambda: engine.calibrate(NETWORK, INPUTS),
    ):
        with pytest.raises(UsageError) as caught:
            refused()
        assert str(caught.value) == (
            "These vectors are of int8, in which Keras does not compute; use --engine openvino."
        )
