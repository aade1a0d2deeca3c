"""What the API answers, as JSON documents."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from facefeat.data.folder import escaped
from facefeat.engines.network import describe
from facefeat.report.predicted import naming_document
from facefeat.serve.current import Model
from facefeat.serve.pipeline import Answer


def prediction(answer: Answer, model: Model) -> dict[str, Any]:
    """Describe a photograph and who is in it; schema ``facefeat/serve-predict/1``."""
    return {
        "schema": "facefeat/serve-predict/1",
        "width": answer.width,
        "height": answer.height,
        "faces": [
            {"box": [round(float(side), 1) for side in face.box], "found": face.found, **_naming(naming, model)}
            for face, naming in answer.faces
        ],
    }


def _naming(naming: Any, model: Model) -> dict[str, Any]:
    found = naming_document(naming)
    for picture in found["nearest"]:
        picture["address"] = address(model, picture["name"], model.places[picture["path"]])
    return found


def address(model: Model, name: str, number: int) -> str | None:
    """Return where a training picture's face is shown; ``None`` where the model keeps no faces."""
    if not len(model.bundle.gallery.pixels):
        return None
    return f"/api/people/{quote(name, safe='')}/pictures/{number}"


def people(model: Model) -> dict[str, Any]:
    """Describe whom the model knows; schema ``facefeat/serve-people/1``."""
    found = [
        {"name": name, "pictures": len(model.pictures[name]), "address": address(model, name, 0)}
        for name in model.bundle.people
    ]
    return {"schema": "facefeat/serve-people/1", "threshold": model.bundle.threshold.value, "people": found}


def model_document(model: Model, path: Path, problem: str | None, *, report: bool, most: int) -> dict[str, Any]:
    """Describe the model and the server; schema ``facefeat/serve-model/1``."""
    bundle = model.bundle
    return {
        "schema": "facefeat/serve-model/1",
        "file": escaped(path.name),
        "sha256": model.sha256,
        "problem": problem,
        "head": bundle.head,
        "layer": bundle.layer,
        "people": len(bundle.people),
        "pictures": len(model.places),
        "threshold": asdict(bundle.threshold),
        "recipe": bundle.recipe.as_dict(),
        "finds_faces": bundle.recipe.faces.detector != "none",
        "ran_on": describe(model.recogniser.encoder.engine),
        "report": report,
        "picture_bytes": most,
        "facefeat": version("facefeat"),
    }
