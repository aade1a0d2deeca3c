"""Several feature files of one recipe become one, without computing anything."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facefeat.errors import InputError, RecipeMismatch, UsageError
from facefeat.features.contents import joined
from facefeat.features.store.columns import Skipped
from facefeat.features.store.file import FeatureFile, read
from facefeat.features.store.publish import Contents, publish
from facefeat.features.store.shards import writing

_Key = tuple[bytes, int]  # SHA-256 of a picture's bytes, and the number of its augmented copy
_Row = tuple[int, str, _Key]  # which input it comes from, its person, what it is


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes
    ----------
    file : FeatureFile
        The union.
    inputs : tuple of (Path, int, int)
        Each input, its rows, and how many of them no input before it has.
    seconds : float
    """

    file: FeatureFile
    inputs: tuple[tuple[Path, int, int], ...]
    seconds: float


def merge(inputs: Sequence[str | Path], output: str | Path, *, overwrite: bool = False) -> Merged:
    """Unite the rows of several feature files.

    The same path with the same bytes is one row. Where two inputs have the same bytes, the numbers are
    those of the first. A path that is skipped in one input and a row of another is a row. A picture has all augmented
    copies that any input has of it.

    Parameters
    ----------
    inputs : sequence of path-like
        At least two feature files of one recipe.
    output : path-like
        The feature file to write; it may be one of the inputs.
    overwrite : bool, default=False
        Replace the output where it exists. Unfinished work beside it stays.

    Returns
    -------
    Merged

    Raises
    ------
    UsageError
        Fewer than two inputs, or the output exists and ``overwrite`` is off.
    InputError
        An input is missing, or a path is one picture in one input and another in another.
    RecipeMismatch
        The inputs are not of one recipe, or their augmented copies not of the same ranges.
    LockedError
        Another run is writing the output.
    DamagedFile, ForeignFile, NewerFile, StorageError
    """
    started = time.perf_counter()
    output = Path(output)
    if len(inputs) < 2:
        raise UsageError(f"At least two feature files are needed to merge; {len(inputs)} was given.")
    if output.is_dir():
        raise UsageError(f"{output} is a folder; give the name of a feature file, such as {output / 'features.h5'}.")
    with writing(output):
        if output.exists() and not overwrite:
            raise UsageError(f"{output} exists; write to another file with -o, or replace it with --overwrite.")
        files = [read(path) for path in inputs]
        _require_one_recipe(files)
        _require_one_augmentation(files)
        rows = _rows(files)
        file = publish(output, files[0].recipe, _contents(files, rows))
    sources = [source for source, _, _ in rows.values()]
    counts = ((one.path, len(one), sources.count(number)) for number, one in enumerate(files))
    return Merged(file, tuple(counts), time.perf_counter() - started)


def _require_one_recipe(files: Sequence[FeatureFile]) -> None:
    first = files[0]
    for file in files[1:]:
        if file.recipe.sha256 != first.recipe.sha256:
            raise RecipeMismatch(
                f"{file.path} is of another recipe than {first.path}: {first.recipe.difference(file.recipe)}. "
                "Only files of one recipe can be merged."
            )
        for layer in first.layers:
            here, there = file.vectors(layer), first.vectors(layer)
            if (here.dtype, here.shape[1:]) != (there.dtype, there.shape[1:]):
                raise RecipeMismatch(
                    f"{file.path} keeps {layer} as {here.shape[1]} numbers of {here.dtype}, {first.path} as "
                    f"{there.shape[1]} of {there.dtype}. Only files of the same numbers can be merged."
                )


def _require_one_augmentation(files: Sequence[FeatureFile]) -> None:
    made = [file for file in files if file.augmentation]
    for file in made[1:]:
        if file.augmentation != made[0].augmentation:
            raise RecipeMismatch(
                f"The augmented copies in {file.path} were made by other ranges than those in {made[0].path}; "
                "facefeat extract --augment makes them anew, --augment 0 takes them out."
            )


def _rows(files: Sequence[FeatureFile]) -> dict[tuple[str, int], _Row]:
    """Return all rows by path and copy, each with the first input that has it."""
    rows: dict[tuple[str, int], _Row] = {}
    for source, file in enumerate(files):
        for path, who, key in zip(file.paths, file.person, _keys(file), strict=True):
            first, _, known = rows.setdefault((path, key[1]), (source, file.people[who], key))
            if known != key:
                raise InputError(
                    f"{path} is one picture in {files[first].path} and another in {file.path}: "
                    "its bytes differ. Rename one of the two and extract it again."
                )
    return rows


def _keys(file: FeatureFile) -> Iterator[_Key]:
    return ((digest.tobytes(), int(copy)) for digest, copy in zip(file.sha256, file.copy, strict=True))


def _contents(files: Sequence[FeatureFile], rows: dict[tuple[str, int], _Row]) -> Contents:
    places: dict[_Key, tuple[int, int]] = {}
    skipped: dict[str, Skipped] = {}
    for piece, file in enumerate(files):
        for row, key in enumerate(_keys(file)):
            places.setdefault(key, (piece, row))
        for one in file.skipped:
            skipped.setdefault(one.path, one)
    taken = {path for path, _ in rows}
    return Contents.of(
        ((person, path, *places[key]) for (path, _), (_, person, key) in rows.items()),
        pieces=[file.numbers for file in files],
        skipped=(one for one in skipped.values() if one.path not in taken),
        made_by=joined([file.made_by for file in files]),
        augmentation=next((file.augmentation for file in files if file.augmentation), ""),
    )
