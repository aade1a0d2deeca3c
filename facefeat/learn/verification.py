"""Are two faces one person: pairs scored by the protocol of Labeled Faces in the Wild.

Each fold's pairs are decided by a threshold that was chosen on the other folds. With a model the score is the cosine in
its space (``facefeat.learn.unknown``); without one it is the cosine of square roots, less the mean of the other folds'
pictures, so that nothing is learned from names.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefeat.data.folder import list_people
from facefeat.errors import DamagedFile, InputError, UsageError
from facefeat.features import backbone as backbones
from facefeat.features.compute import Progress
from facefeat.features.encode import Plan, plan, plan_of
from facefeat.features.extract import extract
from facefeat.features.layers import parts
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn.bundle import Bundle
from facefeat.learn.copies import among
from facefeat.learn.pair_scores import Decisions, TradeOff, decide, fold_scores, trade_off
from facefeat.learn.pairs import Pairs, Picture, composed, locate

FMRS = (0.01, 0.001)


@dataclass(frozen=True)
class Failure:
    """A picture of a pair that has no vector (failure to acquire).

    Attributes
    ----------
    name, picture : str
        As the pairs call it.
    message : str
        Why, one sentence.
    """

    name: str
    picture: str
    message: str


@dataclass(frozen=True)
class Verification:
    """How well pairs of one person are told from pairs of two.

    Attributes
    ----------
    n_folds, n_pairs : int
    decisions : Decisions
    trade_off : TradeOff
    failures : tuple of Failure
    failed_pairs : int
        Pairs that lack a picture.
    pictures, whole, copies : int
        Pictures that were scored, those of them without a face, and pairs of pictures with the same bytes.
    shared_people : int
        People of several folds.
    layer : str
    model : bool
        Whether scores are those of a model.
    known_people, trained : int
        People of the pairs whom the model knows, and pictures that trained it too.
    ran_on : str
        Engine, device and precision that made the vectors.
    """

    n_folds: int
    n_pairs: int
    decisions: Decisions
    trade_off: TradeOff
    failures: tuple[Failure, ...]
    failed_pairs: int
    pictures: int
    whole: int
    copies: int
    shared_people: int
    layer: str
    model: bool
    known_people: int
    trained: int
    ran_on: str


def verify(
    data: str | Path,
    pairs: Pairs,
    bundle: Bundle | None = None,
    *,
    layer: str | None = None,
    fmr: float = FMRS[0],
    chosen: Plan | None = None,
    engine: str = "auto",
    precision: str = "auto",
    workers: int = 2,
    weights: str | None = None,
    detector: Path | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Score pairs of pictures of a folder of people, or of a feature file.

    Parameters
    ----------
    data : path-like
        A folder is extracted: by the model's recipe, else by ``chosen``.
    pairs : Pairs
    bundle : Bundle or None
        A model in whose space faces are compared.
    layer : str or None
        Without a model; by default the one that the backbone's heads use.
    fmr : float, default=0.01
        A rate of false matches to look at, besides ``FMRS``.
    chosen : Plan or None
        For a folder without a model; by default the default recipe, with that layer alone.
    engine, precision : str
        For a folder; see ``facefeat.engines.choose.choose``.
    workers : int, default=2
    weights : str or None
        The weights file, for a folder and a recipe made with a user's own.
    detector : Path or None
        The detector's file, for a folder and a model that was made with it.
    progress : callable or None

    Returns
    -------
    Verification

    Raises
    ------
    UsageError
    InputError
        If the pairs fit no picture, or too few to be scored.
    RecipeMismatch
        If the feature file is of another recipe than the model.
    DamagedFile
        If a vector or a score is no finite number.
    """
    check_fmr(fmr)
    if bundle and layer:
        raise UsageError(f"A model has its own layer, {bundle.layer}; leave --layer out, or --model.")
    if not Path(data).is_dir():
        return verify_file(read(data), pairs, bundle, layer=layer, fmr=fmr)
    if detector and not bundle:
        raise UsageError(
            "--detector belongs to a model made with it; else give a feature file: facefeat extract --faces yunet:FILE"
        )
    locate(pairs, [entry.path for entry in list_people(data).entries], str(data))  # before hours of extraction
    if bundle:
        chosen = plan_of(bundle.recipe, weights, detector)
    elif chosen is None:
        chosen = plan(weights=weights, layers=parts(layer) if layer else None)
    with tempfile.TemporaryDirectory(prefix="facefeat-") as folder:
        made = extract(
            data,
            Path(folder) / "features.h5",
            chosen,
            engine=engine,
            precision=precision,
            workers=workers,
            progress=progress,
        )
        return verify_file(made.file, pairs, bundle, layer=layer, fmr=fmr)


