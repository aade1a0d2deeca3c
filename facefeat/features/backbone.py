"""What a backbone is, and what those made with Keras share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.engines.network import Engine, Network, Run
from facefeat.errors import UsageError, unknown_name
from facefeat.features.layers import parts, within
from facefeat.features.recipe import Recipe, canonical_json
from facefeat.features.weights import Weights


class Backbone(Protocol):
    """The contract of a module in ``facefeat/features/backbones``.

    Attributes
    ----------
    SUMMARY : str
        One line for people.
    LICENCE : str
        Of the weights, one line.
    LAYERS : tuple of str
        Where vectors can be read, in the network's order; Keras' names where it is Keras' network.
    DEFAULT_LAYERS : tuple of str
        What a feature file holds unless asked otherwise.
    HEAD_LAYER : str
        What heads use unless told otherwise: a layer, or several joined by plus signs.
    DEFAULT_SIZE : int
        Side of the face, pixels.
    POOLINGS : tuple of str
        The default first.
    WEIGHTS : tuple of str
        Names that ``weights`` knows, the default first.

    Optional:

    * ``network(recipe, weights, batch_size)``, which describes it as the one ``facefeat.engines.network.Network``
      that ``load`` runs. Those that have it can be computed in int8. If ``load`` runs a Keras model, ``shapes()``
      names the model's tensors and ``build(recipe, tensors)`` makes it: a ``keras.Model`` from RGB of 0 to 255, shape
      (n, size, size, 3), to one row a layer of the recipe. Models on those that have it can be exported.
    * ``OFFICIAL``, the ``facefeat.features.official.Official`` of each name in ``WEIGHTS`` that is fetched.
    * ``PREPROCESSINGS``, what may become of the pixels first, the default first; the default is ``None`` in a recipe.
    * ``SIZES``, the only sides it takes; ``FACES``, the fields of a face step that it was made for.
    * ``MADE_FOR_FACES``, true where it was trained to tell people apart.
    * ``UNFREEZE``, by which a backbone with ``shapes`` and ``build`` can be fine-tuned: what may be trained, by name, with the
      layer below it, ``''`` for none. Its tensors are called ``LAYER/WEIGHT`` after Keras' layers.
    """

    SUMMARY: str
    LICENCE: str
    LAYERS: tuple[str, ...]
    DEFAULT_LAYERS: tuple[str, ...]
    HEAD_LAYER: str
    DEFAULT_SIZE: int
    POOLINGS: tuple[str, ...]
    WEIGHTS: tuple[str, ...]

    def weights(self, source: str) -> Weights:
        """Find weights by a name of ``WEIGHTS`` or a file's path."""

    def load(self, recipe: Recipe, weights: Weights, engine: Engine, batch_size: int) -> Run:
        """Make the network ready.

        The result maps uint8 RGB of shape (n, size, size, 3) to one float32 array of shape (n, d) for
        each layer of the recipe, in its order. Several threads may call it at once.
        """


def usual_layer(recipe: Recipe) -> str:
    """Return what heads use unless told otherwise: ``HEAD_LAYER``, or the deepest of its layers that there is.

    Where a recipe has none of them, it is its last.
    """
    usual = get(recipe.backbone).HEAD_LAYER
    if within(usual, recipe.layers):
        return usual
    return next((one for one in reversed(parts(usual)) if one in recipe.layers), recipe.layers[-1])


