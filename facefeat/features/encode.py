"""Pixels to vectors by one recipe: the detector, the alignment and the network, ready to be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import faces, picture
from facefeat.data.detections import Detections, Detector
from facefeat.data.faces import Face, FaceStep
from facefeat.data.pixels import Decoded
from facefeat.engines.choose import choose
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, PictureRefused, RecipeMismatch, UsageError, unknown_name
from facefeat.features import backbone as backbones
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Weights


@dataclass(frozen=True)
class Plan:
    """A recipe, and the weights it was made with.

    Attributes
    ----------
    recipe : Recipe
    weights : Weights
    """

    recipe: Recipe
    weights: Weights


def plan(
    backbone: str = "vgg16",
    *,
    weights: str | None = None,
    size: int | None = None,
    layers: Sequence[str] | None = None,
    pooling: str | None = None,
    faces_mode: str = "auto",
    template: str | None = None,
    margin: float | None = None,
    flip: bool = True,
) -> Plan:
    """Fill a recipe's fields from a few choices and the backbone's defaults.

    Parameters
    ----------
    backbone : str, default='vgg16'
    weights : str or None
        A name the backbone knows, or a file; its first by default.
    size : int or None
        Side of the face, pixels.
    layers : sequence of str or None
    pooling : str or None
    faces_mode : {'auto', 'none'}
        ``'auto'``: find and align the face. ``'none'``: the whole picture.
    template : str or None
        How a face is aligned: one of ``facefeat.data.faces.TEMPLATES``.
    margin : float or None
        Room around the template, as a share of its side.
    flip : bool, default=True
        Average over the face and its mirror image.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        For an unknown name, or a value out of range.
    """
    network = backbones.get(backbone)
    if faces_mode not in faces.MODES:
        raise unknown_name("way to handle faces", faces_mode, faces.MODES)
    pooling = pooling or network.POOLINGS[0]
    if pooling not in network.POOLINGS:
        raise unknown_name("pooling", pooling, network.POOLINGS)
    found = network.weights(weights or network.WEIGHTS[0])
    recipe = Recipe(
        backbone=backbone,
        weights=found.name,
        weights_sha256=found.sha256,
        layers=backbones.check_layers(network, tuple(layers or network.DEFAULT_LAYERS)),
        pooling=pooling,
        input_size=network.DEFAULT_SIZE if size is None else size,
        flip=flip,
        faces=face_step(faces_mode, template, margin),
    )
    return Plan(recipe, found)


def face_step(mode: str, template: str | None = None, margin: float | None = None) -> FaceStep:
    """Return the face step of a mode, with the detector's identity; see ``plan``."""
    if mode == "none":
        return FaceStep()
    from facefeat.data.mtcnn import MTCNN

    step = FaceStep(detector=MTCNN.name, version=MTCNN.version, weights_sha256=MTCNN.weights_sha256)
    if template is not None and template not in faces.TEMPLATES:
        raise unknown_name("template", template, faces.TEMPLATES)
    if margin is not None and not -0.3 <= margin <= 1:
        raise UsageError(f"The margin must be from -0.3 to 1; {margin} was given.")
    chosen = {"template": template, "margin": margin}
    return replace(step, **{name: value for name, value in chosen.items() if value is not None})  # type: ignore[arg-type]


def plan_of(recipe: Recipe, weights: str | None = None) -> Plan:
    """Find the weights of a recipe that was read from a file.

    Parameters
    ----------
    recipe : Recipe
    weights : str or None
        Where they are, for a recipe made with a user's own file.

    Returns
    -------
    Plan

    Raises
    ------
    DamagedFile
        If the weights found are not those of the recipe.
    """
    network = backbones.get(recipe.backbone)
    if weights is None and recipe.weights == "file":
        raise DamagedFile(
            f"The vectors were made with a weights file (SHA-256 {recipe.weights_sha256[:12]}); give it as --weights FILE."
        )
    found = network.weights(weights or recipe.weights)
    if found.sha256 != recipe.weights_sha256:
        raise DamagedFile(
            f"The weights found (SHA-256 {found.sha256[:12]}) are not those of the recipe ({recipe.weights_sha256[:12]})."
        )
    return Plan(recipe, found)


def engine_for(
    recipe: Recipe, engine: str = "auto", precision: str = "auto", *, threads: int | None = None, streams: int = 1
) -> Engine:
    """Choose an engine that computes a recipe; see ``facefeat.engines.choose.choose``.

    Raises
    ------
    UsageError
        As ``choose``.
    RecipeMismatch
        If the precision asked for is not of the recipe's numerics.
    """
    rounded = recipe.numerics == "int8"
    if precision != "auto" and (precision == "int8") != rounded:
        asked = f"{precision} was asked for"
        raise RecipeMismatch(f"The vectors are {'' if rounded else 'not '}of int8, but {asked}; leave --precision out.")
    return choose(engine, "int8" if rounded else precision, threads=threads, streams=streams)


