"""People come and go: a model is changed without touching anybody else's pictures.

What was read from a bundle can be applied, not written, and every number of a head is made of everybody's vectors. So a
model with other people is fitted anew from the vectors it keeps, which takes seconds; only a new name does not need that.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facefeat.data import isolated
from facefeat.data.folder import escaped, person_folder, printable
from facefeat.errors import InputError, RecipeMismatch, UsageError
from facefeat.features import hashes
from facefeat.features.compute import Progress
from facefeat.features.encode import Encoder
from facefeat.features.store import durable
from facefeat.features.store.shards import writing
from facefeat.learn import bundle as bundles
from facefeat.learn.assemble import model_card, reassembled
from facefeat.learn.bundle import Bundle
from facefeat.learn.enrolment import Refused, Source, Taken, enrolled, listed
from facefeat.learn.erasure import NOT_LOOKED_AT, Removal, from_features, from_model, opened
from facefeat.learn.gallery import Gallery
from facefeat.learn.people import composed, known_as
from facefeat.learn.predict import Recogniser, encoder_of
from facefeat.learn.roster import Member, Sharpness, people
from facefeat.learn.unknown import Threshold

__all__ = [
    "Added",
    "Forgotten",
    "Member",
    "Refused",
    "Removal",
    "Renamed",
    "Sharpness",
    "Taken",
    "add",
    "forget",
    "people",
    "rename",
]

MAX_FOLDER_NAME = 255  # bytes, as file systems have it


@dataclass(frozen=True)
class Added:
    """What ``add`` did.

    Attributes
    ----------
    name : str
        As the model has it.
    people : tuple of str
        All of them, now.
    threshold : Threshold
        Now.
    taken : tuple of Taken
        Without any, the model is as it was.
    refused : tuple of Refused
    stored : tuple of str
        What the model calls the pictures that were taken, sorted.
    is_new : bool
        Whether the model did not know the person before.
    pictures : int
        The person has now.
    seconds : float
    output : Path
    """

    name: str
    people: tuple[str, ...]
    threshold: Threshold
    taken: tuple[Taken, ...]
    refused: tuple[Refused, ...]
    stored: tuple[str, ...]
    is_new: bool
    pictures: int
    seconds: float
    output: Path


@dataclass(frozen=True)
class Forgotten:
    """A receipt: what ``forget`` removed, and what it did not look at.

    Attributes
    ----------
    name : str
    people : tuple of str
        Who is left in the model.
    threshold : Threshold
        Now.
    removed : tuple of Removal
        The model first, then one a feature file.
    noted : int
        Pictures of which the cache folder had noted path and hash.
    not_looked_at : tuple of str
    seconds : float
    output : Path
    """

    name: str
    people: tuple[str, ...]
    threshold: Threshold
    removed: tuple[Removal, ...]
    noted: int
    not_looked_at: tuple[str, ...]
    seconds: float
    output: Path


@dataclass(frozen=True)
class Renamed:
    """What ``rename`` did.

    Attributes
    ----------
    old, new : str
        As the model had it, and has it.
    pictures : int
        Whose paths changed.
    people : tuple of str
        All of them, now; in the order they had.
    seconds : float
    output : Path
    """

    old: str
    new: str
    pictures: int
    people: tuple[str, ...]
    seconds: float
    output: Path


def add(
    model: str | Path,
    name: str,
    pictures: Sequence[Source],
    *,
    recogniser: Recogniser | None = None,
    force: bool = False,
    engine: str = "auto",
    precision: str = "auto",
    weights: str | None = None,
    detector: Path | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> Added:
    """Add pictures of somebody, new or known, to a model.

    Parameters
    ----------
    model : path-like
        Replaced as a whole; left as it is where no picture can be used.
    name : str
        As a folder may be called.
    pictures : sequence of Path or (str, bytes)
        Files, folders of files, or names of files with their bytes.
    recogniser : Recogniser, optional
        Of the same recipe, whose network is ready; the model itself is read again.
    force : bool, default=False
        Take faces that look like somebody else too.
    engine, precision, weights, detector
        As for ``facefeat.learn.predict.load``.
    workers : int, default=2
    progress : callable or None

    Returns
    -------
    Added

    Raises
    ------
    UsageError
        For a name that no folder can have, or a head that cannot be fitted with these pictures.
    InputError
        If there is no such model, or no picture at all.
    RecipeMismatch
        If the recogniser is of another recipe.
    LockedError
        If another run is changing the model.
    DamagedFile, ForeignFile, NewerFile, StorageError
    """
    started = time.perf_counter()
    isolated.begin()  # it starts while the model is read
    folder, given = _new_name(name), listed([Path(one) if isinstance(one, str) else one for one in pictures])
    with _changing(Path(model)) as (path, bundle):
        name, who = _place(folder, bundle)
        encoder = _encoder(bundle, recogniser) or encoder_of(bundle, engine, precision, weights, detector)
        new, taken, refused = enrolled(given, name, who, encoder, bundle, force=force, progress=progress)
        if taken:
            bundle = _with(bundle, name, who, new, workers, progress)
            bundles.write(bundle, path, model_card(bundle))
    return Added(
        name=name,
        people=bundle.people,
        threshold=bundle.threshold,
        taken=tuple(taken),
        refused=tuple(refused),
        stored=new.paths,
        is_new=who < 0,
        pictures=int(np.sum(bundle.gallery.person == bundle.people.index(name))) if name in bundle.people else 0,
        seconds=time.perf_counter() - started,
        output=path,
    )


def forget(
    model: str | Path,
    name: str,
    *,
    features: Sequence[str | Path] = (),
    workers: int = 2,
    progress: Progress | None = None,
) -> Forgotten:
    """Remove somebody from a model, and from feature files with the unfinished work beside them.

    The model comes last: where a feature file cannot be changed, the same call goes on from there.

    Parameters
    ----------
    model : path-like
        Fitted anew on everybody else's vectors, and replaced as a whole.
    name : str
    features : sequence of path-like
    workers : int, default=2
    progress : callable or None

    Returns
    -------
    Forgotten

    Raises
    ------
    UsageError
        If there is nobody of that name.
    InputError
        If fewer than two people would be left in the model, or nobody in a feature file.
    LockedError
        If another run is changing one of the files.
    DamagedFile, ForeignFile, NewerFile, StorageError
    """
    started = time.perf_counter()
    with _changing(Path(model)) as (path, bundle):
        name = known_as(name, bundle.people)
        who = bundle.people.index(name)
        left = tuple(one for one in bundle.people if one != name)
        if len(left) < 2:
            raise InputError(
                f"Only {printable(left[0])} would be left in {path}, and a model tells two people or more apart; it stays as it is. "
                "If all is to go, delete the file."
            )
        files = [opened(Path(os.path.realpath(one))) for one in features]  # what cannot be read is said before any work
        after = reassembled(bundle, left, bundle.gallery.without(who), workers=workers, progress=progress)
        removed = [from_features(file, before, name, workers) for file, before in files]
        bundles.write(after, path, model_card(after))
        noted = hashes.forget(name)
    return Forgotten(
        name=name,
        people=left,
        threshold=after.threshold,
        removed=(from_model(path, bundle, who), *removed),
        noted=noted,
        not_looked_at=NOT_LOOKED_AT,
        seconds=time.perf_counter() - started,
        output=path,
    )


def rename(model: str | Path, old: str, new: str) -> Renamed:
    """Call somebody in a model by another name; nothing is fitted.

    Parameters
    ----------
    model : path-like
        Replaced as a whole; head, score and card stay byte for byte.
    old, new : str

    Returns
    -------
    Renamed

    Raises
    ------
    UsageError
        If there is nobody of the old name, or somebody of the new one.
    InputError
        If there is no such model.
    LockedError
        If another run is changing the model.
    DamagedFile, ForeignFile, NewerFile, StorageError
    """
    started = time.perf_counter()
    new = _new_name(new)
    with _changing(Path(model)) as (path, bundle):
        old = known_as(old, bundle.people)
        who = bundle.people.index(old)
        if new == old:
            raise UsageError(f"'{old}' is the name in {path} already.")
        if composed(new) in {composed(one) for one in bundle.people if one != old}:
            raise UsageError(f"There is somebody else called '{new}' in {path}; two people cannot become one.")
        names = tuple(new if one == old else one for one in bundle.people)
        gallery = bundle.gallery.renamed(who, new)
        bundles.write_labels(replace(bundle, people=names, gallery=gallery), path)
    n = int((gallery.person == who).sum())
    return Renamed(old, new, n, names, time.perf_counter() - started, path)


def _with(bundle: Bundle, name: str, who: int, new: Gallery, workers: int, progress: Progress | None) -> Bundle:
    """Fit a bundle anew with pictures of somebody; those who are new get the place that sorted names give them."""
    names, gallery = bundle.people, bundle.gallery
    if who < 0:
        who = bisect_left(names, name)
        names, gallery = (*names[:who], name, *names[who:]), gallery.with_place_for(who)
    gallery = gallery.with_pictures(replace(new, person=new.person + np.int32(who)))
    return reassembled(bundle, names, gallery, workers=workers, progress=progress)


@contextmanager
def _changing(model: Path) -> Iterator[tuple[Path, Bundle]]:
    """Read a model under its lock; a link leads to the file that is to be replaced."""
    if not model.is_file():
        bundles.read(model)  # says what is wrong
    path = Path(os.path.realpath(model)) if model.is_symlink() else model
    with writing(path):
        durable.clear_leftovers(path)  # they may hold somebody who is to be forgotten
        yield path, bundles.read(path)


def _new_name(name: str) -> str:
    """Return a name as a data set would have it: the text of a plain folder's name, composed."""
    plain = composed(person_folder(name))
    if len(os.fsencode(plain)) > MAX_FOLDER_NAME:
        raise UsageError(f"The name must have at most {MAX_FOLDER_NAME} bytes, as that of a folder; it has more.")
    return escaped(plain)


def _place(name: str, bundle: Bundle) -> tuple[str, int]:
    """Return what the model calls somebody, and their index; -1 for somebody new."""
    same = [one for one in bundle.people if composed(one) == composed(name)]
    return (same[0], bundle.people.index(same[0])) if same else (name, -1)


def _encoder(bundle: Bundle, recogniser: Recogniser | None) -> Encoder | None:
    if recogniser and recogniser.encoder.recipe != bundle.recipe:
        raise RecipeMismatch(
            "The recogniser that is ready and the model in the file are of two recipes; load it again."
        )
    return recogniser.encoder if recogniser else None
