"""Pixels to vectors by one recipe: the detector, the alignment and the network, ready to be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack, cast

import numpy as np
from numpy.typing import NDArray

from facefeat.data import detectors
from facefeat.data.detectors import Knobs
from facefeat.data.finder import FaceFinder
from facefeat.engines.choose import choose
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, RecipeMismatch, UsageError, unknown_name
from facefeat.features import backbone as backbones
from facefeat.features.backbone import Backbone
from facefeat.features.official import Progress, fetch
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Weights


@dataclass(frozen=True)
class Plan:
    """A recipe, and what it was made with.

    Attributes
    ----------
    recipe : Recipe
    weights : Weights
    detector : Path or None
        The detector's file, where it is the user's.
    source : str or None
        The weights' file, likewise.
    """

    recipe: Recipe
    weights: Weights
    detector: Path | None = None
    source: str | None = None


def plan(
    backbone: str = "vgg16",
    *,
    weights: str | None = None,
    size: int | None = None,
    layers: Sequence[str] | None = None,
    pooling: str | None = None,
    faces_mode: str = "auto",
    flip: bool = True,
    preprocess: str | None = None,
    progress: Progress | None = None,
    **face_knobs: Unpack[Knobs],
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
    faces_mode : str, default='auto'
        ``'none'``: the whole picture; see ``facefeat.data.detectors.face_step``.
    flip : bool, default=True
        Average over the face and its mirror image.
    preprocess : str or None
        What becomes of the pixels first, by a name of the backbone's ``PREPROCESSINGS``; its first by default.
    progress : callable or None
        Told of a download, as ``facefeat.features.official.fetch`` tells.
    **face_knobs
        ``template``, ``margin``, ``policy``, ``min_score`` and ``min_face`` of ``facefeat.data.faces.FaceStep``. What
        is left out is as the backbone was made for, where it says so.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        For an unknown name, a value out of range, or weights whose names say that they want a preprocessing that
        was not asked for.
    InputError
        If there is no such file.
    """
    network = backbones.get(backbone)
    step, detector = detectors.face_step(faces_mode, **_completed(face_knobs, network))
    pooling = pooling or network.POOLINGS[0]
    if pooling not in network.POOLINGS:
        raise unknown_name("pooling", pooling, network.POOLINGS)
    prepared = backbones.preprocessing(network, preprocess)
    size = network.DEFAULT_SIZE if size is None else size
    backbones.check_size(backbone, size)
    found = _found(network, weights or network.WEIGHTS[0], progress)
    if found.preprocess and preprocess is None:
        raise UsageError(
            f"{weights} names its layers as the weights of {found.preprocess} do, which were trained on other pixels; "
            f"extract with: --weights {weights} --preprocess {found.preprocess}"
        )
    recipe = Recipe(
        backbone=backbone,
        weights=found.name,
        weights_sha256=found.sha256,
        layers=backbones.check_layers(network, tuple(layers or network.DEFAULT_LAYERS)),
        pooling=pooling,
        input_size=size,
        flip=flip,
        faces=step,
        preprocess=prepared,
    )
    return Plan(recipe, found, detector, weights if found.name == "file" else None)


def _completed(knobs: Knobs, network: backbones.Backbone) -> Knobs:
    """Add what a backbone was made for; of another template, its margin says nothing."""
    own = cast(Knobs, getattr(network, "FACES", {}))
    if knobs.get("template") not in (None, own.get("template")):
        return knobs
    given = {name: value for name, value in knobs.items() if value is not None}
    return cast(Knobs, {**own, **given})


def _found(network: Backbone, source: str, progress: Progress | None) -> Weights:
    official = getattr(network, "OFFICIAL", {}).get(source)
    if official and progress:
        fetch(official, progress)
    return network.weights(source)


def plan_of(recipe: Recipe, weights: str | None = None, detector: Path | None = None) -> Plan:
    """Find the weights of a recipe that was read from a file.

    Parameters
    ----------
    recipe : Recipe
    weights : str or None
        Where they are, for a recipe made with a user's own file.
    detector : Path or None
        The detector's file, likewise.

    Returns
    -------
    Plan

    Raises
    ------
    DamagedFile
        If the weights found are not those of the recipe.
    RecipeMismatch
        If the backbone does not know the recipe's preprocessing.
    """
    network = backbones.get(recipe.backbone)
    if recipe.preprocess is not None and recipe.preprocess not in getattr(network, "PREPROCESSINGS", ()):
        raise RecipeMismatch(
            f"The vectors were made with the preprocessing '{recipe.preprocess}', which {recipe.backbone} does not know; "
            "install a newer facefeat."
        )
    if weights is None and recipe.weights == "file":
        raise DamagedFile(
            f"The vectors were made with a weights file (SHA-256 {recipe.weights_sha256[:12]}); give it as --weights FILE."
        )
    found = network.weights(weights or recipe.weights)
    if found.sha256 != recipe.weights_sha256:
        raise DamagedFile(
            f"The weights found (SHA-256 {found.sha256[:12]}) are not those of the recipe ({recipe.weights_sha256[:12]})."
        )
    return Plan(recipe, found, detector, weights)


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


class Encoder:
    """Make faces and vectors by a recipe.

    Its methods may be called by several threads at once.

    Parameters
    ----------
    plan : Plan
    engine : Engine
    batch_size : int or None
        Images that go through the network together, mirrored ones counted; ``None``: what suits the engine. Changes speed and memory;
        numbers only in rounding, if at all.

    Attributes
    ----------
    recipe : Recipe
    engine : Engine
    batch_size : int
    finder : FaceFinder
        Of the recipe's face step and size.
    """

    def __init__(self, plan: Plan, engine: Engine, batch_size: int | None = None) -> None:
        recipe = self.recipe = plan.recipe
        self.engine = engine
        self.batch_size = batch_size or engine.batch_size
        network = backbones.get(recipe.backbone)
        run = network.load(recipe, plan.weights, engine, self.batch_size)
        self._run = backbones.mirrored_mean(run) if recipe.flip else run
        detector = detectors.load(recipe.faces, engine, plan.detector)
        self.finder = FaceFinder(recipe.faces, recipe.input_size, detector, recipe.resize == "area-dct")

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