class Opened:
    """A picture that was decoded for one recipe.

    Parameters
    ----------
    data : bytes
    decoded : Decoded
    """

    def __init__(self, data: bytes, decoded: Decoded) -> None:
        self.data, self.decoded = data, decoded

    @cached_property
    def full(self) -> NDArray[np.uint8]:
        """All its pixels."""
        return picture.decode(self.data) if self.decoded.is_reduced else self.decoded.pixels

    @property
    def enlargement(self) -> float:
        """How many times as large the picture is in full."""
        return max(self.decoded.height, self.decoded.width) / float(max(self.decoded.pixels.shape[:2]))


class Encoder:
    """Make faces and vectors by a recipe.

    Its methods may be called by several threads at once.

    Parameters
    ----------
    plan : Plan
    engine : Engine
    batch_size : int or None
        Faces that go through the network together; ``None``: what suits the engine. Changes speed and memory;
        numbers only in rounding, if at all.

    Attributes
    ----------
    recipe : Recipe
    engine : Engine
    batch_size : int
    """

    def __init__(self, plan: Plan, engine: Engine, batch_size: int | None = None) -> None:
        self.recipe = plan.recipe
        self.engine = engine
        self.batch_size = batch_size or engine.batch_size
        network = backbones.get(plan.recipe.backbone)
        run = network.load(plan.recipe, plan.weights, engine, self.batch_size)
        self._run = backbones.mirrored_mean(run) if plan.recipe.flip else run
        self._detector = self._load_detector()

    def open(self, data: bytes) -> Opened:
        """Decode a picture as far as the recipe needs it.

        Parameters
        ----------
        data : bytes
            Of a file.

        Returns
        -------
        Opened

        Raises
        ------
        PictureRefused
        """
        if self.recipe.resize == "area":
            return Opened(data, picture.decode_for(data))
        if self._detector is None:
            return Opened(data, picture.decode_for(data, shorter=self.recipe.input_size))
        return Opened(data, picture.decode_for(data, longer=self.recipe.faces.max_side))

    def faces(self, pictures: Sequence[Opened]) -> list[Face | PictureRefused]:
        """Return the one square of each picture that stands for its person: the chosen face, or the whole.

        What is found in a picture does not depend on those beside it.
        """
        return [self._one_face(one, found) for one, found in zip(pictures, self._found(pictures), strict=True)]

    def all_faces(self, opened: Opened) -> list[Face]:
        """Return every face of a picture, left to right; the whole picture where none was found.

        Raises
        ------
        PictureRefused
        """
        found = self._found([opened])[0]
        order = np.argsort(found.boxes[:, 0], kind="stable")
        return [self._cut(opened, found, int(index)) for index in order] or [self._whole(opened)]

    def vectors(self, squares: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
        """Run the network.

        Parameters
        ----------
        squares : sequence of ndarray of shape (size, size, 3), uint8

        Returns
        -------
        dict of str to ndarray of shape (n, d), float32
            By layer.
        """
        outputs = self._run(np.stack(squares))
        return dict(zip(self.recipe.layers, outputs, strict=True))

    def _found(self, pictures: Sequence[Opened]) -> list[Detections]:
        """Return the faces of each picture, in coordinates of its decoded pixels."""
        if self._detector is None:
            return [Detections.none() for _ in pictures]
        return faces.detect_all([one.decoded.pixels for one in pictures], self._detector, self.recipe.faces)

    def _one_face(self, opened: Opened, found: Detections) -> Face | PictureRefused:
        index = faces.choose(found, self.recipe.faces.policy)
        try:
            return self._whole(opened) if index is None else self._cut(opened, found, index)
        except PictureRefused as refused:
            return refused

    def _cut(self, opened: Opened, found: Detections, index: int) -> Face:
        """Cut a face out of the decoded pixels, or of all where those decoded are fewer than the square has."""
        step, size, larger = self.recipe.faces, self.recipe.input_size, opened.enlargement
        side = abs(faces.placement(found.boxes[index], found.landmarks[index], step)[0])
        if larger == 1 or side < size:
            return faces.cut(opened.full, found.scaled(larger), index, step, size)
        cut = faces.cut(opened.decoded.pixels, found, index, step, size)
        there = found.scaled(larger)
        return replace(cut, box=there.boxes[index], landmarks=there.landmarks[index])

    def _whole(self, opened: Opened) -> Face:
        decoded = opened.decoded
        square = faces.whole(decoded.pixels, self.recipe.input_size)
        return replace(square, box=np.array([0, 0, decoded.width, decoded.height], np.float32))

    def _load_detector(self) -> Detector | None:
        step = self.recipe.faces
        if step.detector == "none":
            return None
        from facefeat.data.mtcnn import MTCNN

        detector: Any = MTCNN(self.engine)
        here = (detector.name, detector.version, detector.weights_sha256)
        if here != (step.detector, step.version, step.weights_sha256):
            raise DamagedFile(
                f"The recipe finds faces with {step.detector} {step.version}; this facefeat has {here[0]} {here[1]}."
            )
        return detector  # type: ignore[no-any-return]
