"""The detectors by name: what each puts into a recipe, and how it is made ready."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from facefeat.data import faces
from facefeat.data.detections import Detector
from facefeat.data.faces import FaceStep
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, UsageError, unknown_name

MODES = ("auto", "mtcnn", "none", "yunet:FILE")

_SHARES = {"margin": (-0.3, 1.0), "min_score": (0.0, 1.0), "min_face": (0.0, 1.0)}
_CHOICES = {"template": faces.TEMPLATES, "policy": faces.POLICIES}


class Knobs(TypedDict, total=False):
    """Fields of a face step that a caller may set; ``None`` leaves the default."""

    template: str | None
    margin: float | None
    policy: str | None
    min_score: float | None
    min_face: float | None


def face_step(mode: str = "auto", **knobs: Unpack[Knobs]) -> tuple[FaceStep, Path | None]:
    """Describe how faces are found and cut.

    Parameters
    ----------
    mode : str
        ``'auto'`` or ``'mtcnn'``: by MTCNN, whose weights are carried. ``'yunet:FILE'``: by OpenCV's YuNet with the
        user's file. ``'none'``: the whole picture is taken.
    **knobs
        Fields of ``FaceStep``; without a detector they do not matter.

    Returns
    -------
    FaceStep
        With the detector's identity.
    Path or None
        The detector's file, where it is the user's.

    Raises
    ------
    UsageError
        For an unknown name, or a value out of range.
    InputError
        If there is no such file.
    """
    name, _, file = mode.partition(":")
    if mode == "none":
        return FaceStep(), None
    if name == "yunet" and file:
        from facefeat.data.yunet import YuNet

        return replace(YuNet.step(Path(file)), **_checked(knobs)), Path(file)
    if mode not in ("auto", "mtcnn"):
        raise unknown_name("way to handle faces", mode, MODES)
    from facefeat.data.mtcnn import MTCNN

    step = FaceStep(detector=MTCNN.name, version=MTCNN.version, weights_sha256=MTCNN.weights_sha256)
    return replace(step, **_checked(knobs)), None


def _checked(knobs: Knobs) -> dict[str, Any]:
    """Return the knobs that are set, if they can be."""
    given = {name: value for name, value in knobs.items() if value is not None}
    for name in _CHOICES.keys() & given.keys():
        if given[name] not in _CHOICES[name]:
            raise unknown_name(name, str(given[name]), _CHOICES[name])
    for name in _SHARES.keys() & given.keys():
        low, high = _SHARES[name]
        if not low <= given[name] <= high:  # type: ignore[operator]
            words = {"margin": "The margin", "min_score": "The lowest score", "min_face": "The smallest face"}[name]
            raise UsageError(f"{words} must be from {low:g} to {high:g}; {given[name]} was given.")
    return given


def load(step: FaceStep, engine: Engine, file: Path | None = None) -> Detector | None:
    """Make a face step's detector ready.

    Parameters
    ----------
    step : FaceStep
    engine : Engine
    file : Path or None
        For a detector whose file is the user's.

    Returns
    -------
    Detector or None
        ``None`` where none is to be used.

    Raises
    ------
    UsageError
        If a file was given that is not needed.
    DamagedFile
        If it is not the detector that the step names, or its file was not given.
    MissingExtra
        If its package is not installed.
    """
    if file is not None and step.detector != "yunet":
        raise UsageError(f"A detector's file was given, but faces are found by {step.detector}, which needs none.")
    if step.detector == "none":
        return None
    if step.detector == "yunet" and file is None:
        raise DamagedFile(
            f"The faces were found by a YuNet file (SHA-256 {step.weights_sha256[:12]}); give it as --detector FILE."
        )
    detector = _loaded(step.detector, engine, file)
    here = (detector.name, detector.version, detector.weights_sha256)
    if here != (step.detector, step.version, step.weights_sha256):
        theirs, mine = f"{step.detector} {step.version}", f"{here[0]} {here[1]}"
        if theirs == mine:
            theirs, mine = step.weights_sha256[:12], f"{here[2][:12]} (SHA-256)"
        raise DamagedFile(f"The recipe finds faces with {theirs}; this facefeat has {mine}.")
    return detector


def _loaded(name: str, engine: Engine, file: Path | None) -> Detector:
    if name == "yunet" and file is not None:
        from facefeat.data.yunet import YuNet

        return YuNet(file)
    from facefeat.data.mtcnn import MTCNN

    return MTCNN(engine)
