"""Pictures of somebody who is added to a model: read, looked at, and taken or refused with a sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefeat.data import faces, picture
from facefeat.data.detections import Detections
from facefeat.data.faces import Face
from facefeat.data.finder import FaceFinder, Opened
from facefeat.data.folder import escaped, list_pictures, printable, unescaped
from facefeat.data.quality import SHARP, SIDE, grey, sharpness
from facefeat.errors import InputError, PictureRefused, RecipeMismatch
from facefeat.features.compute import Progress
from facefeat.features.encode import Encoder
from facefeat.features.layers import joined
from facefeat.learn.bundle import Bundle
from facefeat.learn.copies import Faces, near_copies_between
from facefeat.learn.gallery import Gallery
from facefeat.learn.unknown import NO_THRESHOLD, similarities

MAX_FILE_NAME = 255  # characters that are kept of a file's name
LARGEST = float(np.finfo(np.float16).max)  # number that a bundle keeps

Source = Path | tuple[str, bytes]


class Taken(NamedTuple):
    """A picture that was taken.

    Attributes
    ----------
    path : str
        As it was given.
    quality : float
        Sharpness of the face; see ``facefeat.data.quality.sharpness``.
    """

    path: str
    quality: float


class Refused(NamedTuple):
    """A picture that was not taken.

    Attributes
    ----------
    path : str
        As it was given.
    code : str
        One of ``facefeat.data.picture.CODES``, or ``blurred``, ``copy``, ``near_copy``, ``of_another`` (a copy of somebody
        else's picture) or ``looks_like_another``.
    sentence : str
    """

    path: str
    code: str
    sentence: str


@dataclass(frozen=True)
class Given:
    """A picture as it was given.

    Attributes
    ----------
    path : str
        For sentences.
    name : str
        What it is called in the person's folder, as escaped text.
    read : callable
        Returns its bytes, or raises PictureRefused.
    """

    path: str
    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Sample:
    """A picture with one sharp face, which is in the model under no name.

    Attributes
    ----------
    given : Given
    sha256 : bytes
    square : ndarray of shape (size, size, 3), uint8
        What the network sees.
    quality : float
    """

    given: Given
    sha256: bytes
    square: NDArray[np.uint8]
    quality: float


def listed(pictures: Sequence[Source]) -> list[Given]:
    """List pictures, and those in folders of pictures.

    Parameters
    ----------
    pictures : sequence of Path, or of (file name, bytes)

    Returns
    -------
    list of Given

    Raises
    ------
    InputError
        If there is none.
    """
    found = [one for source in pictures for one in _listed(source)]
    if not found:
        given = [printable(str(source)) for source in pictures if isinstance(source, Path)]
        raise InputError(f"There is no picture in {', '.join(given[:3])}." if given else "No picture was given.")
    return found


def _listed(source: Source) -> Iterator[Given]:
    if isinstance(source, tuple):
        name, data = source
        yield Given(printable(escaped(name)), _file_name(name), lambda: _bytes(data))
    elif source.is_dir():
        for path, refusal in list_pictures(source):
            file = source / unescaped(path)
            yield Given(escaped(str(file)), path, lambda file=file, refusal=refusal: _file(file, refusal))  # type: ignore[misc]
    else:
        yield Given(escaped(str(source)), _file_name(source.name), lambda: picture.read(source))


def _file(file: Path, refusal: str) -> bytes:
    if refusal:
        raise PictureRefused(refusal, f"It is {picture.CODES[refusal]}.")
    return picture.read(file)


def _bytes(data: bytes) -> bytes:
    if not data:
        raise PictureRefused("empty", "The file is empty.")
    if len(data) > picture.MAX_BYTES:
        most = picture.MAX_BYTES // 1024**2
        raise PictureRefused("too_many_bytes", f"{len(data) / 1024**2:,.0f} MB; at most {most} MB are read.")
    return data


def _file_name(name: str) -> str:
    """Return the last part of a path from anywhere, as one that a gallery can keep."""
    last = printable(escaped(name.replace("\\", "/").rstrip("/").rpartition("/")[2]))[-MAX_FILE_NAME:]
    return last if last.strip(". ") else "picture"


def _known(
    one: Given, digest: bytes, there: dict[bytes, int], before: dict[bytes, str], who: int, bundle: Bundle
) -> Refused | None:
    """Refuse a picture that is the same, byte for byte, as one that is there."""
    if digest in before:
        return Refused(one.path, "copy", f"It is the same, byte for byte, as {before[digest]}, which was given too.")
    return _in_model(one, "byte for byte", "copy", there[digest], who, bundle) if digest in there else None


def _in_model(one: Given, how: str, code: str, row: int, who: int, bundle: Bundle) -> Refused:
    path, owner = printable(bundle.gallery.paths[row]), int(bundle.gallery.person[row])
    if owner == who:
        return Refused(one.path, code, f"It is in the model already, {how}, as {path}.")
    name = printable(bundle.people[owner])
    sentence = f"It is in the model, {how}, as {path}, a picture of {name}; one of the two names is wrong."
    return Refused(one.path, "of_another", sentence)


def _sample(one: Given, digest: bytes, data: bytes, finder: FaceFinder) -> Sample:
    opened = finder.open(data)
    found = finder.all_faces(opened)
    if len(found) > 1:
        raise PictureRefused("several_faces", f"It has {len(found)} faces; give pictures with one face.")
    face = found[0]
    if face.count == 0:
        raise PictureRefused("no_face", "No face was found; give pictures with one face.")
    quality = float(sharpness(_judged(opened, face, finder)[None])[0])
    if quality < SHARP:
        raise PictureRefused("blurred", f"Its sharpness is {quality:.3f}; clear faces have {SHARP} and more.")
    return Sample(one, digest, face.pixels, quality)


def _judged(opened: Opened, face: Face, finder: FaceFinder) -> NDArray[np.uint8]:
    """Cut the face at the size at which the limit of sharpness was found, in grey."""
    if not face.found:
        return grey(faces.whole(opened.full, SIDE).pixels)
    found = Detections(face.box[None], face.landmarks[None], np.array([face.score], np.float32))
    return grey(faces.cut(opened.full, found, 0, finder.step, SIDE).pixels)


def enrolled(
    given: Sequence[Given],
    name: str,
    who: int,
    encoder: Encoder,
    bundle: Bundle,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> tuple[Gallery, list[Taken], list[Refused]]:
    """Read pictures, find their faces, make their vectors, and leave out what a model should not learn from.

    Parameters
    ----------
    given : sequence of Given
    name : str
        What the person's folder is called.
    who : int
        Index of the person into the bundle's people; -1 for somebody who is new.
    encoder : Encoder
        Of the bundle's recipe.
    bundle : Bundle
    force : bool, default=False
        Take faces that look like somebody else too.
    progress : callable or None

    Returns
    -------
    gallery : Gallery
        What the model is to keep of the pictures that were taken, by path; their person is 0.
    taken : list of Taken
    refused : list of Refused
        Both in the order given.

    Raises
    ------
    InputError
        If a vector has numbers too large for a bundle.
    """
    tell = progress or (lambda what, done, total: None)
    looked = _looked(given, who, bundle, encoder.finder, lambda done: tell("pictures looked at", done, len(given)))
    found = dict(enumerate(looked))
    rows = [number for number, one in found.items() if isinstance(one, Sample)]
    samples = [one for one in found.values() if isinstance(one, Sample)]
    X = _vectors(samples, encoder, bundle)
    pixels = np.array([grey(one.square) for one in samples], np.uint8).reshape(-1, SIDE, SIDE)
    reasons = {} if force else _others(samples, X, who, bundle)
    reasons |= _near(samples, Faces(X, pixels, np.full(len(X), who)), who, bundle)
    found |= {rows[index]: reason for index, reason in reasons.items()}
    stay = [index for index in range(len(samples)) if index not in reasons]
    taken = [Taken(samples[index].given.path, round(samples[index].quality, 4)) for index in stay]
    refused = [one for one in found.values() if isinstance(one, Refused)]
    return _kept([samples[index] for index in stay], X[stay], pixels[stay], name, bundle), taken, refused


def _looked(
    given: Iterable[Given], who: int, bundle: Bundle, finder: FaceFinder, tell: Callable[[int], None]
) -> Iterator[Sample | Refused]:
    """Read pictures and look for the one face of each, in order."""
    there = {digest.tobytes(): row for row, digest in reversed(list(enumerate(bundle.gallery.sha256)))}
    before: dict[bytes, str] = {}
    for number, one in enumerate(given, 1):
        try:
            data = one.read()
            digest = hashlib.sha256(data).digest()
            known = _known(one, digest, there, before, who, bundle)
            yield known or _sample(one, digest, data, finder)
            before.setdefault(digest, one.path)
        except PictureRefused as refused:
            yield Refused(one.path, refused.code, refused.message)
        tell(number)


def _vectors(samples: Sequence[Sample], encoder: Encoder, bundle: Bundle) -> NDArray[np.float32]:
    if not samples:
        return np.empty((0, bundle.gallery.vectors.shape[1]), np.float32)
    X: NDArray[np.float32] = joined(encoder.vectors([one.square for one in samples]), bundle.layer)
    if float(np.abs(X).max()) > LARGEST:
        raise InputError(f"{bundle.layer} has numbers over {LARGEST:,.0f} here, more than a model keeps.")
    if X.shape[1] != bundle.gallery.vectors.shape[1]:
        raise RecipeMismatch(
            f"The model keeps vectors of {bundle.gallery.vectors.shape[1]} numbers, but {bundle.layer} of its recipe has "
            f"{X.shape[1]} here: one of the two was not made by that recipe."
        )
    return X


def _near(found: Sequence[Sample], mine: Faces, who: int, bundle: Bundle) -> dict[int, Refused]:
    """Refuse near copies of pictures that are there, or that were given before."""
    gallery, refused = bundle.gallery, dict[int, Refused]()
    n = len(gallery.paths)
    if not len(gallery.pixels) or not found:  # the model kept nothing that tells
        return refused
    both = Faces(
        np.concatenate([gallery.vectors, mine.vectors]),
        np.concatenate([gallery.pixels, mine.pixels]),
        np.concatenate([gallery.person, mine.person]),
    )
    for one in sorted(near_copies_between(mine, both), key=lambda near: -near.agreement):
        given = found[one.first].given
        if one.second < n:
            refused.setdefault(one.first, _in_model(given, "nearly the same", "near_copy", one.second, who, bundle))
        elif one.second - n < one.first and one.second - n not in refused:
            other = found[one.second - n].given.path
            refused.setdefault(one.first, Refused(given.path, "near_copy", f"It is nearly the same as {other}."))
    return refused


def _others(found: Sequence[Sample], X: NDArray[np.float32], who: int, bundle: Bundle) -> dict[int, Refused]:
    """Refuse faces that the model takes for somebody else."""
    limit, refused = bundle.threshold.value, dict[int, Refused]()
    if limit <= NO_THRESHOLD or not len(found):  # everybody is somebody to it
        return refused
    with np.errstate(all="ignore"):  # a model from anybody may hold numbers of any size
        cosines = similarities(bundle.unknown, X)
    for row, scores in enumerate(cosines):
        best = int(scores.argmax())
        if best != who and scores[best] >= limit:
            like = f"It looks like {printable(bundle.people[best])}: score {scores[best]:.3f}, threshold {limit:.3f}."
            refused[row] = Refused(found[row].given.path, "looks_like_another", like)
    return refused


def _kept(
    found: Sequence[Sample], X: NDArray[np.float32], pixels: NDArray[np.uint8], name: str, bundle: Bundle
) -> Gallery:
    used = set(bundle.gallery.paths)
    paths = [_free(f"{name}/{one.given.name}", used) for one in found]
    order = sorted(range(len(paths)), key=paths.__getitem__)
    return Gallery(
        vectors=X[order].astype(np.float16),
        person=np.zeros(len(order), np.int32),
        paths=tuple(paths[row] for row in order),
        sha256=np.array([list(found[row].sha256) for row in order], np.uint8).reshape(-1, 32),
        pixels=pixels[order],
    )


def _free(path: str, used: set[str]) -> str:
    """Return a path that no other picture has, and note it."""
    whole, n = PurePosixPath(path), 1
    while path in used:
        n += 1
        path = str(whole.with_name(f"{whole.stem}-{n}{whole.suffix}"))
    used.add(path)
    return path
