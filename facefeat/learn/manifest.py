"""What a bundle says of itself: every field of ``manifest.json``, checked before anything relies on it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from facefeat import plugins
from facefeat.data.faces import POLICIES, TEMPLATES, FaceStep
from facefeat.errors import DamagedFile, ForeignFile, NewerFile, UsageError
from facefeat.features import backbone as backbones
from facefeat.features.layers import within
from facefeat.features.recipe import Recipe, canonical_json
from facefeat.learn import head as heads
from facefeat.learn.archive import is_printable, one_line, shown
from facefeat.learn.calibration import Confidence
from facefeat.learn.unknown import Threshold

MANIFEST = "manifest.json"
FORMAT = "facefeat-bundle"
VERSION = 3
MAX_NAME = 1024  # characters of a person's name
MAX_SEARCHED = 4096  # pixels to which a photograph may be enlarged to search it for faces

_PRINTED = ("recipe", "head", "params", "layer", "threshold", "scores", "versions")


@dataclass(frozen=True)
class Manifest:
    """The fields of a bundle that stand in its manifest.

    Attributes
    ----------
    recipe : Recipe
        Of the vectors it takes.
    head : str
        Name of the head.
    params : dict
        Knobs that were set.
    layer : str
    people : tuple of str
        Class i is ``people[i]``.
    threshold : Threshold
    confidence : Confidence or None
        How its scores become probabilities; ``None`` in files of a format before 3, and where there were too few
        pictures to say.
    scores : dict
        What is known of its accuracy; may be empty.
    versions : dict
        Of the libraries it was fitted with.
    """

    recipe: Recipe
    head: str
    params: dict[str, Any]
    layer: str
    people: tuple[str, ...]
    threshold: Threshold
    confidence: Confidence | None
    scores: dict[str, Any]
    versions: dict[str, str]


def check_format(path: Path, values: Any) -> int:
    """Return the number of a manifest's format; refuse what is no manifest, or a newer one.

    Raises
    ------
    ForeignFile, NewerFile
    """
    name, _, number = str(values.get("format", "") if isinstance(values, dict) else "")[:80].partition("/")
    if name != FORMAT or not (number.isascii() and number.isdecimal()) or int(number) < 1:
        raise ForeignFile(f"{path} is a ZIP file that facefeat did not make.")
    if int(number) > VERSION:
        raise NewerFile(f"{path} has format {number}; this facefeat reads up to {VERSION}. Install a newer facefeat.")
    return int(number)


def checked(path: Path, values: Mapping[str, Any]) -> Manifest:
    """Read the fields of a manifest; those that are not known are ignored.

    Parameters
    ----------
    path : Path
        For the sentence.
    values : mapping
        Parsed JSON.

    Returns
    -------
    Manifest

    Raises
    ------
    DamagedFile, ForeignFile, NewerFile
    """
    if not is_printable([values.get(name) for name in _PRINTED]):
        raise DamagedFile(f"{path} is refused: its {MANIFEST} holds characters that would steer a terminal.")
    recipe, people, layer = _recipe(path, values), _people(path, values.get("people")), values.get("layer")
    if not isinstance(layer, str) or not within(layer, recipe.layers):
        raise DamagedFile(f"{path} is damaged: its layer or people do not fit its recipe.")
    head, params = _head(path, values)
    threshold = _threshold(path, values.get("threshold"))
    confidence = _confidence(path, values.get("confidence"))
    scores: Any = values.get("scores")
    versions: Any = values.get("versions")
    if not _are_scores(scores):
        raise DamagedFile(f"{path} is damaged: its scores are malformed.")
    if not isinstance(versions, dict) or not all(isinstance(version, str) for version in versions.values()):
        raise DamagedFile(f"{path} is damaged: its versions are malformed.")
    return Manifest(recipe, head, params, layer, people, threshold, confidence, scores, versions)


def _recipe(path: Path, values: Mapping[str, Any]) -> Recipe:
    record = canonical_json(values.get("recipe"))
    try:
        recipe = Recipe.from_json(record)
    except DamagedFile as error:
        raise DamagedFile(f"{path} is damaged: its recipe cannot be read.") from error
    if hashlib.sha256(record.encode()).hexdigest() != values.get("recipe_sha256"):
        raise DamagedFile(f"{path} is damaged: its recipe does not match its hash.")
    if (
        not _fits(recipe, "faces")
        or not isinstance(recipe.faces, FaceStep)
        or not _fits(recipe.faces)
        or (recipe.calibration is not None and not _fits(recipe.calibration))
    ):
        raise DamagedFile(f"{path} is damaged: a field of its recipe is of another type than the format says.")
    if recipe.backbone not in plugins.names("backbone"):
        raise ForeignFile(f"{path} needs the backbone {shown(recipe.backbone)}, which is not installed.")
    network, plain = backbones.get(recipe.backbone), Recipe("", "", "", ("",), "avg", 32, False)
    # Weights of any other name would be looked for as a file of that name.
    known = recipe.pooling in network.POOLINGS and recipe.weights in (*network.WEIGHTS, "file")
    known = known and recipe.preprocess in (None, *getattr(network, "PREPROCESSINGS", ()))
    known &= set(recipe.layers) <= set(network.LAYERS) and len(set(recipe.layers)) == len(recipe.layers)
    known &= recipe.input_size in getattr(network, "SIZES", (recipe.input_size,))
    same = all(getattr(recipe, name) == getattr(plain, name) for name in ("colour", "format"))
    same &= recipe.numerics == "full" or (recipe.numerics == "int8" and hasattr(network, "network"))
    step = recipe.faces
    sides = 1 <= step.min_side <= MAX_SEARCHED and 1 <= step.max_side <= MAX_SEARCHED
    shares = -0.3 <= step.margin <= 1 and 0 <= step.min_score <= 1 and 0 <= step.min_face <= 1
    if not (known and same and sides and shares and step.template in TEMPLATES and step.policy in POLICIES):
        raise DamagedFile(f"{path} is refused: its recipe asks for what the backbone {recipe.backbone} does not have.")
    return recipe


def _fits(record: Any, *but: str) -> bool:
    """Tell whether the fields of a record are of the types that its class says."""
    hints = get_type_hints(type(record))
    return all(
        heads.fits(getattr(record, field.name), hints[field.name]) for field in fields(record) if field.name not in but
    )


def _people(path: Path, people: Any) -> tuple[str, ...]:
    if not isinstance(people, list) or not all(isinstance(name, str) and 0 < len(name) <= MAX_NAME for name in people):
        raise DamagedFile(f"{path} is damaged: its people are no list of names.")
    if len(set(people)) != len(people) or len(people) < 2:
        raise DamagedFile(f"{path} is damaged: it has a person twice, or fewer than two.")
    return tuple(people)


def _head(path: Path, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    head, params = values.get("head"), values.get("params")
    if not isinstance(head, str) or not isinstance(params, dict):
        raise DamagedFile(f"{path} is damaged: its head or its knobs are malformed.")
    if head not in plugins.names("head"):
        raise ForeignFile(f"{path} needs the head {shown(head)}, which is not installed.")
    try:
        heads.applied(head, params)
    except UsageError as error:
        raise DamagedFile(f"{path} is damaged: its head cannot be built ({one_line(error)}).") from error
    return head, params


def _threshold(path: Path, values: Any) -> Threshold:
    hints = get_type_hints(Threshold)
    known = {name: values[name] for name in hints if name in values} if isinstance(values, dict) else {}
    needed = {field.name for field in fields(Threshold) if field.default is MISSING}  # the others came with format 3
    if not needed <= set(known) or not all(heads.fits(value, hints[name]) for name, value in known.items()):
        raise DamagedFile(f"{path} is damaged: its threshold is no number.")
    found = Threshold(**known)
    shares = (found.fpir, *(one or 0 for one in (found.fnir, found.reached, found.reached_low, found.reached_high)))
    if not all(0 <= one <= 1 for one in shares) or min(found.n_people, found.n_pictures) < 0:
        raise DamagedFile(f"{path} is damaged: its threshold was found by rates or counts that cannot be.")
    return found


def _confidence(path: Path, values: Any) -> Confidence | None:
    if values is None:
        return None
    hints = get_type_hints(Confidence)
    known = {name: values[name] for name in hints if name in values} if isinstance(values, dict) else {}
    if set(known) != set(hints) or not all(heads.fits(known[name], hints[name]) for name in hints):
        raise DamagedFile(f"{path} is damaged: its confidence is malformed.")
    found = Confidence(**known)
    if not (1e-9 < found.temperature < 1e9 and 0 <= found.ece <= 1 and 0 <= found.brier <= 2 and found.n > 0):
        raise DamagedFile(f"{path} is damaged: its confidence was found by numbers that cannot be.")
    return found


def _are_scores(scores: Any) -> bool:
    """Tell whether what is shown of the scores is there in full, or not at all."""
    if not isinstance(scores, dict) or not isinstance(scores.get("protocol", ""), str):
        return False
    accuracy = scores.get("accuracy", {"mean": 0, "low": 0, "high": 0})
    return isinstance(accuracy, dict) and all(heads.fits(accuracy.get(name), float) for name in ("mean", "low", "high"))