def get(name: str) -> Backbone:
    """Import a backbone by its name.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    return cast(Backbone, plugins.load("backbone", name))


def check_size(name: str, size: int) -> None:
    """Refuse a size that a backbone does not take.

    Raises
    ------
    UsageError
    """
    sizes = getattr(get(name), "SIZES", (size,))
    if size not in sizes:
        takes = " or ".join(map(str, sizes))
        raise UsageError(f"The backbone {name} takes faces of {takes} pixels only; {size} was given.")


def is_made_for_faces(name: str) -> bool:
    """Tell whether a backbone was trained to tell people apart, rather than things."""
    return bool(getattr(get(name), "MADE_FOR_FACES", False))


def check_layers(backbone: Backbone, layers: tuple[str, ...]) -> tuple[str, ...]:
    """Put layers into the network's order.

    Raises
    ------
    UsageError
        If the network has no such layer.
    """
    for layer in layers:
        if layer not in backbone.LAYERS:
            raise unknown_name("layer", layer, backbone.LAYERS)
    return tuple(layer for layer in backbone.LAYERS if layer in layers)


def keras_network(recipe: Recipe, build: Callable[[], Any], batch_size: int) -> Network:
    """Describe a backbone that is a Keras model with one output a layer.

    Parameters
    ----------
    recipe : Recipe
        Its network's fields name the exported copy; its calibration makes it int8.
    build : callable
        Returns the model.
    batch_size : int

    Returns
    -------
    Network
    """
    decides = ("backbone", "weights_sha256", "layers", "pooling", "input_size", "preprocess")
    record = {name: value for name, value in recipe.as_dict().items() if name in decides}
    key = hashlib.sha256(canonical_json({"export": 1, **record}).encode()).hexdigest()
    shape = (recipe.input_size, recipe.input_size, 3)
    ranges = recipe.calibration.ranges if recipe.calibration else ()
    return Network(recipe.backbone, key, build, shape, batch_size, ranges=ranges)


def preprocessing(backbone: Backbone, name: str | None) -> str | None:
    """Return what a recipe holds for a preprocessing that was asked for: ``None`` for the backbone's own.

    Raises
    ------
    UsageError
        If the backbone knows none of that name.
    """
    known = tuple(getattr(backbone, "PREPROCESSINGS", ()))
    if name is not None and name not in known:
        if not known:
            raise UsageError(f"This backbone has one preprocessing only; '{name}' was given. Leave --preprocess out.")
        raise unknown_name("preprocessing", name, known)
    return None if name is None or name == known[0] else name


def network_of(recipe: Recipe, weights: Weights, batch_size: int) -> Network:
    """Describe a recipe's backbone as one network.

    Raises
    ------
    UsageError
        If it is none, and so cannot be computed in int8.
    """
    describe = getattr(get(recipe.backbone), "network", None)
    if describe is None:
        raise UsageError(f"The backbone {recipe.backbone} does not compute in int8; leave --precision out.")
    return cast(Network, describe(recipe, weights, batch_size))


def pooled(x: Any, pooling: str) -> Any:
    """Reduce a Keras feature map to one row a picture.

    Parameters
    ----------
    x : Keras tensor of shape (n, height, width, channels)
    pooling : {'avg', 'max', 'grid2', 'flatten'}
        ``'grid2'``: the mean of each quarter, quarters sharing the middle row or column of odd maps.

    Returns
    -------
    Keras tensor of shape (n, d), float32
    """
    from facefeat.engines.keras import import_keras

    layers = import_keras().layers
    if pooling == "avg":
        return layers.GlobalAveragePooling2D(dtype="float32")(x)
    if pooling == "max":
        return layers.GlobalMaxPooling2D(dtype="float32")(x)
    if pooling == "flatten":
        return layers.Flatten(dtype="float32")(x)
    height, width = x.shape[1:3]
    cells = [
        layers.GlobalAveragePooling2D(dtype="float32")(x[:, rows, columns, :])
        for rows in (slice(0, -(-height // 2)), slice(height // 2, height))
        for columns in (slice(0, -(-width // 2)), slice(width // 2, width))
    ]
    return layers.Concatenate(dtype="float32")(cells)


def mirrored_mean(run: Run) -> Run:
    """Average each vector with that of the face's mirror image; both go through the network in the same batches."""

    def both(faces: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        n = len(faces)
        outputs = run(np.concatenate([faces, faces[:, :, ::-1]]))
        return tuple((output[:n] + output[n:]) / np.float32(2) for output in outputs)

    return both
