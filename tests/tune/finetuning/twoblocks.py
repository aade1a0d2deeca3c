"""A network of two small blocks, as another package would bring it: seeded weights, and batch normalisation in the second."""

from __future__ import annotations

from typing import Any

import numpy as np

from facefeat.engines.network import Engine, Run
from facefeat.features.backbone import keras_network, pooled
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors, Weights, digest, from_file

SUMMARY = "two small blocks, for tests"
LICENCE = "no weights but seeded ones"
LAYERS = ("block1_pool", "block2_pool")
DEFAULT_LAYERS = LAYERS
HEAD_LAYER = "block1_pool"
DEFAULT_SIZE = 32
POOLINGS = ("grid2", "avg")
WEIGHTS = ("seeded",)
UNFREEZE = {"block2": "block1_pool", "all": ""}

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def shapes() -> dict[str, tuple[int, ...]]:
    convolutions = {"block1_conv": (3, 3, 3, 8), "block2_conv": (3, 3, 8, 12)}
    found: dict[str, tuple[int, ...]] = {}
    for layer, shape in convolutions.items():
        found |= {f"{layer}/kernel": shape, f"{layer}/bias": shape[-1:]}
    return found | {f"block2_norm/{name}": (12,) for name in _NORM}


def weights(source: str = "seeded") -> Weights:
    if source != "seeded":
        return from_file(source, shapes())
    draws = np.random.default_rng(0)
    tensors = {name: draws.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes().items()}
    tensors["block2_norm/moving_variance"] = np.full(12, 2.0, np.float32)
    return Weights("seeded", digest(tensors.values()), lambda: tensors)


def load(recipe: Recipe, weights: Weights, engine: Engine, batch_size: int) -> Run:
    return engine.load(keras_network(recipe, lambda: build(recipe, weights.read()), batch_size))


def build(recipe: Recipe, tensors: Tensors) -> Any:
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    layers = keras.layers
    inputs = keras.Input((recipe.input_size, recipe.input_size, 3), name="rgb")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="block1_conv")(x)
    found = {"block1_pool": layers.MaxPooling2D(2, name="block1_pool")(x)}
    x = layers.Conv2D(12, 3, padding="same", name="block2_conv")(found["block1_pool"])
    x = layers.ReLU(name="block2_relu")(layers.BatchNormalization(name="block2_norm")(x))
    found["block2_pool"] = layers.MaxPooling2D(2, name="block2_pool")(x)
    model = keras.Model(inputs, [pooled(found[layer], recipe.pooling) for layer in recipe.layers])
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([tensors[f"{layer.name}/{weight.name}"] for weight in layer.weights])
    return model
