"""A model as a file for other programs: from an aligned face to named scores, run and compared before it is reported."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefeat.data.faces import FaceStep
from facefeat.data.folder import list_people
from facefeat.errors import DamagedFile, ExportDiffers, InputError, PictureRefused, StorageError, UsageError
from facefeat.features.encode import Encoder, Plan, engine_for, plan_of
from facefeat.features.layers import joined
from facefeat.features.store import durable
from facefeat.learn import bundle as bundles
from facefeat.learn.bundle import Bundle
from facefeat.learn.search import take_index
from facefeat.tune import described, formats, network
from facefeat.tune.agreement import Agreement, answers
from facefeat.tune.formats import Format, Predict

N_SQUARES = 25  # made up, on which every export is compared
N_TRAINED = 32  # of the model's own faces, where it keeps them
BATCH = 8

Progress = Callable[[str, int, int], None]
Squares = NDArray[np.uint8]


@dataclass(frozen=True)
class Exported:
    """A model that was exported.

    Attributes
    ----------
    bundle : Bundle
    format : Format
    files : tuple of Path
        The first is the one to open.
    bytes : int
        Of all files.
    document : dict
        What they say of themselves; see ``facefeat.tune.described``.
    agreement : Agreement
    n_trained : int
        Of the faces that were compared those that trained the model, which it keeps small and grey.
    n_pictures : int
        And those of photographs; the others are made up.
    skipped : int
        Photographs that could not be read.
    seconds : float
    """

    bundle: Bundle
    format: Format
    files: tuple[Path, ...]
    bytes: int
    document: dict[str, object]
    agreement: Agreement
    n_trained: int
    n_pictures: int
    skipped: int
    seconds: float


def export(
    model: str | Path,
    output: str | Path | None = None,
    *,
    format: str | None = None,
    data: str | Path | None = None,
    weights: str | None = None,
    detector: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Exported:
    """Write a model for other programs, and compare what they get from it with what the model says.

    Parameters
    ----------
    model : path-like
    output : path-like, optional
        Unless given, the model's name with the format's suffix, beside it.
    format : str, optional
        One of ``facefeat.tune.formats.FORMATS``; unless given, that of the output's suffix.
    data : path-like, optional
        A folder of people, on whose faces it is compared too.
    weights : str or None
        The weights file, for a model whose vectors were made with a user's own.
    detector : Path or None
        The detector's file, likewise; only with ``data``.
    progress : callable
        Takes what is done, how far, and of how many.

    Returns
    -------
    Exported

    Raises
    ------
    UsageError
        For an unknown format, or a model that cannot be written in layers.
    MissingExtra, InputError, FileFormatError, StorageError
    ExportDiffers
        If what was exported gives other answers; nothing is written.
    """
    started, model = time.monotonic(), Path(model)
    chosen, path = _chosen(model, output, format)
    bundle = bundles.read(model)
    network.check(bundle)
    for estimator in (bundle.estimator, bundle.unknown):  # what is written looks at all rows
        take_index(estimator)
    chosen.require()
    with durable.storage_errors(path):  # before all the work, where it would fail after it
        durable.make_folder(path.parent)
    plan = plan_of(bundle.recipe, weights, detector)
    document = described.describe(bundle, _sha256(model))
    agreement, counted = Agreement(chosen.tolerance), _Counted()
    with _scratch() as folder:
        progress(f"Writing {chosen.title}", 0, 0)
        made = folder / f"{path.stem}{chosen.suffixes[0]}"
        predict = _written(chosen, network.build(bundle, plan), made, described.written(document))
        progress("Comparing it with the model", 0, 0)
        encoder, known = _encoder(plan, data is not None), _trained(bundle)
        for squares in chain(_known(bundle.recipe.input_size, known), _found(encoder, data, counted, progress)):
            vectors = joined(encoder.vectors(list(squares)), bundle.layer)
            agreement.add(bundle, predict(squares), answers(bundle, vectors))
        if not agreement.holds:
            raise _differs(chosen, agreement)
        files, size = _published(chosen, made, path)
    seconds, counts = time.monotonic() - started, (len(known), counted.read, counted.skipped)
    return Exported(bundle, chosen, files, size, document, agreement, *counts, seconds)


@dataclass
class _Counted:
    read: int = 0
    skipped: int = 0


def _chosen(model: Path, output: str | Path | None, name: str | None) -> tuple[Format, Path]:
    """Choose the format and the file, by what was said of either."""
    by_suffix = {one.suffixes[0]: one for one in formats.FORMATS.values()}
    if name is None:
        chosen = by_suffix.get(Path(output).suffix.lower()) if output is not None else None
        if chosen is None:
            raise UsageError(f"Say which format to write, with --format: {', '.join(formats.FORMATS)}.")
    else:
        chosen = formats.get(name)
    path = Path(output) if output is not None else model.with_suffix(chosen.suffixes[0])
    if path.suffix.lower() != chosen.suffixes[0]:
        raise UsageError(f"A file of {chosen.title} ends in {chosen.suffixes[0]}; '{path.name}' was given.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; a file to write is expected.")
    return chosen, path


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder for files that nobody has tried yet."""
    with durable.storage_errors(Path(tempfile.gettempdir())):
        scratch = tempfile.TemporaryDirectory(prefix="facefeat-")
    with scratch as folder:
        yield Path(folder)


