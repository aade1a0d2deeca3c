"""What the networks that are built by ``keras.applications`` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from facefeat.features.backbone import pooled
from facefeat.features.backbones._tensors import put
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors


def build(recipe: Recipe, tensors: Tensors, builder: str, prepare: Callable[[Any, Any], Any]) -> Any:
    """Build the Keras model: raw RGB in, one row a layer out; what lies behind the last layer is left out.

    Parameters
    ----------
    recipe : Recipe
        Its layers, pooling and input size.
    tensors : dict of str to ndarray
    builder : str
        Name of a function of ``keras.applications``.
    prepare : callable
        Gets Keras and raw RGB, returns what the network takes. It computes with operations and not with layers,
        so that a short precision does not round the pixels.

    Returns
    -------
    keras.Model
        Flat; its layers have Keras' names.
    """
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    inputs = keras.Input((recipe.input_size, recipe.input_size, 3), name="rgb")
    make = getattr(keras.applications, builder)
    whole = make(weights=None, include_top=False, input_tensor=prepare(keras, inputs))
    model = keras.Model(inputs, [pooled(whole.get_layer(layer).output, recipe.pooling) for layer in recipe.layers])
    put(model, tensors)
    return model
