"""A fitted model on people folders it did not see; people are matched by name."""

from __future__ import annotations

import tempfile
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import InputError
from facefeat.features.encode import plan_of
from facefeat.features.extract import Progress, extract
from facefeat.features.store.columns import Skipped
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn.bundle import Bundle
from facefeat.learn.copies import Faces, near_copies_between
from facefeat.learn.metrics import Share, wilson
from facefeat.learn.predict import Naming, namings


@dataclass(frozen=True)
class Person:
    """One known person's part of an evaluation.

    Attributes
    ----------
    name : str
    images, right, rejected : int
        Pictures, those named right before the threshold is applied, and those of them under it.
    """

    name: str
    images: int
    right: int
    rejected: int


@dataclass(frozen=True)
class Mistake:
    """A picture that was named wrong.

    Attributes
    ----------
    path, truth : str
    naming : Naming
    """

    path: str
    truth: str
    naming: Naming


@dataclass(frozen=True)
class Evaluation:
    """How a model does on other pictures.

    Attributes
    ----------
    images : int
        Pictures of known people, failures included.
    accuracy : Share
        Named right, with nobody called unknown; a picture that could not be read is not right.
    top5 : float or None
        Right person among the first five; ``None`` with five people or fewer.
    rejected : int
        Pictures of known people under the threshold.
    accepted_right : Share
        Named right and over the threshold: what a user of ``predict`` sees.
    per_person : tuple of Person
    confusion : dict of (truth, named) to int
        Without the diagonal.
    mistakes : tuple of Mistake
    failures : tuple of Skipped
    strangers, strangers_named : int
        Pictures of people the model does not know, and those it gave a name.
    stranger_people, missing_people : tuple of str
        Not in the model; not in the pictures.
    leaks, near_leaks : int
        Pictures that trained the model too, byte for byte; others of which it saw a near copy.
    accuracy_without_leaks : Share
    ran_on : str
        Engine, device and precision that made the vectors.
    """

    images: int
    accuracy: Share
    top5: float | None
    rejected: int
    accepted_right: Share
    per_person: tuple[Person, ...]
    confusion: dict[tuple[str, str], int]
    mistakes: tuple[Mistake, ...]
    failures: tuple[Skipped, ...]
    strangers: int
    strangers_named: int
    stranger_people: tuple[str, ...]
    missing_people: tuple[str, ...]
    leaks: int
    near_leaks: int
    accuracy_without_leaks: Share
    ran_on: str


