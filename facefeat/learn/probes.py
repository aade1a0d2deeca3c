"""The pictures of an evaluation: known people, strangers, and the model that is to tell them apart."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from facefeat.data.folder import DataSet, escaped, list_people, list_strangers
from facefeat.data.layout import GALLERY, PROBE, UNKNOWN, Layout, read_layout
from facefeat.errors import InputError
from facefeat.features.compute import Progress
from facefeat.features.encode import plan_of
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn.bundle import Bundle
from facefeat.learn.evaluation import Enrolled


@dataclass(frozen=True)
class Part:
    """The vectors of one folder or feature file.

    Attributes
    ----------
    file : FeatureFile
    place : str
        What stands before its paths, with a slash at its end.
    dataset : DataSet or None
        The folder; ``None`` for a feature file.
    """

    file: FeatureFile
    place: str = ""
    dataset: DataSet | None = None


@dataclass(frozen=True)
class Probes:
    """What a model is evaluated on.

    Attributes
    ----------
    bundle : Bundle
        The model, or what was fitted anew on a gallery.
    known : Part
        People who may be known to it; the others are strangers.
    strangers : tuple of Part
        People of whom it is said that they are strangers.
    enrolled : Enrolled or None
    notes : tuple of str
    """

    bundle: Bundle
    known: Part
    strangers: tuple[Part, ...] = ()
    enrolled: Enrolled | None = None
    notes: tuple[str, ...] = ()


Source = DataSet | Path  # a folder that was listed, or a feature file


@contextmanager
def opened(
    bundle: Bundle,
    data: str | Path,
    unknown: str | Path | None = None,
    *,
    engine: str = "auto",
    precision: str = "auto",
    workers: int = 2,
    weights: str | None = None,
    detector: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Probes]:
    """Read what a model is to be evaluated on, for as long as its vectors are needed.

    Parameters and errors are those of ``facefeat.learn.evaluate.evaluate``. All folders are listed before anything is
    computed, so that what is missing is said at once.
    """
    layout = read_layout(data) if Path(data).is_dir() else None
    strange = _strangers(layout, unknown)
    people = _people(layout, data)
    tell = progress or (lambda what, done, total: None)
    with tempfile.TemporaryDirectory(prefix="facefeat-") as folder:
        numbers = count()

        def part(source: Source, place: str) -> Part:
            if isinstance(source, Path):
                return _of_file(source, bundle, place)
            if place:
                tell(f"Vectors of {place}", 0, 0)
            made = extract(
                source,
                Path(folder) / f"{next(numbers)}.h5",
                plan_of(bundle.recipe, weights, detector),
                engine=engine,
                precision=precision,
                workers=workers,
                progress=progress,
            )
            return Part(made.file, place, source)

        strangers = tuple(part(*one) for one in strange)
        known = part(*people)
        notes = _left_out(known)
        if layout is None or layout.gallery is None:
            yield Probes(bundle, known, strangers, notes=notes)
            return
        gallery = part(layout.gallery, f"{GALLERY}/")
        anew = _fitted(bundle, gallery.file, Path(folder) / "model.facefeat", workers, progress)
        skipped = len(gallery.file.skipped)
        enrolled = Enrolled(layout.gallery.root, len(anew.people), len(gallery.file), skipped)
        yield Probes(anew, known, strangers, enrolled, (*_left_out(gallery), *notes))


def _strangers(layout: Layout | None, unknown: str | Path | None) -> list[tuple[Source, str]]:
    found: list[tuple[Source, str]] = []
    if layout and layout.unknown:
        found.append((layout.unknown, f"{UNKNOWN}/"))
    if unknown is not None and Path(unknown).is_file():
        found.append((Path(unknown), ""))
    elif unknown is not None:
        found.append((list_strangers(unknown), f"{escaped(str(unknown)).rstrip('/')}/"))
    return found


def _people(layout: Layout | None, data: str | Path) -> tuple[Source, str]:
    if layout:
        return layout.probe, f"{PROBE}/"
    return (list_people(data) if Path(data).is_dir() else Path(data)), ""


def _of_file(path: Path, bundle: Bundle, place: str) -> Part:
    file = read(path)
    bundle.recipe.require(file.recipe, str(path))
    if not len(file):
        raise InputError(f"{path} holds no vectors; make it anew with: facefeat extract DATA -o {path}")
    return Part(file.originals(), place)


def _fitted(bundle: Bundle, file: FeatureFile, output: Path, workers: int, progress: Progress | None) -> Bundle:
    """Fit a model's head with its knobs, on its layer and for its share of strangers, on other people."""
    from facefeat.learn.fit import fit

    return fit(
        file,
        output,
        head=bundle.head,
        layer=bundle.layer,
        params=bundle.params,
        fpir=bundle.threshold.fpir,
        workers=workers,
        progress=progress,
    ).bundle


def _left_out(part: Part) -> tuple[str, ...]:
    """Say which pictures and folders of a data set are of nobody."""
    dataset, notes = part.dataset, []
    if dataset and dataset.loose:
        notes.append(f"Left out, as they lie beside the people's folders: {_some(dataset.loose, part.place)}.")
    if dataset and dataset.linked:
        notes.append(f"Left out, as they are links to folders: {_some(dataset.linked, part.place)}.")
    return tuple(notes)


def _some(names: tuple[str, ...], place: str) -> str:
    return ", ".join(f"{place}{name}" for name in names[:3]) + (" ..." if len(names) > 3 else "")
