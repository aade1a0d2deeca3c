"""A fitted model on pictures it did not see; people are matched by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefeat.data.folder import NOBODY
from facefeat.features.compute import Progress
from facefeat.features.store.columns import Skipped
from facefeat.features.store.file import FeatureFile
from facefeat.learn.bundle import Bundle
from facefeat.learn.copies import Faces, among, near_copies_between
from facefeat.learn.evaluation import Evaluation, Mistake, Person
from facefeat.learn.metrics import Share, wilson
from facefeat.learn.naming import Naming, explained, ranked
from facefeat.learn.people import composed, matched, some_of
from facefeat.learn.probes import Part, Probes, opened
from facefeat.learn.rates import Curve, auroc, clustered, det, measurable
from facefeat.learn.training import finite_vectors

__all__ = ["Evaluation", "Mistake", "Person", "evaluate", "evaluate_file"]

RANKS = 10  # of the cumulative match characteristic
CANDIDATES = 5  # listed of a mistake


def evaluate(
    bundle: Bundle,
    data: str | Path,
    *,
    unknown: str | Path | None = None,
    engine: str = "auto",
    precision: str = "auto",
    workers: int = 2,
    weights: str | None = None,
    detector: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model on a folder of people, on a feature file of the same recipe, or on a test set in three folders.

    Parameters
    ----------
    bundle : Bundle
    data : path-like
        People whom the model does not know are strangers. Of a folder that ``facefeat.data.layout`` can read, the
        people in ``gallery`` are enrolled in place of the model's own, and those in ``unknown`` are strangers.
    unknown : path-like or None
        More strangers: folders of people or loose pictures, or a feature file.
    engine, precision : str
        For folders; see ``facefeat.engines.choose.choose``.
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
        If a folder is empty or none of its pictures can be read.
    RecipeMismatch
        If a feature file is of another recipe.
    DamagedFile
        If vectors are not finite.
    """
    with opened(
        bundle,
        data,
        unknown,
        engine=engine,
        precision=precision,
        workers=workers,
        weights=weights,
        detector=detector,
        progress=progress,
    ) as probes:
        return _evaluated(probes)


def evaluate_file(bundle: Bundle, file: FeatureFile) -> Evaluation:
    """Evaluate a model on vectors of its recipe, augmented copies left out; see ``evaluate``."""
    return _evaluated(Probes(bundle, Part(file.originals())))


