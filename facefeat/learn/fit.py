"""Fit one head on a feature file, with the threshold under which a face is unknown."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import InputError, UsageError
from facefeat.features import backbone as backbones
from facefeat.features.compute import Progress
from facefeat.features.store.file import FeatureFile
from facefeat.heads._rows import blocks, taken
from facefeat.learn import bundle as bundles
from facefeat.learn import head as heads
from facefeat.learn.assemble import Design, assembled, confidence_of, model_card
from facefeat.learn.bundle import Bundle
from facefeat.learn.calibration import Confidence
from facefeat.learn.compare import compare, left_out_sentence
from facefeat.learn.copies import groups_of
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.gallery import MOST_FACES, Gallery
from facefeat.learn.splits import folds
from facefeat.learn.training import finite_vectors

SEARCH_FOLDS = 5


@dataclass(frozen=True)
class Fitted:
    """What ``fit`` made.

    Attributes
    ----------
    bundle : Bundle
    output : Path
    rows : int
        Augmented copies included.
    how : str
        How head, layer and knobs were chosen, one sentence.
    seconds : float
    """

    bundle: Bundle
    output: Path
    rows: int
    how: str
    seconds: float


def fit(
    file: FeatureFile,
    output: str | Path,
    *,
    head: str = "auto",
    layer: str = "auto",
    params: Mapping[str, Any] | None = None,
    search: bool = False,
    fpir: float = 0.01,
    random_state: int = 0,
    keep_faces: bool = True,
    workers: int = 2,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a head on all rows and write it as a bundle.

    Augmented copies train; what is measured, the threshold and the probabilities with it, is measured on pictures.

    Parameters
    ----------
    file : FeatureFile
    output : path-like
        The bundle; replaced as a whole.
    head : str, default='auto'
        ``'auto'`` compares all that are not slow by 5-fold cross-validation on the file itself.
    layer : str, default='auto'
        With ``head='auto'`` it is compared too; else the backbone's own choice.
    params : mapping of str to value, optional
        Knobs of the head.
    search : bool, default=False
        Try the head's small grid by 5-fold cross-validation first.
    fpir : float, default=0.01
        Share of strangers that may be given a name.
    random_state : int, default=0
    keep_faces : bool, default=True
        Whether the bundle keeps the training faces in grey, by which near copies of them are told.
    workers : int, default=2
    progress : callable or None

    Returns
    -------
    Fitted

    Raises
    ------
    UsageError
        For an unknown head, layer or knob, or a value the head refuses.
    InputError
        With fewer than two people, or numbers too large for a bundle.
    DamagedFile
        If vectors are not finite.
    StorageError
    """
    started = time.perf_counter()
    params = dict(params or {})
    _check(file, head, layer, params, search, fpir)
    tell = progress or (lambda what, done, total: None)
    head, layer, how, scores, confidence = _chosen(file, head, layer, random_state, workers, tell)
    X, y = _numbers(file, layer), file.person
    groups = groups_of(file, workers=workers)
    if search:
        params, searched = _searched(head, params, X, groups, file, random_state, workers)
        how = f"{how} {searched}".strip()
    design = Design(file.recipe, head, layer, params, fpir, random_state)
    gallery = Gallery(_rounded(X), y, file.paths, np.array(file.sha256), _faces(file, keep_faces))
    bundle = assembled(
        design, file.people, gallery, X, groups, confidence=confidence, scores=scores, workers=workers, progress=tell
    )
    bundles.write(bundle, Path(output), model_card(bundle))
    return Fitted(bundle, Path(output), len(file), how, time.perf_counter() - started)


def _numbers(file: FeatureFile, layer: str) -> NDArray[np.float32]:
    """Return the vectors of a layer, if a bundle can keep them."""
    X, most = finite_vectors(file, layer), float(np.finfo(np.float16).max)
    largest = max(float(np.abs(taken(X, block)).max()) for block in blocks(*X.shape))
    if largest > most:
        raise InputError(
            f"{layer} has numbers over {most:,.0f}, more than a model keeps; use another layer or pooling."
        )
    return X