def check_fmr(fmr: float) -> None:
    """Refuse a rate that is none.

    Raises
    ------
    UsageError
    """
    if not 0 < fmr < 1:
        raise UsageError(f"--fmr is a share between 0 and 1, such as 0.01; {fmr} was given.")


def verify_file(
    file: FeatureFile, pairs: Pairs, bundle: Bundle | None = None, *, layer: str | None = None, fmr: float = FMRS[0]
) -> Verification:
    """Score pairs of pictures of a feature file; see ``verify``."""
    if bundle:
        bundle.recipe.require(file.recipe, str(file.path))
    layer = bundle.layer if bundle else _layer(file, layer)
    rows, failures = _rows(file, pairs)
    scored = np.all(rows >= 0, axis=1)
    if not scored.any():
        raise InputError(f"No pair can be scored: each lacks a picture, such as {_first(failures)}")
    used, index = np.unique(rows[scored], return_inverse=True)
    X = _vectors(file, layer, used)
    fold, scores = pairs.fold, np.full((pairs.n_folds, len(scored)), np.nan)
    scores[:, scored] = fold_scores(X, index.reshape(-1, 2), fold[scored], pairs.n_folds, bundle)
    first, second = file.sha256[rows[scored]].transpose(1, 0, 2)
    return Verification(
        n_folds=pairs.n_folds,
        n_pairs=len(scored),
        decisions=decide(scores, pairs.mated, fold),
        trade_off=trade_off(
            scores[fold, np.arange(len(fold))][scored], pairs.mated[scored], tuple(sorted({*FMRS, fmr}, reverse=True))
        ),
        failures=failures,
        failed_pairs=int(np.sum(~scored)),
        pictures=len(used),
        whole=int(np.sum(~file.found[used])) if file.recipe.faces.detector != "none" else 0,
        copies=int(np.sum((first == second).all(axis=1))),
        shared_people=_shared_people(pairs),
        layer=layer,
        model=bundle is not None,
        known_people=len(_people(file, used) & {composed(name) for name in bundle.people}) if bundle else 0,
        trained=_trained(file, used, bundle) if bundle else 0,
        ran_on=file.ran_on,
    )


def _layer(file: FeatureFile, layer: str | None) -> str:
    """Return the layer to read: the one asked for, else what heads use."""
    if layer:
        file.vectors(layer)
        return layer
    return backbones.usual_layer(file.recipe)


def _rows(file: FeatureFile, pairs: Pairs) -> tuple[NDArray[np.int64], tuple[Failure, ...]]:
    """Return the rows of each pair's pictures, -1 where there is none, and those that are missing."""
    own = np.flatnonzero(file.copy == 0)  # not those that were made of others
    paths = [file.paths[row] for row in own] + [one.path for one in file.skipped]
    found = locate(pairs, paths, str(file.path))
    failures: dict[Picture, Failure] = {}
    for pair, places in zip(pairs.pairs, found.tolist(), strict=True):
        for picture, place in zip((pair.first, pair.second), places, strict=True):
            if not 0 <= place < len(own):
                message = "There is no such picture." if place < 0 else file.skipped[place - len(own)].message
                failures.setdefault(picture, Failure(*picture, message))
    return np.append(own, -1)[np.where(found < len(own), found, -1)], tuple(failures.values())


def _first(failures: tuple[Failure, ...]) -> str:
    return f"{failures[0].name}'s {failures[0].picture}: {failures[0].message}"


def _vectors(file: FeatureFile, layer: str, used: NDArray[np.int64]) -> NDArray[np.float32]:
    X = np.asarray(file.vectors(layer)[used], np.float32)
    if not np.isfinite(X).all():
        raise DamagedFile(f"{file.path} is damaged: its vectors of {layer} are not all finite numbers.")
    return X


def _shared_people(pairs: Pairs) -> int:
    seen: dict[str, set[int]] = {}
    for pair, fold in zip(pairs.pairs, pairs.fold.tolist(), strict=True):
        for name, _ in (pair.first, pair.second):
            seen.setdefault(name, set()).add(fold)
    return sum(len(places) > 1 for places in seen.values())


def _people(file: FeatureFile, used: NDArray[np.int64]) -> set[str]:
    return {composed(file.people[index]) for index in np.unique(file.person[used])}


def _trained(file: FeatureFile, used: NDArray[np.int64], bundle: Bundle) -> int:
    return int(among(file.sha256[used], bundle.gallery.sha256).sum())