@dataclass(frozen=True)
class _Named:
    """A part of the pictures, named.

    Attributes
    ----------
    part : Part
    truth, ranks : ndarray of shape (n_images,), int64
        See ``facefeat.learn.naming.ranked``.
    named : sequence of Naming, length n_images
    """

    bundle: Bundle
    part: Part
    truth: NDArray[np.int64]
    named: Sequence[Naming]
    ranks: NDArray[np.int64]

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        return np.array([one.score for one in self.named], np.float64)

    @cached_property
    def accepted(self) -> NDArray[np.bool_]:
        return np.array([one.name is not None for one in self.named], bool)

    def people(self, rows: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return whose pictures some rows are, but for pictures of nobody."""
        names = (self.part.file.people[i] for i in np.unique(self.part.file.person[rows]))
        return tuple(name for name in names if name != NOBODY)

    def mistakes(self, rows: NDArray[np.bool_]) -> tuple[Mistake, ...]:
        """Explain some rows."""
        part, file, found = self.part, self.part.file, np.flatnonzero(rows).tolist()
        named = [self.named[i] for i in found]
        reasons = explained(self.bundle, np.asarray(file.vectors(self.bundle.layer)[found]), named, self.truth[found])
        return tuple(
            Mistake(
                path=part.place + file.paths[i],
                truth=self.bundle.people[self.truth[i]] if self.truth[i] >= 0 else file.people[file.person[i]],
                naming=naming,
                rank=int(self.ranks[i]),
                missed=missed,
                picture=part.dataset.file(file.paths[i]) if part.dataset else None,
            )
            for i, (naming, missed) in zip(found, reasons, strict=True)
        )


def _evaluated(probes: Probes) -> Evaluation:
    bundle, file = probes.bundle, probes.known.file
    here = _named(bundle, probes.known)
    elsewhere = [_named(bundle, part) for part in probes.strangers]
    known, right = here.truth >= 0, here.ranks == 1
    same = known & among(file.sha256, bundle.gallery.sha256)
    nearly = known & ~same & _near_gallery(file, bundle)
    fresh = known & ~same & ~nearly
    failures = _failures(probes.known, bundle)
    n, n_fresh = int(known.sum()) + len(failures), int(fresh.sum()) + len(failures)
    strange = [(one, one.truth < 0) for one in (here, *elsewhere)]
    nonmated = np.concatenate([one.scores[rows] for one, rows in strange])
    accepted = int(sum(np.sum(one.accepted & rows) for one, rows in strange))
    mated = np.concatenate([np.where(right, here.scores, -np.inf)[known], np.full(len(failures), -np.inf)])
    cmc = _cmc(here.ranks[known], n, len(bundle.people))
    per_person = _per_person(here, failures)
    present = {person.name for person in per_person}
    accepted_right = int(np.sum(right & here.accepted))
    return Evaluation(
        images=n,
        accuracy=_share(int(right.sum()), n),
        balanced_accuracy=_balanced(per_person),
        cmc=cmc,
        rank5=cmc[4] if cmc and len(bundle.people) > 5 else None,
        rejected=int(np.sum(known & ~here.accepted)),
        accepted_right=_share(accepted_right, n),
        fnir=_share(n - accepted_right, n),
        per_person=per_person,
        confusion=_confusion(here),
        mistakes=here.mistakes(known & ~right),
        failures=failures,
        strangers=len(nonmated),
        strangers_named=accepted,
        fpir=clustered(accepted / len(nonmated), nonmated, _whose(strange)) if len(nonmated) else _share(0, 0),
        fpir_measurable=measurable(len(nonmated), bundle.threshold.fpir),
        stranger_people=tuple(dict.fromkeys(name for one, rows in strange for name in one.people(rows))),
        missing_people=tuple(name for name in bundle.people if name not in present),
        stranger_mistakes=tuple(one for some, rows in strange for one in some.mistakes(some.accepted & rows)),
        stranger_failures=tuple(
            failure for part in (probes.known, *probes.strangers) for failure in _failures(part, bundle, known=False)
        ),
        auroc=auroc(nonmated, mated),
        curve=_curve(nonmated, mated),
        threshold=bundle.threshold,
        enrolled=probes.enrolled,
        leaks=int(same.sum()),
        near_leaks=int(nearly.sum()),
        accuracy_without_leaks=_share(int(np.sum(right & fresh)), n_fresh),
        ran_on=file.ran_on,
        notes=(*probes.notes, *_notes(here, elsewhere, len(failures))),
    )


def _named(bundle: Bundle, part: Part) -> _Named:
    X = finite_vectors(part.file, bundle.layer)
    truth = matched(part.file.people, bundle.people)[part.file.person]
    return _Named(bundle, part, truth, *ranked(bundle, np.asarray(X), truth, CANDIDATES))


def _owner(path: str) -> str:
    return composed(path.partition("/")[0])


def _near_gallery(file: FeatureFile, bundle: Bundle) -> NDArray[np.bool_]:
    """Tell which pictures are near copies of training pictures, where the model kept what tells."""
    found, gallery = np.zeros(len(file), bool), bundle.gallery.pictures
    if len(gallery.pixels):
        mine = Faces(file.vectors(bundle.layer), file.columns["faces/pixels"], file.person)
        theirs = Faces(gallery.vectors, gallery.pixels, gallery.person)
        found[[one.first for one in near_copies_between(mine, theirs)]] = True
    return found


def _failures(part: Part, bundle: Bundle, *, known: bool = True) -> tuple[Skipped, ...]:
    """Return the unreadable pictures of people the model knows, or of all others."""
    people = {composed(name) for name in bundle.people}
    skipped = (one for one in part.file.skipped if (_owner(one.path) in people) == known)
    return tuple(replace(one, path=part.place + one.path) for one in skipped)


def _share(count: int, n: int) -> Share:
    return wilson(count / n if n else float("nan"), n)


def _whose(strange: Sequence[tuple[_Named, NDArray[np.bool_]]]) -> NDArray[np.int64]:
    """Give the strangers of several parts numbers; a loose picture is of somebody else each, as far as is known."""
    found, used = [np.empty(0, np.int64)], 0
    for one, rows in strange:
        file = one.part.file
        loose = np.array([name == NOBODY for name in file.people], bool)[file.person]
        number = np.where(loose, len(file.people) + np.arange(len(file)), file.person)
        found.append(used + number[rows])
        used += len(file.people) + len(file)
    return np.concatenate(found)


def _balanced(people: Sequence[Person]) -> float:
    """Return the mean of everybody's own share, failures included."""
    return float(np.mean([person.right / person.images for person in people])) if people else float("nan")


def _cmc(ranks: NDArray[np.int64], n: int, n_people: int) -> tuple[Share, ...]:
    """Return the share of the n pictures, failures included, whose own person is among the first 1, 2, ..."""
    return tuple(_share(int(np.sum(ranks <= k)), n) for k in range(1, min(RANKS, n_people) + 1)) if n else ()


def _curve(nonmated: NDArray[np.float64], mated: NDArray[np.float64]) -> Curve | None:
    return det(nonmated, mated) if len(nonmated) and len(mated) else None


def _per_person(here: _Named, failures: tuple[Skipped, ...]) -> tuple[Person, ...]:
    failed = Counter(_owner(one.path.removeprefix(here.part.place)) for one in failures)
    rows = []
    for index, name in enumerate(here.bundle.people):
        mine = here.truth == index
        n = int(mine.sum()) + failed[composed(name)]
        if n:
            right, rejected = (int(np.sum(mine & what)) for what in (here.ranks == 1, ~here.accepted))
            rows.append(Person(name, n, right, rejected))
    return tuple(rows)


def _confusion(here: _Named) -> dict[tuple[str, str], int]:
    wrong = np.flatnonzero(here.ranks > 1).tolist()
    pairs = Counter((here.bundle.people[here.truth[i]], here.named[i].best) for i in wrong)
    return dict(sorted(pairs.items(), key=lambda item: (-item[1], item[0])))


def _notes(here: _Named, elsewhere: Sequence[_Named], failures: int) -> Iterator[str]:
    """Say what a reader of the figures might not expect."""
    bundle, strangers = here.bundle, here.people(here.truth < 0)
    if not failures and not np.any(here.truth >= 0):
        yield (
            f"None of the people there ({some_of(strangers)}) is known to the model ({some_of(bundle.people)}); "
            "folders are matched by their names. So all of them count as strangers."
        )
    elif here.part.place and strangers:
        yield f"Not known to the model, and so counted as strangers: {some_of(strangers)} in {here.part.place}."
    # Counting them as strangers would punish right names; as known, it would mix in what nobody asked.
    for one in elsewhere:
        if np.any(known := one.truth >= 0):
            where = one.part.place or one.part.file.path
            yield (
                f"People in {where} whom the model knows by name are no strangers, and left out: "
                f"{some_of(one.people(known))} ({_pictures(known)})."
            )
    for one in (here, *elsewhere):
        if np.any(copies := (one.truth < 0) & among(one.part.file.sha256, bundle.gallery.sha256)):
            first = one.part.place + one.part.file.paths[int(copies.argmax())]
            yield (
                f"{_pictures(copies)} of strangers trained the model, byte for byte, under a name that it knows; "
                f"the first is {first}."
            )


def _pictures(rows: NDArray[np.bool_]) -> str:
    n = int(rows.sum())
    return f"{n:,} picture{'s' if n > 1 else ''}"
