"""What the networks of Simonyan and Zisserman share: blocks of 3 x 3 convolutions, each closed by a pooling layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from facefeat.features.backbone import pooled
from facefeat.features.backbones._tensors import Named, convolution, put
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors

# How many convolutions, and how many filters each has.
Blocks = tuple[tuple[int, int], ...]

LICENCE = "weights: Visual Geometry Group, University of Oxford, CC BY 4.0"
LAYERS = tuple(f"block{block}_pool" for block in range(1, 6))
UNFREEZE = {"block5": "block4_pool", "block4": "block3_pool", "all": ""}
BGR_MEAN = (103.939, 116.779, 123.68)  # of ImageNet, subtracted after the channels were turned round


def shapes(blocks: Blocks) -> Named:
    """Return the shape of each tensor, in the network's order, kernel before bias."""
    found: Named = {}
    channels = 3
    for block, (n, filters) in enumerate(blocks, 1):
        for i in range(1, n + 1):
            found |= convolution(f"block{block}_conv{i}", 3, channels, filters)
            channels = filters
    return found


def build(recipe: Recipe, tensors: Tensors, blocks: Blocks, mean: tuple[float, ...] = BGR_MEAN) -> Any:
    """Build the Keras model: raw RGB in, one row a layer out; what lies behind the last layer is left out.

    Parameters
    ----------
    recipe : Recipe
        Its layers, pooling and input size.
    tensors : dict of str to ndarray
    blocks : sequence of (int, int)
    mean : tuple of float
        Subtracted, blue first.

    Returns
    -------
    keras.Model
    """
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    layers = keras.layers
    inputs = keras.Input((recipe.input_size, recipe.input_size, 3), name="rgb")
    x = keras.ops.flip(inputs, axis=-1) - np.array(mean, np.float32)
    outputs = []
    for block, (n, filters) in enumerate(blocks, 1):
        for i in range(1, n + 1):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv{i}")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        if f"block{block}_pool" in recipe.layers:
            outputs.append(pooled(x, recipe.pooling))
        if f"block{block}_pool" == recipe.layers[-1]:
            break
    model = keras.Model(inputs, outputs)
    put(model, tensors)
    return model
