"""A backbone cut in two: what stays as it is, and what is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.engines.keras import import_keras
from facefeat.errors import UsageError, unknown_name
from facefeat.features import backbone as backbones
from facefeat.features.encode import Plan
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors

ALL = "all"


@dataclass(frozen=True)
class Network:
    """A Keras network in two parts that share its layers.

    Attributes
    ----------
    whole : keras.Model
        Raw RGB to the pooled rows of the last layer.
    frozen : keras.Model or None
        Raw RGB to the feature map below what is trained; ``None`` where all of it is.
    trained : keras.Model
        That map, or raw RGB, to the pooled rows.
    """

    whole: Any
    frozen: Any
    trained: Any


def blocks(name: str) -> Mapping[str, str]:
    """Return what can be unfrozen of a backbone: names, each with the layer below it; ``''`` for none.

    Raises
    ------
    UsageError
        If there is no such backbone, or it cannot be fine-tuned.
    """
    found = _blocks(name)
    if not found:
        others = [one for one in plugins.names("backbone") if one != name and _blocks_or_none(one)]
        raise UsageError(
            f"The backbone {name} cannot be fine-tuned; of those there are, these can: {', '.join(others)}."
        )
    return found


def layer_below(backbone: str, unfreeze: str) -> str:
    """Return the layer below what is to be unfrozen.

    Raises
    ------
    UsageError
        As ``blocks``, or if there is no such block.
    """
    known = blocks(backbone)
    if unfreeze not in known:
        raise unknown_name(f"block of {backbone} to unfreeze", unfreeze, known)
    return known[unfreeze]


def network_of(recipe: Recipe, tensors: Tensors, unfreeze: str) -> Network:
    """Build a recipe's backbone up to its last layer, and cut it below a block.

    Only what is in the second part can be trained. Batch normalisation keeps its means: those of a few pictures
    would be worse.

    Parameters
    ----------
    recipe : Recipe
        Its backbone, pooling and input size.
    tensors : dict of str to ndarray
    unfreeze : str
        One of ``blocks``.

    Returns
    -------
    Network
    """
    keras = import_keras()
    backbone = backbones.get(recipe.backbone)
    below = layer_below(recipe.backbone, unfreeze)
    last = replace(recipe, layers=backbone.LAYERS[-1:])
    built = cast(Any, backbone).build(last, tensors)
    whole = keras.Model(built.inputs[0], built.outputs[0])  # Keras answers a list of one with lists
    cut = built.get_layer(below).output if below else None
    frozen = None if cut is None else keras.Model(built.inputs[0], cut)
    trained = whole if cut is None else keras.Model(cut, built.outputs[0])
    for layer in frozen.layers if frozen else ():
        layer.trainable = False
    for layer in trained.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return Network(whole, frozen, trained)


def tensors_of(model: Any, plan: Plan) -> Tensors:
    """Return all tensors of a backbone: those that a model's layers hold, else those it began with.

    Parameters
    ----------
    model : keras.Model
    plan : Plan

    Returns
    -------
    dict of str to ndarray of float32
        By the backbone's names, in the network's order.
    """
    held: dict[str, NDArray[np.float32]] = {}
    for layer in model.layers:
        for weight in layer.weights:
            held[f"{layer.name}/{weight.name}"] = np.asarray(weight).astype(np.float32)
    before = plan.weights.read()
    names = cast(Any, backbones.get(plan.recipe.backbone)).shapes()
    return {name: held.get(name, before[name]) for name in names}


def _blocks(name: str) -> Mapping[str, str]:
    module: Any = backbones.get(name)
    can = hasattr(module, "build") and hasattr(module, "shapes")
    return getattr(module, "UNFREEZE", {}) if can else {}


def _blocks_or_none(name: str) -> Mapping[str, str]:
    try:
        return _blocks(name)
    except ImportError:  # of another package that is not whole
        return {}
