"""From vectors and people to a bundle: head, probabilities, threshold, gallery; whoever has them may do it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import InputError, UsageError
from facefeat.features.backbone import is_made_for_faces
from facefeat.features.compute import Progress
from facefeat.features.recipe import Recipe
from facefeat.heads._rowspace import Vectors
from facefeat.learn import head as heads
from facefeat.learn.bundle import Bundle
from facefeat.learn.calibration import Calibration, Confidence
from facefeat.learn.copies import Faces, groups_among
from facefeat.learn.crossval import Trial, cross_validate
from facefeat.learn.gallery import Gallery
from facefeat.learn.scoring import calibration_of, step_of
from facefeat.learn.search import give_index
from facefeat.learn.splits import folds
from facefeat.learn.threads import cores
from facefeat.learn.training import TrainingSet
from facefeat.learn.unknown import SCORE, choose_threshold

PROBABILITY_FOLDS = 5
SLOW_FOLDS = 3  # for the probabilities of heads that take long
MANY = 20_000  # pictures, of which one fold is enough for the probabilities
TESTED = 1000  # pictures in that fold whose scores are looked at, or more where people are few


@dataclass(frozen=True)
class Design:
    """What is decided of a bundle before its pictures are looked at.

    Attributes
    ----------
    recipe : Recipe
        Of the vectors.
    head, layer : str
    params : mapping of str to value
        Knobs of the head.
    fpir : float
        Share of strangers that may be given a name.
    random_state : int
    """

    recipe: Recipe
    head: str
    layer: str
    params: Mapping[str, Any]
    fpir: float = 0.01
    random_state: int = 0


def assembled(
    design: Design,
    people: tuple[str, ...],
    gallery: Gallery,
    X: NDArray[np.float32],
    groups: NDArray[np.int64],
    *,
    confidence: Confidence | None = None,
    scores: Mapping[str, Any] | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> Bundle:
    """Fit a head and the score for strangers on all rows, and find the temperature and the threshold.

    Parameters
    ----------
    design : Design
    people : tuple of str
    gallery : Gallery
        What the bundle keeps.
    X : ndarray of shape (n_images, n_features), float32
        The gallery's vectors, rounded or not.
    groups : ndarray of shape (n_images,), int64
        See ``facefeat.learn.copies.groups_of``.
    confidence : Confidence, optional
        Where the temperature is known already.
    scores : mapping, optional
        What is known of the accuracy.
    workers : int, default=2
    progress : callable or None

    Returns
    -------
    Bundle

    Raises
    ------
    UsageError
        If the head cannot be fitted on these rows.
    """
    tell, y, own = progress or (lambda what, done, total: None), gallery.person, gallery.own
    if confidence is None:
        tell(f"Finding how sure {design.head} may be", 0, 0)
        confidence = _confidence(design, X, groups, people, gallery, workers)
    tell(f"Fitting {design.head} on {design.layer}", 0, 0)
    estimator, score = _fitted(design.head, design.params, X, y, workers)
    tell("Choosing the threshold for strangers", 0, 0)
    threshold = choose_threshold(
        X, y, groups, people, own=own, fpir=design.fpir, random_state=design.random_state, workers=workers
    )
    return Bundle(
        recipe=design.recipe,
        head=design.head,
        params=dict(design.params),
        layer=design.layer,
        people=people,
        threshold=threshold,
        confidence=confidence,
        scores=dict(scores or {}),
        versions={name: version(name) for name in ("facefeat", "scikit-learn", "numpy", "skops")},
        estimator=estimator,
        unknown=score,
        gallery=gallery,
    )


def reassembled(
    bundle: Bundle, people: tuple[str, ...], gallery: Gallery, *, workers: int = 2, progress: Progress | None = None
) -> Bundle:
    """Fit a bundle's head anew, with its knobs and for its FPIR, on other people or pictures.

    What was known of its accuracy was so of the people before, and is left out.

    Parameters
    ----------
    bundle : Bundle
        One that was read, too.
    people : tuple of str
    gallery : Gallery
    workers : int, default=2
    progress : callable or None

    Returns
    -------
    Bundle

    Raises
    ------
    UsageError
        If the head cannot be fitted on these rows.
    """
    design = Design(bundle.recipe, bundle.head, bundle.layer, bundle.params, bundle.threshold.fpir)
    faces = Faces(gallery.vectors, gallery.pixels, gallery.person) if len(gallery.pixels) else None
    groups = groups_among(gallery.sha256, faces, workers)
    X = gallery.vectors.astype(np.float32)
    return assembled(design, people, gallery, X, groups, workers=workers, progress=progress)


def _confidence(
    design: Design,
    X: NDArray[np.float32],
    groups: NDArray[np.int64],
    people: tuple[str, ...],
    gallery: Gallery,
    workers: int,
) -> Confidence | None:
    """Choose the temperature by folds, or one of them where pictures are many.

    ``None`` where nobody has two pictures, or the head cannot be fitted in a fold.
    """
    y = gallery.person
    try:
        n_folds = SLOW_FOLDS if heads.is_slow(design.head) else PROBABILITY_FOLDS
        cut = folds(y, groups, people, own=gallery.own, n_folds=n_folds, random_state=design.random_state)
    except InputError:
        return None
    if len(y) > MANY:
        train, test = cut.splits[0]
        step = min(step_of(len(test), len(people)), -(-len(test) // TESTED))
        cut = replace(cut, splits=((train, test[::step]),), repeat_of=cut.repeat_of[:1])
    step = 1 if len(y) > MANY else step_of(len(cut.tested), len(people))
    results = cross_validate(X, y, cut.splits, [Trial(design.head, design.params)], workers, step=step)[0]
    if any(isinstance(result, str) for result in results):
        return None
    return confidence_of(calibration_of(y, cut, results, step))


def confidence_of(found: Calibration | None) -> Confidence | None:
    """Keep of a calibration what a bundle keeps."""
    return Confidence(found.temperature, found.ece, found.brier, found.n) if found else None


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
        score = rows.fit(*SCORE)
        give_index(head, estimator)
        give_index(SCORE[0], score)
        return estimator, score


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
{_limits(bundle)}
"""


def _limits(bundle: Bundle) -> str:
    if is_made_for_faces(bundle.recipe.backbone):
        return "Do not use it to decide about people: on other photographs than those it was measured with expect less."
    return (
        "A network trained on ImageNet is no face network: on unconstrained photographs of many people expect far less\n"
        "than on the pictures it was measured with, and do not use it to decide about people."
    )