def _rounded(X: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return vectors as a bundle keeps them, without holding more than a block of those that are read."""
    rounded = np.empty(X.shape, np.float16)
    for block in blocks(*X.shape):
        rounded[block] = taken(X, block)
    return rounded


def _faces(file: FeatureFile, keep: bool) -> NDArray[np.uint8]:
    """Return the grey faces that a bundle keeps: all or none."""
    return np.asarray(file.columns["faces/pixels"][: len(file) if keep and len(file) <= MOST_FACES else 0])


def _check(file: FeatureFile, head: str, layer: str, params: Mapping[str, Any], search: bool, fpir: float) -> None:
    """Say what is wrong with the arguments before any work."""
    if len(file.people) < 2:
        raise InputError(f"There is only one person, {file.people[0]}; at least two are needed to tell apart.")
    if not 0 < fpir < 1:
        raise UsageError(f"--fpir is a share between 0 and 1, such as 0.01; {fpir} was given.")
    if head == "auto" and (params or search):
        raise UsageError("--set and --search belong to one head; name it with --head.")
    if head != "auto":
        heads.build(head, params)
    if layer != "auto":
        file.vectors(layer)


def _chosen(
    file: FeatureFile, head: str, layer: str, random_state: int, workers: int, tell: Progress
) -> tuple[str, str, str, dict[str, Any], Confidence | None]:
    """Choose what was left to be chosen; say how, and what is known of its accuracy and its probabilities."""
    if head != "auto":
        if layer == "auto":
            layer = backbones.usual_layer(file.recipe)
        return head, layer, "", {}, None
    layers = None if layer == "auto" else [layer]
    found = compare(
        file,
        layers=layers,
        slow=False,
        n_folds=SEARCH_FOLDS,
        repeats=2,
        stranger_repeats=0,
        random_state=random_state,
        workers=workers,
        baselines=False,
        progress=tell,
    )
    best = found.best
    how = (
        f"The best of {len(found.rows)} combinations in {found.folds.n_folds}-fold cross-validation, "
        f"twice, on the same pictures ({100 * best.accuracy.mean:.1f} % right)."
        f" {left_out_sentence(found.left_out, '--head')}"
    ).strip()
    scores = {
        "protocol": f"{found.folds.n_folds} folds, {found.folds.repeats} times",
        "accuracy": asdict(best.accuracy),
    }
    return best.head, best.layer, how, scores, confidence_of(best.calibration)


def _searched(
    head: str,
    params: dict[str, Any],
    X: NDArray[np.float32],
    groups: NDArray[np.int64],
    file: FeatureFile,
    random_state: int,
    workers: int,
) -> tuple[dict[str, Any], str]:
    """Try the head's grid by cross-validation; knobs that were set stay as they are."""
    from sklearn.model_selection import ParameterGrid

    grid = {knob: values for knob, values in heads.get(head).GRID.items() if knob not in params}
    y = file.person
    cut = folds(y, groups, file.people, own=file.own, n_folds=SEARCH_FOLDS, random_state=random_state)
    tried = [{**params, **one} for one in ParameterGrid(grid)]
    results = cross_validate(X, y, cut.splits, [Trial(head, one) for one in tried], workers)
    truth = np.concatenate([y[test] for _, test in cut.splits])
    best = int(np.argmax([_accuracy(outcomes, truth) for outcomes in results]))
    settings = ", ".join(f"{knob}={tried[best][knob]}" for knob in grid)
    return tried[best], f"{settings or 'No knob'} chosen from {len(tried)} by {cut.n_folds}-fold cross-validation."


def _accuracy(results: list[Outcome | str], truth: NDArray[np.int32]) -> float:
    outcomes = [result for result in results if not isinstance(result, str)]
    if len(outcomes) < len(
        results
    ):  # a knob's value that these pictures do not allow, such as more neighbours than rows
        return -1.0
    return float(np.mean(np.concatenate([outcome.named for outcome in outcomes]) == truth))
