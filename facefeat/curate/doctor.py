"""What is wrong with a data set, before it costs an accuracy."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefeat.curate.findings import KINDS, Finding
from facefeat.curate.suspects import suspicion
from facefeat.data import picture
from facefeat.data.folder import DataSet, list_people
from facefeat.data.quality import SIDE, sharpness
from facefeat.errors import InputError
from facefeat.features.compute import Progress
from facefeat.features.encode import Plan, plan, plan_of
from facefeat.features.extract import extract
from facefeat.features.recipe import Recipe
from facefeat.features.store import durable
from facefeat.features.store.file import FeatureFile, read
from facefeat.heads._rows import blocks
from facefeat.learn.copies import EVERYBODY, Faces, Near, joined, near_copies, near_copies_between
from facefeat.learn.splits import folds

FEW = 5  # different pictures of a person; with fewer, docs/benchmarks.md has what accuracy is left
TINY = 32  # pixels of the narrower side of a face's box
BLURRED = 0.04  # sharpness; docs/benchmarks.md has that of real and of blurred faces
DARK = 40  # mean grey level, of 255
SUSPECT_FOLDS = 10


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes
    ----------
    dataset : DataSet
    file : FeatureFile
        Its vectors; the file itself may be gone.
    against : DataSet or None
    findings : tuple of Finding
        In the order of ``KINDS``, worst first.
    notes : tuple of str
        What could not be looked at, in sentences.
    kept : Path or None
        Where vectors were kept that were not known before.
    seconds : float
    """

    dataset: DataSet
    file: FeatureFile
    against: DataSet | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    kept: Path | None
    seconds: float

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Return the findings of a kind."""
        return tuple(one for one in self.findings if one.kind == kind)


def examine(
    data: str | Path,
    *,
    against: str | Path | None = None,
    features: str | Path = "features.h5",
    engine: str = "auto",
    weights: str | None = None,
    detector: Path | None = None,
    random_state: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> Diagnosis:
    """Look for what is wrong with a folder of people.

    Parameters
    ----------
    data : path-like
        One subfolder a person.
    against : path-like, optional
        Another folder of people, which must not share pictures with it, such as the one a model is tested on.
    features : path-like, default='features.h5'
        A feature file whose recipe is used and whose vectors need not be computed again; it is not changed. Where there
        is none, it is written, by the default recipe.
    engine : str, default='auto'
    weights, detector : str, Path or None
        See ``facefeat.features.encode.plan_of``.
    random_state : int, default=0
        Of the folds that suspects are judged by.
    workers : int, default=2
    progress : callable or None

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If there is no folder of people, or nothing usable in it.
    """
    started, features = time.perf_counter(), Path(features)
    tell = progress or (lambda what, done, total: None)
    known = _recipe_of(features)
    made = plan_of(known, weights, detector) if known else plan()
    with tempfile.TemporaryDirectory(prefix="facefeat-") as folder:
        output = _copied(features, Path(folder)) if known else features
        dataset = list_people(data)
        mine = extract(dataset, output, made, engine=engine, workers=workers, progress=progress)
        theirs = _other(against, Path(folder), made, engine, workers, progress)
        tell("Looking for copies and for faces under a wrong name", 0, 0)
        looked = _Look(mine.file, theirs[1] if theirs else None, random_state, workers)
        found = sorted(looked.findings(), key=lambda one: list(KINDS).index(one.kind))
    return Diagnosis(
        dataset=dataset,
        file=mine.file,
        against=theirs[0] if theirs else None,
        findings=tuple(found),
        notes=tuple(looked.notes),
        kept=features if output == features else None,
        seconds=time.perf_counter() - started,
    )


def _recipe_of(features: Path) -> Recipe | None:
    """Return the recipe of a whole feature file; None where there is no such file."""
    if not features.exists():
        return None
    if not features.is_file():
        raise InputError(f"{features} is no feature file; give one with --features, or a name that is free.")
    return read(features).recipe


def _copied(features: Path, folder: Path) -> Path:
    """Copy a feature file to where it can be added to."""
    copy = folder / "features.h5"
    with durable.storage_errors(copy):
        return Path(shutil.copyfile(features, copy))


def _other(
    against: str | Path | None, folder: Path, made: Plan, engine: str, workers: int, progress: Progress | None
) -> tuple[DataSet, FeatureFile] | None:
    if against is None:
        return None
    dataset = list_people(against)
    return dataset, extract(
        dataset, folder / "against.h5", made, engine=engine, workers=workers, progress=progress
    ).file


class _Look:
    """One data set being looked at."""

    def __init__(self, file: FeatureFile, against: FeatureFile | None, random_state: int, workers: int) -> None:
        self.file, self.against = file.originals(), against.originals() if against else None
        self.random_state, self.workers = random_state, workers
        self.faces = Faces.of(self.file)
        self.first = self.file.first_alike()
        self.notes: list[str] = []

    def findings(self) -> Iterator[Finding]:
        unlike = np.unique(self.first)
        if len(unlike) > EVERYBODY:
            self.notes.append(
                f"Of more than {EVERYBODY:,} pictures, near copies are looked for within each person only."
            )
        near = near_copies(self.faces, unlike, self.workers)
        groups = joined(self.first, [(one.first, one.second) for one in near])
        yield from self._unusable()
        yield from self._leaks()
        yield from self._copies()
        yield from self._near(near)
        yield from self._suspects(groups)
        yield from self._counted()
        yield from self._seen()
        yield from self._few(groups)

    def _unusable(self) -> Iterator[Finding]:
        for one in self.file.skipped:
            hopeless = one.code in picture.OF_DECODING or one.code == "empty"
            yield Finding("unusable", one.path, one.message, action="remove" if hopeless else "")

    def _leaks(self) -> Iterator[Finding]:
        if self.against is None:
            return
        theirs = {digest.tobytes(): row for row, digest in reversed(list(enumerate(self.against.sha256)))}
        paths, same = self.against.paths, set()
        for row, digest in enumerate(self.file.sha256):
            if (other := theirs.get(digest.tobytes())) is not None:
                same.add(row)
                reason = f"{self._there(row, other)} byte for byte."
                yield Finding("leak", self.file.paths[row], reason, paths[other], 1.0, "remove")
        for one in near_copies_between(self.faces, Faces.of(self.against)):
            if one.first not in same:
                reason = f"{self._there(one.first, one.second)} as nearly the same photograph."
                yield Finding("leak", self.file.paths[one.first], reason, paths[one.second], one.agreement)

    def _there(self, row: int, other: int) -> str:
        """Say where a leak lies, and under whose name if that is another's."""
        if self.against is None:
            return ""
        mine, theirs = self.file.people[self.file.person[row]], self.against.people[self.against.person[other]]
        return "It lies in the other data set too" + (f", as {theirs}," if mine != theirs else ",")

    def _copies(self) -> Iterator[Finding]:
        for row in np.flatnonzero(self.first != np.arange(len(self.file))):
            first = int(self.first[row])
            yield self._pair(int(row), first, 1.0, exact=True)

    def _near(self, near: list[Near]) -> Iterator[Finding]:
        """Yield each picture once that has a near copy of at least its size, with that which it agrees with most."""
        boxes = self.file.columns["faces/box"]
        sizes = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
        told = set()
        for one in sorted(near, key=lambda one: -one.agreement):
            better, worse = sorted((one.first, one.second), key=lambda row: (-sizes[row], row))
            finding = self._pair(worse, better, one.agreement, exact=False)
            if (worse, finding.kind) not in told:
                told.add((worse, finding.kind))
                yield finding

    def _pair(self, row: int, other: int, agreement: float, exact: bool) -> Finding:
        """Say of two pictures that they are one photograph."""
        people, paths = self.file.people, self.file.paths
        one, two = (people[self.file.person[index]] for index in (row, other))
        same = "the same, byte for byte," if exact else "nearly the same"
        if one != two:
            reason = f"It is {same} as a picture of {two}; one of the two names is wrong."
            return Finding("two_people", paths[row], reason, paths[other], agreement)
        reason = f"It is {same} as another{'' if exact else ', whose face is no smaller'}."
        kind, action = ("duplicate", "remove") if exact else ("near_duplicate", "")
        return Finding(kind, paths[row], reason, paths[other], agreement, action)

    def _suspects(self, groups: NDArray[np.int64]) -> Iterator[Finding]:
        file = self.file
        try:
            cut = folds(file.person, groups, file.people, n_folds=SUSPECT_FOLDS, random_state=self.random_state)
        except InputError as error:
            self.notes.append(f"Nobody could be compared with anybody else. {error}")
            return
        found = suspicion(self.faces.vectors, file.person, cut, self.workers)
        if len(cut.always_train):
            n = len(cut.always_train)
            self.notes.append(f"The only picture of a person cannot be judged; of such there are: {n:,}.")
        for row in np.argsort(-found.margin, kind="stable"):
            if not found.margin[row] > 0:
                break
            name, other = file.people[found.person[row]], file.paths[found.nearest[row]]
            reason = f"It looks more like {name} than like {file.people[file.person[row]]}."
            yield Finding("suspect", file.paths[row], reason, other, float(found.margin[row]), to=name)

    def _counted(self) -> Iterator[Finding]:
        """Yield pictures in which the detector found no face, or several."""
        if self.file.recipe.faces.detector == "none":
            self.notes.append("Faces were not looked for; the recipe takes whole pictures.")
            return
        counts = self.file.columns["faces/count"]
        for row in np.flatnonzero(~self.file.found):
            yield Finding("no_face", self.file.paths[row], "The whole picture was taken.", value=0)
        for row in sorted(np.flatnonzero(counts > 1), key=lambda row: -counts[row]):
            reason = f"It has {counts[row]} faces; the {self.file.recipe.faces.policy} was taken."
            yield Finding("several_faces", self.file.paths[row], reason, value=int(counts[row]))
        if unknown := int(np.sum(counts < 0)):
            self.notes.append(
                f"{unknown} rows are of an older feature file, which does not say how many faces there were."
            )

    def _seen(self) -> Iterator[Finding]:
        """Yield faces that are too small, blurred or dark to tell much."""
        found, boxes = self.file.found, self.file.columns["faces/box"]
        sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        sharp, grey = self._judged()
        size = self.file.recipe.input_size
        if size < SIDE and found.any():
            self.notes.append(f"Faces of {size} pixels, as the recipe has them, are too small to tell blurred ones by.")
        # Rows of an older file have too few pixels, too.
        whole = (self.file.columns["faces/count"] >= 0) & (size >= SIDE)
        for row in _worst(sides, TINY, found):
            reason = f"The face is {sides[row]:.0f} pixels wide; the network sees {size}."
            yield Finding("tiny", self.file.paths[row], reason, value=round(float(sides[row]), 1))
        for row in _worst(sharp, BLURRED, found & whole):
            reason = f"Its sharpness is {sharp[row]:.3f}; clear faces have {BLURRED} and more."
            yield Finding("blurred", self.file.paths[row], reason, value=round(float(sharp[row]), 4))
        for row in _worst(grey, DARK, found):
            reason = f"Its mean grey level is {grey[row]:.0f} of 255."
            yield Finding("dark", self.file.paths[row], reason, value=round(float(grey[row]), 1))

    def _judged(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how sharp and how bright each face is."""
        sharp, grey = np.empty((2, len(self.file)))
        for block in blocks(len(self.file), self.faces.pixels[0].size):
            part = self.faces.pixels[block]
            sharp[block], grey[block] = sharpness(part), part.mean(axis=(1, 2))
        return sharp, grey

    def _few(self, groups: NDArray[np.int64]) -> Iterator[Finding]:
        pairs = np.unique(np.stack([self.file.person, groups], axis=1), axis=0)[:, 0]
        counts = np.bincount(pairs, minlength=len(self.file.people))
        for index in sorted(np.flatnonzero(counts < FEW), key=lambda index: counts[index]):
            n = int(counts[index])
            reason = f"{n} different picture{'' if n == 1 else 's'}; {FEW} and more tell a person from others."
            yield Finding("few", self.file.people[index], reason, value=n)


def _worst(values: NDArray[np.float64], limit: float, where: NDArray[np.bool_]) -> list[int]:
    """Return the rows under a limit, worst first."""
    rows = np.flatnonzero(where & (values < limit))
    return [int(row) for row in rows[np.argsort(values[rows], kind="stable")]]
