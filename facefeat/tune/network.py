"""A whole model as one Keras network: from aligned faces to who they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from facefeat import plugins
from facefeat.errors import UsageError
from facefeat.features import backbone as backbones
from facefeat.features.encode import Plan
from facefeat.features.layers import parts
from facefeat.heads import prototype
from facefeat.heads._layers import scaled_rows
from facefeat.learn import head as heads
from facefeat.learn.bundle import Bundle
from facefeat.learn.calibration import LEAST

INPUT = "rgb"
BEST, SIMILARITY, PROBABILITY, SCORE = "best", "similarity", "probability", "score"


def check(bundle: Bundle) -> None:
    """Require that a model can be written in layers.

    Raises
    ------
    UsageError
        If its head, its backbone or its precision is in the way.
    """
    head, recipe = bundle.head, bundle.recipe
    if not hasattr(heads.get(head), "in_layers"):
        able = ", ".join(name for name in plugins.names("head") if hasattr(heads.get(name), "in_layers"))
        raise UsageError(
            f"The head {head} cannot be written in layers, so a model of it cannot be exported; there are: {able}."
        )
    if not hasattr(backbones.get(recipe.backbone), "build"):
        able = ", ".join(name for name in plugins.names("backbone") if hasattr(backbones.get(name), "build"))
        raise UsageError(
            f"The backbone {recipe.backbone} is no Keras network, so a model on it cannot be exported; there are: {able}."
        )
    if recipe.numerics != "full":
        raise UsageError(
            "The model's vectors are of int8, which other formats round in other ways, so it cannot be exported; extract "
            "without --precision int8 and fit again."
        )


def outputs(bundle: Bundle) -> tuple[str, ...]:
    """Name the outputs of ``build``, sorted as all formats sort them."""
    return BEST, PROBABILITY if bundle.confidence else SCORE, SIMILARITY


def build(bundle: Bundle, plan: Plan) -> Any:
    """Build the network.

    Parameters
    ----------
    bundle : Bundle
        One that ``check`` lets pass.
    plan : Plan
        Of its recipe.

    Returns
    -------
    keras.Model
        Input ``rgb`` of shape (n, size, size, 3), uint8. Outputs by name: ``best`` of shape (n,), int32, the index
        of the person that the head names, and of persons whom it scores alike the one of the largest similarity;
        ``similarity`` of shape (n, n_people), float32, the cosine to each person's mean, of which the best's is compared
        with the threshold; ``probability`` of shape (n, n_people), float32, or ``score``, the head's own, of a model
        without probabilities.
    """
    from facefeat.engines.keras import import_keras, silent_stderr

    keras = import_keras()
    size = bundle.recipe.input_size
    with silent_stderr():
        faces = keras.Input((size, size, 3), dtype="uint8", name=INPUT)
        rows = _vectors(keras, bundle, plan, keras.ops.cast(faces, "float32"))
        scores = logits(bundle.head, bundle.estimator, rows)
        unknown = bundle.unknown
        cosines = prototype.similarities_in_layers(unknown[-1], scaled_rows(unknown, rows))
        made = {
            BEST: _best(keras.ops, scores, cosines),
            SIMILARITY: cosines,
            outputs(bundle)[1]: _softmax(keras.ops, scores, bundle) if bundle.confidence else scores,
        }
        # Named layers at the end: formats call the outputs after them.
        named = {name: keras.layers.Identity(name=name, dtype=made[name].dtype)(made[name]) for name in outputs(bundle)}
        return keras.Model(faces, named, name="facefeat")


def _vectors(keras: Any, bundle: Bundle, plan: Plan, faces: Any) -> Any:
    """Run the backbone as far as the model's layers go, on the face and its mirror image where the recipe says so."""
    recipe = plan.recipe
    wanted = parts(bundle.layer)
    layers = tuple(layer for layer in recipe.layers if layer in wanted)
    describe = cast(Any, backbones.get(recipe.backbone))
    network = describe.build(replace(recipe, layers=layers), plan.weights.read())
    found = _listed(network(faces))
    if recipe.flip:
        mirrored = _listed(network(keras.ops.flip(faces, axis=2)))
        found = [(one + other) / 2 for one, other in zip(found, mirrored, strict=True)]
    by_layer = dict(zip(layers, found, strict=True))
    rows = [by_layer[layer] for layer in wanted]
    return rows[0] if len(rows) == 1 else keras.ops.concatenate(rows, axis=1)


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def logits(head: str, estimator: Any, rows: Any) -> Any:
    """Write ``facefeat.learn.calibration.logits`` in layers.

    Parameters
    ----------
    head : str
        One with ``in_layers``.
    estimator : Pipeline
        Fitted.
    rows : Keras tensor of shape (n, n_features), float32

    Returns
    -------
    Keras tensor of shape (n, n_classes), float32
    """
    from facefeat.engines.keras import import_keras

    ops = import_keras().ops
    layered = cast(heads.LayeredHead, heads.get(head))
    scores = layered.in_layers(estimator[-1], scaled_rows(estimator, rows))
    if not hasattr(estimator, "decision_function"):
        return ops.log(ops.maximum(scores, LEAST))
    return scores if scores.shape[1] > 1 else ops.concatenate([-scores, scores], axis=1)


def _softmax(ops: Any, scores: Any, bundle: Bundle) -> Any:
    return ops.softmax(scores / np.float32(bundle.confidence.temperature if bundle.confidence else 1), axis=1)


def _best(ops: Any, scores: Any, cosines: Any) -> Any:
    """Find who is named; no argmax, which Keras writes with an operation that ONNX and OpenVINO lack."""
    among = ops.where(scores >= ops.max(scores, axis=1, keepdims=True), cosines, np.float32(-2))
    return ops.squeeze(ops.top_k(among, 1)[1], axis=1)