def _written(chosen: Format, network: object, path: Path, document: str) -> Predict:
    """Write a network, and read it back by the format's own runtime."""
    try:
        with durable.storage_errors(path):
            chosen.write(network, path, document)
    except RuntimeError as error:
        if "iostream" not in str(error):  # what OpenVINO says where the disk is full
            raise
        raise StorageError(f"There is no space left in {path.parent}; free some, or set TMPDIR.") from error
    said, predict = chosen.load(path)
    if said != document:
        raise DamagedFile(f"{chosen.title} does not hold what it was given: its description reads back as another.")
    return predict


def _encoder(plan: Plan, with_faces: bool) -> Encoder:
    """Make the model's own network ready in float32, and its detector only where faces are to be found."""
    recipe = plan.recipe if with_faces else replace(plan.recipe, faces=FaceStep())
    return Encoder(replace(plan, recipe=recipe), engine_for(recipe, precision="float32"), BATCH)


def _trained(bundle: Bundle) -> Squares:
    """Return some of the model's own faces, of all its people if there are not too many."""
    from PIL import Image

    kept, size = bundle.gallery.pixels, bundle.recipe.input_size
    some = np.unique(np.linspace(0, len(kept) - 1, min(N_TRAINED, len(kept))).round().astype(np.int64))
    squares = np.empty((len(some), size, size, 3), np.uint8)
    for square, index in zip(squares, some, strict=True):
        face = Image.fromarray(kept[index]).resize((size, size), Image.Resampling.BICUBIC)
        square[:] = np.asarray(face)[:, :, None]
    return squares


def _known(size: int, trained: Squares) -> Iterator[Squares]:
    """Yield what needs no photographs, a few at a time."""
    squares = np.concatenate([made_up(size), trained])
    yield squares[:1]  # formats may treat a single face in another way
    for start in range(1, len(squares), BATCH):
        yield squares[start : start + BATCH]


def _found(encoder: Encoder, data: str | Path | None, counted: _Counted, progress: Progress) -> Iterator[Squares]:
    """Yield the faces of photographs, a few at a time."""
    if data is None:
        return
    pictures, faces = list_people(data), []
    for number, entry in enumerate(pictures.entries):
        progress("Comparing it with the model", number, len(pictures.entries))
        try:
            opened = encoder.finder.open(pictures.read(entry.path))
            face = encoder.finder.faces([opened])[0]
        except PictureRefused as refused:
            face = refused
        if isinstance(face, PictureRefused):
            counted.skipped += 1
            continue
        counted.read += 1
        faces.append(face.pixels)
        if len(faces) == BATCH:
            yield np.stack(faces)
            faces = []
    if faces:
        yield np.stack(faces)
    if not counted.read:
        raise InputError(f"None of the {len(pictures.entries):,} files of {data} shows a face that can be compared.")


def made_up(size: int, n: int = N_SQUARES, seed: int = 0) -> Squares:
    """Make squares of smooth patterns under noise; the same arguments give the same.

    Parameters
    ----------
    size : int
        Pixels.
    n : int, default=25
    seed : int, default=0

    Returns
    -------
    ndarray of shape (n, size, size, 3), uint8
    """
    from PIL import Image

    rng = np.random.default_rng(seed)
    squares = np.empty((n, size, size, 3), np.uint8)
    for square in squares:
        pattern = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        smooth = np.asarray(pattern.resize((size, size), Image.Resampling.BICUBIC), np.float64)
        square[:] = np.clip(smooth + rng.normal(0, rng.uniform(0, 40), smooth.shape), 0, 255)
    return squares


def _differs(chosen: Format, found: Agreement) -> ExportDiffers:
    faces = f"{found.renamed} of {found.n_faces} faces get another name" if found.renamed else "all names are the same"
    return ExportDiffers(
        f"What was written as {chosen.title} gives other scores than the model, by up to {found.max_difference:.2g} where "
        f"{found.tolerance:.2g} is allowed, and {faces}; so it was not kept. Try another --format, and report this."
    )


def _published(chosen: Format, made: Path, path: Path) -> tuple[tuple[Path, ...], int]:
    """Give finished files their good names, together: at no moment does one of another export lie beside one of this."""
    files = tuple(path.with_suffix(suffix) for suffix in chosen.suffixes)
    total = 0
    with durable.storage_errors(path), ExitStack() as renamed:  # which renames the last first
        durable.make_folder(path.parent)
        handles = [renamed.enter_context(durable.beside(file))[0] for file in files]
        for file, handle in zip(files, handles, strict=True):
            data = made.with_suffix(file.suffix).read_bytes()
            durable.write_all(handle, data)
            os.fsync(handle)
            total += len(data)
        if len(files) > 1:
            path.unlink(missing_ok=True)
    return files, total


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
