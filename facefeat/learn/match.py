"""Are two pictures of one person: a model's similarity, and a threshold that its own gallery gives.

The threshold is chosen for a rate of false matches by leaving people out: the similarities of pictures of different people
whom the score never saw. It is not that of ``facefeat.learn.unknown``, which compares a face with the mean of a person.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefeat.data import picture
from facefeat.data.faces import Face
from facefeat.data.folder import escaped
from facefeat.engines.network import describe
from facefeat.errors import DamagedFile, PictureRefused
from facefeat.features.compute import Progress
from facefeat.learn import head as heads
from facefeat.learn import rates
from facefeat.learn.gallery import Gallery
from facefeat.learn.pair_scores import directions_of
from facefeat.learn.predict import Recogniser, load
from facefeat.learn.threads import side_by_side
from facefeat.learn.unknown import PEOPLE_FOLDS, SCORE, directions, fit_score
from facefeat.learn.verification import check_fmr

MOST_PICTURES = 1000  # of the gallery that the threshold is chosen on, so that it takes seconds
MIN_EACH = 10  # pictures of a person, where there are more people than that leaves room for


@dataclass(frozen=True)
class MatchThreshold:
    """Where two pictures begin to be of one person, and how that was found.

    Attributes
    ----------
    value : float or None
        Pictures at least as similar are of one person; ``None`` where it cannot be measured.
    fmr : float
        Share of pairs of two people that may match (false match rate).
    fnmr : float or None
        Share of pairs of one person that do not match there (false non-match rate); ``None`` where there are none, or no
        threshold.
    n_mated, n_nonmated : int
        Pairs of one person and of two people, all of people whom the score had not seen.
    how : str
        How it was chosen, or why it was not; it goes on with "the threshold is".
    """

    value: float | None
    fmr: float
    fnmr: float | None
    n_mated: int
    n_nonmated: int
    how: str


@dataclass(frozen=True)
class Match:
    """Two pictures compared.

    Attributes
    ----------
    paths : tuple of (str, str)
    faces : tuple of (Face, Face)
        The one face of each that was compared.
    similarity : float
        Cosine in the model's space, -1 to 1.
    threshold : MatchThreshold
    same : bool or None
        Whether they are of one person; ``None`` without a threshold.
    notes : tuple of str
        What a reader must know, one sentence each.
    ran_on : str
        Engine, device and precision that made the vectors.
    """

    paths: tuple[str, str]
    faces: tuple[Face, Face]
    similarity: float
    threshold: MatchThreshold
    same: bool | None
    notes: tuple[str, ...]
    ran_on: str


def match(
    model: str | Path,
    first: str | Path,
    second: str | Path,
    *,
    fmr: float = 0.01,
    engine: str = "auto",
    precision: str = "auto",
    weights: str | None = None,
    detector: Path | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> Match:
    """Compare the faces of two pictures.

    Parameters
    ----------
    model, first, second : path-like
    fmr : float, default=0.01
        Share of pairs of two people that may match.
    engine, precision : str
        See ``facefeat.features.encode.engine_for``.
    weights : str or None
        The weights file, for a model whose vectors were made with a user's own.
    detector : Path or None
        The detector's file, likewise.
    workers : int, default=2
        Threads that choose the threshold.
    progress : callable or None

    Returns
    -------
    Match

    Raises
    ------
    UsageError
        If ``fmr`` is no share.
    PictureRefused
        If a picture cannot be read, or the model's recipe takes no face of it.
    InputError, DamagedFile, ForeignFile, NewerFile, RecipeMismatch
    """
    check_fmr(fmr)
    tell = progress or (lambda what, done, total: None)
    paths = (str(first), str(second))
    contents = [_read(path) for path in paths]
    recogniser = load(model, engine=engine, precision=precision, weights=weights, detector=detector)
    faces = tuple(_face(recogniser, path, data) for path, data in zip(paths, contents, strict=True))
    bundle = recogniser.bundle
    one, other = directions_of(bundle, recogniser.vectors(faces))
    similarity = float(np.clip(one @ other, -1, 1))
    tell("Choosing the threshold on the model's gallery", 0, 0)
    threshold = match_threshold(bundle.gallery, fmr, workers=workers)
    return Match(
        paths=paths,
        faces=(faces[0], faces[1]),
        similarity=similarity,
        threshold=threshold,
        same=None if threshold.value is None else similarity >= threshold.value,
        notes=tuple(_notes(recogniser, paths, contents, faces)),
        ran_on=describe(recogniser.encoder.engine),
    )


def _read(path: str) -> bytes:
    try:
        return picture.read(path)
    except PictureRefused as refused:
        raise _unusable(path, refused) from refused


def _face(recogniser: Recogniser, path: str, data: bytes) -> Face:
    """Return the one face that the recipe takes of a picture, as extraction does."""
    finder = recogniser.encoder.finder
    try:
        found = finder.faces([finder.open(data)])[0]
    except PictureRefused as refused:
        raise _unusable(path, refused) from refused
    if isinstance(found, PictureRefused):
        raise _unusable(path, found)
    return found


def _unusable(path: str, refused: PictureRefused) -> PictureRefused:
    return PictureRefused(refused.code, f"{escaped(path)} cannot be compared ({refused.code}): {refused.message}")


def _notes(recogniser: Recogniser, paths: tuple[str, str], contents: list[bytes], faces: tuple[Face, ...]) -> list[str]:
    bundle, notes = recogniser.bundle, []
    if contents[0] == contents[1]:
        notes.append("The two files are the same, byte for byte.")
    trained = {digest.tobytes() for digest in bundle.gallery.sha256}
    for path, data, face in zip(paths, contents, faces, strict=True):
        if face.count == 0:
            notes.append(f"In {escaped(path)} no face was found; the whole picture was taken.")
        if face.count > 1:
            policy = bundle.recipe.faces.policy
            notes.append(f"{escaped(path)} shows {face.count} faces; one was taken by the policy '{policy}'.")
        if hashlib.sha256(data).digest() in trained:
            notes.append(f"{escaped(path)} trained the model.")
    return notes


def match_threshold(gallery: Gallery, fmr: float = 0.01, *, random_state: int = 0, workers: int = 1) -> MatchThreshold:
    """Choose the threshold for a rate of false matches, by leaving people out in turn.

    People are dealt into fifths, or fewer parts of two people. The score is fitted on the others; all pairs of pictures of
    those left out are compared, and the pairs of all parts are taken together. Copies, byte for byte, are looked at once.

    Parameters
    ----------
    gallery : Gallery
        Of a model; at most ``MOST_PICTURES`` are drawn from it.
    fmr : float, default=0.01
    random_state : int, default=0
    workers : int, default=1
        Parts that are worked on side by side; the threshold does not depend on it.

    Returns
    -------
    MatchThreshold

    Raises
    ------
    DamagedFile
        If the gallery's numbers cannot be fitted.
    """
    rng = np.random.default_rng(random_state)
    rows = _drawn(gallery, rng)
    X, y = gallery.vectors[rows].astype(np.float32), gallery.person[rows]
    people = rng.permutation(np.unique(y))
    n_parts = min(PEOPLE_FOLDS, len(people) // 2)
    if n_parts < 2:
        few = f"with {len(people)} people no two can be left out while two others train"
        return MatchThreshold(None, fmr, None, 0, 0, f"not measurable: {few}")
    heads.build(*SCORE)  # imported before linear algebra is kept to one core a part
    left_out = (np.isin(y, people[part::n_parts]) for part in range(n_parts))
    parts = side_by_side(lambda outside: _left_out(X, y, outside), left_out, workers)
    mated, nonmated = (np.concatenate(scores) for scores in zip(*parts, strict=True))
    if not rates.measurable(len(nonmated), fmr):
        few = f"not measurable with {len(nonmated):,} pairs of two people"
        return MatchThreshold(None, fmr, None, len(mated), len(nonmated), few)
    value = rates.threshold_for(nonmated, fmr)
    how = (
        f"chosen on {len(nonmated):,} pairs of {len(people)} people, each left out in turn, "
        f"for an FMR of {100 * fmr:.2g} % at most"
    )
    fnmr = float(np.mean(mated < value)) if len(mated) else None
    return MatchThreshold(value, fmr, fnmr, len(mated), len(nonmated), how)


def _drawn(gallery: Gallery, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw pictures, of as many people as there is room for; without copies."""
    fresh = rng.permutation(np.sort(np.unique(gallery.sha256, axis=0, return_index=True)[1]))
    person = gallery.person[fresh]
    each = max(MIN_EACH, MOST_PICTURES // len(np.unique(person)))
    drawn: list[NDArray[np.int64]] = []
    for who in rng.permutation(np.unique(person)):
        drawn.append(fresh[person == who][:each])
        if sum(map(len, drawn)) >= MOST_PICTURES:
            break
    return np.sort(np.concatenate(drawn)[:MOST_PICTURES])


def _left_out(
    X: NDArray[np.float32], y: NDArray[np.int32], outside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the similarities of pairs of one person and of two, of pictures that are left out of the score."""
    theirs, train = y[outside], y[~outside]
    if len(train) == len(np.unique(train)):  # nothing shows how alike pictures of one person are
        return np.empty(0), np.empty(0)
    damaged = DamagedFile("The model is damaged: its gallery's vectors cannot be compared.")
    try:
        with np.errstate(all="ignore"):  # a model from anybody may hold numbers of any size
            found = directions(fit_score(X[~outside], train), X[outside])
    except ValueError as error:
        raise damaged from error
    if not np.isfinite(found).all():
        raise damaged
    first, second = np.triu_indices(len(theirs), 1)
    similarities, mated = (found @ found.T)[first, second], theirs[first] == theirs[second]
    return similarities[mated], similarities[~mated]
