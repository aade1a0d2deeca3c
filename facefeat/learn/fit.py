"""Fit one head on a feature file, with the threshold under which a face is unknown."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import InputError, UsageError
from facefeat.features import backbone as backbones
from facefeat.features.extract import Progress
from facefeat.features.store.file import FeatureFile
from facefeat.heads._rows import blocks
from facefeat.heads._rowspace import Vectors
from facefeat.learn import bundle as bundles
from facefeat.learn import head as heads
from facefeat.learn.bundle import Bundle
from facefeat.learn.calibration import Calibration, Confidence
from facefeat.learn.compare import compare, left_out_sentence
from facefeat.learn.copies import groups_of
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.gallery import MOST_FACES, Gallery
from facefeat.learn.scoring import calibration_of, step_of
from facefeat.learn.splits import folds
from facefeat.learn.threads import cores
from facefeat.learn.training import TrainingSet, finite_vectors
from facefeat.learn.unknown import SCORE, choose_threshold

SEARCH_FOLDS = 5
SLOW_FOLDS = 3  # for the probabilities of heads that take long
MANY = 20_000  # pictures, of which one fold is enough for the probabilities


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
    if confidence is None:
        tell(f"Finding how sure {head} may be", 0, 0)
        confidence = _confidence(head, params, X, groups, file, random_state, workers)
    tell(f"Fitting {head} on {layer}", 0, 0)
    estimator, score = _fitted(head, params, X, y, workers)
    tell("Choosing the threshold for strangers", 0, 0)
    threshold = choose_threshold(
        X, y, groups, file.people, own=file.own, fpir=fpir, random_state=random_state, workers=workers
    )
    bundle = Bundle(
        recipe=file.recipe,
        head=head,
        params=params,
        layer=layer,
        people=file.people,
        threshold=threshold,
        confidence=confidence,
        scores=scores,
        versions={name: version(name) for name in ("facefeat", "scikit-learn", "numpy", "skops")},
        estimator=estimator,
        unknown=score,
        gallery=Gallery(X.astype(np.float16), y, file.paths, np.asarray(file.sha256), _faces(file, keep_faces)),
    )
    bundles.write(bundle, Path(output), model_card(bundle))
    return Fitted(bundle, Path(output), len(file), how, time.perf_counter() - started)


def _numbers(file: FeatureFile, layer: str) -> NDArray[np.float32]:
    """Return the vectors of a layer, if a bundle can keep them."""
    X, most = finite_vectors(file, layer), float(np.finfo(np.float16).max)
    largest = max(float(np.abs(X[block]).max()) for block in blocks(*X.shape))
    if largest > most:
        raise InputError(
            f"{layer} has numbers over {most:,.0f}, more than a model keeps; use another layer or pooling."
        )
    return X


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
    return best.head, best.layer, how, scores, _confidence_of(best.calibration)


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


def _confidence(
    head: str,
    params: Mapping[str, Any],
    X: NDArray[np.float32],
    groups: NDArray[np.int64],
    file: FeatureFile,
    random_state: int,
    workers: int,
) -> Confidence | None:
    """Choose the temperature by folds, or one of them where pictures are many.

    ``None`` where nobody has two pictures, or the head cannot be fitted in a fold.
    """
    y = file.person
    try:
        n_folds = SLOW_FOLDS if heads.is_slow(head) else SEARCH_FOLDS
        cut = folds(y, groups, file.people, own=file.own, n_folds=n_folds, random_state=random_state)
    except InputError:
        return None
    if len(y) > MANY:
        cut = replace(cut, splits=cut.splits[:1], repeat_of=cut.repeat_of[:1])
    step = step_of(len(cut.tested), len(file.people))
    results = cross_validate(X, y, cut.splits, [Trial(head, params)], workers, step=step)[0]
    if any(isinstance(result, str) for result in results):
        return None
    return _confidence_of(calibration_of(y, cut, results, step))


def _confidence_of(found: Calibration | None) -> Confidence | None:
    return Confidence(found.temperature, found.ece, found.brier, found.n) if found else None


def _accuracy(results: list[Outcome | str], truth: NDArray[np.int32]) -> float:
    outcomes = [result for result in results if not isinstance(result, str)]
    if len(outcomes) < len(
        results
    ):  # a knob's value that these pictures do not allow, such as more neighbours than rows
        return -1.0
    return float(np.mean(np.concatenate([outcome.named for outcome in outcomes]) == truth))


def _fitted(
    head: str, params: Mapping[str, Any], X: NDArray[np.float32], y: NDArray[np.int32], workers: int
) -> tuple[Any, Any]:
    """Return the head and the score for strangers, fitted on all rows."""
    heads.build(head, params)  # imported before linear algebra is kept to the cores asked for
    rows = TrainingSet(Vectors(X), y)
    with cores(workers):
        try:
            estimator = rows.fit(head, params)
        except ValueError as error:
            raise UsageError(f"The head {head} cannot be fitted: {' '.join(str(error).split())}") from error
        return estimator, rows.fit(*SCORE)


def model_card(bundle: Bundle) -> str:
    """Describe a bundle in Markdown, for whoever gets the file without its story."""
    threshold = asdict(bundle.threshold)
    pictures = bundle.gallery.pictures
    counts = np.bincount(pictures.person, minlength=len(bundle.people))
    copies = f", and {bundle.gallery.n_copies} augmented copies of them" if bundle.gallery.n_copies else ""
    knobs = ", ".join(f"{knob}={value}" for knob, value in bundle.params.items()) or "defaults"
    fnir, reached = (
        "not measured" if one is None else f"{one:.3f}" for one in (threshold["fnir"], threshold["reached"])
    )
    sure = (
        f"ECE {bundle.confidence.ece:.3f}, Brier {bundle.confidence.brier:.3f}" if bundle.confidence else "not measured"
    )
    prepared = f", {bundle.recipe.preprocess}" if bundle.recipe.preprocess else ""
    return f"""# A facefeat model

Names {len(bundle.people)} people in photographs, or says "unknown".

* **Vectors**: {bundle.recipe.backbone} ({bundle.recipe.weights}{prepared}), layer {bundle.layer}, {bundle.recipe.pooling}
  pooling, {bundle.recipe.input_size} pixels, faces: {bundle.recipe.faces.detector}
* **Head**: {bundle.head} ({knobs})
* **Trained on**: {len(pictures.person)} pictures, {counts.min()} to {counts.max()} a person{copies}
* **Threshold**: {threshold["value"]:.3f}, {threshold["how"]}; FNIR there: {fnir};
  FPIR on strangers who did not choose it: {reached}
* **Probabilities**: of known people, off by {sure}
* **Made with**: {", ".join(f"{name} {number}" for name, number in bundle.versions.items())}

The file holds the training pictures' vectors, names and paths{", and each face in grey" if len(bundle.gallery.pixels) else ""}: treat it as personal data.
A network trained on ImageNet is no face network: on unconstrained photographs of many people expect far less
than on the pictures it was measured with, and do not use it to decide about people.
"""