def evaluate(
    bundle: Bundle,
    data: str | Path,
    *,
    engine: str = "auto",
    precision: str = "auto",
    workers: int = 2,
    weights: str | None = None,
    detector: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model on a folder of people, or on a feature file of the same recipe.

    Parameters
    ----------
    bundle : Bundle
    data : path-like
    engine, precision : str
        For a folder; see ``facefeat.engines.choose.choose``.
    workers : int, default=2
    weights : str or None
        The weights file, for a recipe made with a user's own.
    detector : Path or None
        The detector's file, likewise.
    progress : callable or None

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If nothing can be read, or no person of the data is known to the model.
    RecipeMismatch
        If the feature file is of another recipe.
    """
    if not Path(data).is_dir():
        file = read(data)
        bundle.recipe.require(file.recipe, str(data))
        return evaluate_file(bundle, file)
    with tempfile.TemporaryDirectory(prefix="facefeat-") as folder:
        made = extract(
            data,
            Path(folder) / "features.h5",
            plan_of(bundle.recipe, weights, detector),
            engine=engine,
            precision=precision,
            workers=workers,
            progress=progress,
        )
        return evaluate_file(bundle, made.file)


def evaluate_file(bundle: Bundle, file: FeatureFile) -> Evaluation:
    """Evaluate a model on vectors of its recipe; see ``evaluate``."""
    truth = _matched(file.people, bundle.people)[file.person]
    if not np.any(truth >= 0):
        raise InputError(
            f"None of the people there ({_some(file.people)}) is known to the model ({_some(bundle.people)}); "
            "folders are matched by their names."
        )
    named = namings(bundle, np.asarray(file.vectors(bundle.layer)), 5)
    best = np.array([bundle.people.index(one.best) for one in named])
    accepted = np.array([one.name is not None for one in named])
    known = truth >= 0
    right = known & (best == truth)
    same = known & _in_gallery(file, bundle)
    nearly = known & ~same & _near_gallery(file, bundle)
    leaked = same | nearly
    failures = _failures(file, bundle)
    n = int(known.sum()) + len(failures)
    fresh = known & ~leaked
    per_person = _per_person(bundle, truth, right, accepted, failures)
    present = {person.name for person in per_person}
    return Evaluation(
        images=n,
        accuracy=wilson(float(right.sum()) / n, n),
        top5=_top5(bundle, named, truth, n),
        rejected=int(np.sum(known & ~accepted)),
        accepted_right=wilson(float(np.sum(right & accepted)) / n, n),
        per_person=per_person,
        confusion=_confusion(bundle, truth, best),
        mistakes=tuple(
            Mistake(file.paths[i], bundle.people[truth[i]], named[i]) for i in np.flatnonzero(known & ~right)
        ),
        failures=failures,
        strangers=int(np.sum(~known)),
        strangers_named=int(np.sum(~known & accepted)),
        stranger_people=tuple(file.people[i] for i in np.unique(file.person[~known])),
        missing_people=tuple(name for name in bundle.people if name not in present),
        leaks=int(same.sum()),
        near_leaks=int(nearly.sum()),
        accuracy_without_leaks=wilson(
            float(np.sum(right & fresh)) / max(n - int(leaked.sum()), 1), n - int(leaked.sum())
        ),
        ran_on=file.ran_on,
    )


def _matched(theirs: tuple[str, ...], ours: tuple[str, ...]) -> NDArray[np.int64]:
    """Return for each of their people the index of ours of the same name; -1 where there is none."""
    index = {_composed(name): i for i, name in enumerate(ours)}
    return np.array([index.get(_composed(name), -1) for name in theirs], np.int64)


def _composed(name: str) -> str:
    """Write a name in the one form in which accents belong to their letters (NFC)."""
    return unicodedata.normalize("NFC", name)


def _owner(failure: Skipped) -> str:
    return _composed(failure.path.partition("/")[0])


def _in_gallery(file: FeatureFile, bundle: Bundle) -> NDArray[np.bool_]:
    trained = {digest.tobytes() for digest in bundle.gallery.sha256}
    return np.array([digest.tobytes() in trained for digest in file.sha256], bool)


def _near_gallery(file: FeatureFile, bundle: Bundle) -> NDArray[np.bool_]:
    """Tell which pictures are near copies of training pictures, where the model kept what tells."""
    found, gallery = np.zeros(len(file), bool), bundle.gallery
    if len(gallery.pixels):
        mine = Faces(file.vectors(bundle.layer), file.columns["faces/pixels"], file.person)
        theirs = Faces(gallery.vectors, gallery.pixels, gallery.person)
        found[[one.first for one in near_copies_between(mine, theirs)]] = True
    return found


def _failures(file: FeatureFile, bundle: Bundle) -> tuple[Skipped, ...]:
    """Return the unreadable pictures of people the model knows."""
    known = {_composed(name) for name in bundle.people}
    return tuple(one for one in file.skipped if _owner(one) in known)


def _top5(bundle: Bundle, named: list[Naming], truth: NDArray[np.int64], n: int) -> float | None:
    if len(bundle.people) <= 5:
        return None
    hits = [
        index >= 0 and any(candidate.name == bundle.people[index] for candidate in one.candidates)
        for one, index in zip(named, truth, strict=True)
    ]
    return float(np.sum(hits)) / n


def _per_person(
    bundle: Bundle,
    truth: NDArray[np.int64],
    right: NDArray[np.bool_],
    accepted: NDArray[np.bool_],
    failures: tuple[Skipped, ...],
) -> tuple[Person, ...]:
    failed = Counter(_owner(one) for one in failures)
    rows = []
    for index, name in enumerate(bundle.people):
        mine = truth == index
        n = int(mine.sum()) + failed[_composed(name)]
        if n:
            rows.append(Person(name, n, int(np.sum(right & mine)), int(np.sum(mine & ~accepted))))
    return tuple(rows)


def _confusion(bundle: Bundle, truth: NDArray[np.int64], best: NDArray[np.int64]) -> dict[tuple[str, str], int]:
    wrong = (truth >= 0) & (truth != best)
    pairs, counts = np.unique(np.stack([truth[wrong], best[wrong]], axis=1), axis=0, return_counts=True)
    found = {(bundle.people[a], bundle.people[b]): int(n) for (a, b), n in zip(pairs, counts, strict=True)}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
