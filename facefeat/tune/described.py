"""What an exported file says of itself: one document, the same in every format."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from facefeat.data.faces import ARCFACE, FaceStep
from facefeat.learn.bundle import Bundle
from facefeat.tune.network import BEST, INPUT, PROBABILITY, SCORE, SIMILARITY, outputs

SCHEMA = "facefeat-export/1"
KEY = "facefeat"  # under which formats keep it; in an archive, with .json behind
POINTS = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")  # as seen

_MEANINGS = {
    BEST: "index of the person that the head names; of persons whom it scores alike the most similar one",
    PROBABILITY: "of each person, if the face is of one of them",
    SCORE: "of each person, by the head; only their order means something",
    SIMILARITY: "cosine to each person's mean; under the threshold for the best, the face is unknown",
}


def describe(bundle: Bundle, model_sha256: str) -> dict[str, Any]:
    """Describe an exported model as plain JSON values.

    Parameters
    ----------
    bundle : Bundle
    model_sha256 : str
        Of the bundle's file, hex.

    Returns
    -------
    dict
    """
    recipe, size = bundle.recipe, bundle.recipe.input_size
    return {
        "schema": SCHEMA,
        "people": list(bundle.people),
        "threshold": bundle.threshold.value,
        "temperature": bundle.confidence.temperature if bundle.confidence else None,
        "head": bundle.head,
        "layer": bundle.layer,
        "input": {
            "name": INPUT,
            "size": size,
            "shape": [None, size, size, 3],
            "dtype": "uint8",
            "colour": "RGB",
            "face": alignment(recipe.faces, size),
        },
        "outputs": {name: _MEANINGS[name] for name in outputs(bundle)},
        "recipe": recipe.as_dict(),
        "recipe_sha256": recipe.sha256,
        "model_sha256": model_sha256,
        "facefeat": version("facefeat"),
    }


def alignment(step: FaceStep, size: int) -> dict[str, Any]:
    """Say how a face becomes the square that the network sees, so that others can do it too.

    Parameters
    ----------
    step : FaceStep
    size : int
        Side of the square, pixels.

    Returns
    -------
    dict
        ``how``, one sentence; and ``points``, where eyes, nose and corners of the mouth go, in pixels, where a face is
        aligned by them.
    """
    if step.detector == "none":
        return {"how": "the whole picture, squeezed to the square"}
    room = 1 + 2 * step.margin
    points = [[round(float(side), 3) for side in point] for point in (ARCFACE + step.margin) / room * size]
    how = "turned, scaled and moved by the least-squares similarity transform of its five points to these"
    if step.template == "box":
        how = (
            "turned by the angle of the least-squares similarity transform of its five points to these; scaled so that "
            f"{room:.3g} times the longer side of the detector's box is the side of the square, the box's centre in its "
            "middle"
        )
    return {"how": how, "template": step.template, "points": dict(zip(POINTS, points, strict=True))}


def written(document: dict[str, Any]) -> str:
    """Write the document as JSON text."""
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
