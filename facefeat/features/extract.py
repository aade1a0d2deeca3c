"""The pipeline: a folder of people to a feature file, computing only what is not known yet."""

from __future__ import annotations

import json
import shutil
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from facefeat.data import picture
from facefeat.data.folder import DataSet, Entry, list_people
from facefeat.engines.network import describe
from facefeat.errors import FileFormatError, InputError, PictureRefused, RecipeMismatch, StorageError
from facefeat.features import hashes
from facefeat.features.calibrate import calibrated
from facefeat.features.compute import Seconds, compute
from facefeat.features.encode import Encoder, Plan, engine_for
from facefeat.features.recipe import Recipe
from facefeat.features.store import durable, sealed
from facefeat.features.store.columns import Columns, Skipped
from facefeat.features.store.file import FeatureFile, read, recipe_in
from facefeat.features.store.publish import Contents, publish
from facefeat.features.store.shards import Shard, WorkFolder, noted, work_folder

# What is being done, how many are done, of how many; of 0: a message.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Extraction:
    """What an extraction did.

    Attributes
    ----------
    file : FeatureFile
    images : int
        Files found in the data set: each is a row or is skipped.
    computed, reused, duplicates : int
        Vectors made now; rows that were known already; rows that share another's bytes.
    whole : int
        Rows where no face was found and the whole picture was taken.
    ran_on : str
        Engine, device and precision in words.
    seconds : Seconds
    dataset : DataSet
    """

    file: FeatureFile
    images: int
    computed: int
    reused: int
    duplicates: int
    whole: int
    ran_on: str
    seconds: Seconds
    dataset: DataSet


@dataclass
class _Known:
    """Where the numbers of each picture's bytes lie."""

    pieces: list[Columns] = field(default_factory=list)
    places: dict[bytes, int] = field(default_factory=dict)  # one number takes least memory
    refused: dict[bytes, Skipped] = field(default_factory=dict)
    makers: list[dict[str, Any]] = field(default_factory=list)
    tried: int = 0  # pictures of this run that are in shards

    def add(self, columns: Columns, maker: dict[str, Any]) -> None:
        index = len(self.pieces)
        self.pieces.append(columns)
        for row, digest in enumerate(columns["images/sha256"]):
            self.places.setdefault(digest.tobytes(), index << 32 | row)
        sealed.release(columns["images/sha256"])
        if maker not in self.makers:
            self.makers.append(maker)

    def refuse(self, skipped: Sequence[Skipped]) -> None:
        """Remember refusals that are about the bytes alone."""
        told = ((one.sha256, one) for one in skipped if any(one.sha256) and one.code in picture.OF_THE_BYTES)
        self.refused.update(told)

    def place(self, digest: bytes) -> tuple[int, int]:
        """Return the piece and the row in it."""
        place = self.places[digest]
        return place >> 32, place & 0xFFFFFFFF

    def __contains__(self, digest: bytes) -> bool:
        return digest in self.places or digest in self.refused


def extract(
    data: str | Path | DataSet,
    output: str | Path,
    plan: Plan,
    *,
    engine: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    workers: int = 2,
    overwrite: bool = False,
    retry_skipped: bool = False,
    rehash: bool = False,
    progress: Progress | None = None,
) -> Extraction:
    """Turn every picture of a folder of people into vectors, once.

    Pictures are known by their bytes: what an earlier run computed by the same recipe is not computed
    again, whatever it is called now. Finished work lies in shards beside the output; a run that was
    stopped goes on from them. The output is replaced as a whole, at the end.

    Parameters
    ----------
    data : path-like or DataSet
        One subfolder a person; or what is listed already.
    output : path-like
        The feature file.
    plan : Plan
        See ``facefeat.features.encode.plan``.
    engine, precision : str
        See ``facefeat.engines.choose.choose``. ``'int8'`` makes the recipe one of int8, calibrated on this data set
        unless the output, or an unfinished run, has a calibration already.
    batch_size : int or None
        See ``facefeat.features.encode.Encoder``.
    workers : int, default=2
        Threads that compute: at most as many cores are busy.
    overwrite : bool, default=False
        Replace a feature file of another recipe, or one that is damaged.
    retry_skipped : bool, default=False
        Try again what was skipped before, though its bytes are the same.
    rehash : bool, default=False
        Read every picture, also those whose file looks as it did when it was last hashed.
    progress : callable or None
        Called with what is being done, how many are done, of how many.

    Returns
    -------
    Extraction

    Raises
    ------
    InputError
        No usable picture, or no folder of people.
    RecipeMismatch
        The output holds vectors of another recipe, and ``overwrite`` is off.
    LockedError
        Another run is writing the same output.
    StorageError, DamagedFile, ForeignFile, NewerFile
    """
    started, workers = time.perf_counter(), max(workers, 1)
    output = Path(output)
    dataset = data if isinstance(data, DataSet) else list_people(data)
    seconds = Seconds()
    tell = progress or (lambda what, done, total: None)
    plan = _settled(plan, engine, precision, dataset, output, workers, tell)
    folder = WorkFolder(output, plan.recipe)
    with folder.held(anew=overwrite):
        before = _published(output, plan.recipe, overwrite)
        known = _known(before, folder, retry_skipped, tell)
        digests = _hashed(dataset, workers, rehash, tell, seconds)
        n_known = len(known.places)
        todo = array("q", (index for index in _unique(digests) if digests[index] not in known))
        ran_on = ""
        if todo:
            device = engine_for(plan.recipe, engine, precision, threads=workers, streams=workers)
            ran_on = describe(device)
            tell(f"Vectors are computed by {ran_on}", 0, 0)
            compute(
                ((dataset.entries[index].path, digests[index]) for index in todo),
                dataset.file,
                Encoder(plan, device, batch_size),
                lambda shard: _keep(shard, folder, known, seconds, len(todo)),
                workers=workers,
                seconds=seconds,
                tell=lambda done: tell("faces and vectors", done, len(todo)),
            )
        contents = _contents(dataset, digests, known)
        file = _published_anew(output, plan.recipe, contents, before, seconds)
        folder.clear()
    seconds.total = time.perf_counter() - started
    computed = len(known.places) - n_known
    unique = len({digest for entry, digest in zip(dataset.entries, digests, strict=True) if digest in known.places})
    return Extraction(
        file=file,
        images=len(dataset.entries),
        computed=computed,
        reused=unique - computed,
        duplicates=len(file) - unique,
        whole=int(np.sum(~file.found)) if file.recipe.faces.detector != "none" else 0,
        ran_on=ran_on or file.ran_on,
        seconds=seconds,
        dataset=dataset,
    )


def _settled(
    plan: Plan, engine: str, precision: str, dataset: DataSet, output: Path, workers: int, tell: Progress
) -> Plan:
    """Fill in what a recipe does not say before pictures are seen: from an earlier run, else anew."""
    if precision == "int8":
        plan = replace(plan, recipe=replace(plan.recipe, numerics="int8"))
    for known in (recipe_in(output), noted(work_folder(output) / "recipe.json")):
        if known is not None and plan.recipe.continues(known):
            return replace(plan, recipe=known)
    if plan.recipe.numerics != "int8" or plan.recipe.calibration is not None:
        return plan
    engine_for(plan.recipe, engine, precision)  # one that cannot is refused before any work
    tell("int8 is calibrated on faces of this data set", 0, 0)
    digests = hashes.of_all(dataset, workers=workers)
    files = [(dataset.file(dataset.entries[index].path), digests[index]) for index in _unique(digests)]
    return calibrated(plan, files, workers)


def _published(output: Path, recipe: Recipe, overwrite: bool) -> FeatureFile | None:
    """Read the output of an earlier run, if it can be added to."""
    if not output.exists():
        return None
    try:
        before = read(output)
        if before.recipe.sha256 != recipe.sha256:
            raise RecipeMismatch(
                f"{output} holds vectors of another recipe: {recipe.difference(before.recipe)}. "
                "Write to another file with -o, or replace it with --overwrite."
            )
    except FileFormatError:
        if overwrite:
            return None
        raise
    return before


def _known(before: FeatureFile | None, folder: WorkFolder, retry: bool, tell: Progress) -> _Known:
    known = _Known()
    if before is not None:
        known.add(before.numbers, before.made_by)
        known.refuse(() if retry else before.skipped)
    for shard in folder.shards():
        known.add(shard.columns, json.loads(shard.made_by))
        known.refuse(() if retry else shard.skipped)
    if damaged := len(list(folder.path.glob("*.bad"))):
        these = "1 damaged shard is" if damaged == 1 else f"{damaged} damaged shards are"
        tell(f"{these} set aside in {folder.path}; what was in it is computed again", 0, 0)
    return known


def _hashed(dataset: DataSet, workers: int, rehash: bool, tell: Progress, seconds: Seconds) -> list[bytes]:
    started = time.perf_counter()
    digests = hashes.of_all(
        dataset, workers=workers, rehash=rehash, tell=lambda done, total: tell("reading", done, total)
    )
    seconds.decode += time.perf_counter() - started
    return digests


def _unique(digests: Sequence[bytes]) -> Iterator[int]:
    """Yield where each content comes first, in order."""
    seen = {hashes.UNREADABLE}
    for index, digest in enumerate(digests):
        if digest not in seen:
            seen.add(digest)
            yield index


def _keep(shard: Shard, folder: WorkFolder, known: _Known, seconds: Seconds, todo: int) -> None:
    started = time.perf_counter()
    kept = folder.add(shard)  # mapped from the disk: memory does not grow with the pictures
    known.add(kept.columns, json.loads(kept.made_by))
    known.refuse(kept.skipped)
    known.tried += len(kept.columns["images/sha256"]) + len(kept.skipped)
    if known.tried < todo:
        _require_space(folder.output, kept.columns, todo - known.tried, len(known.places))
    seconds.write += time.perf_counter() - started


def _require_space(output: Path, columns: Columns, left: int, kept: int) -> None:
    """Stop early where the disk will not hold the shards that are left and the file made of all rows.

    Raises
    ------
    StorageError
    """
    n = len(columns["images/sha256"])
    a_row = sum(column.nbytes for column in columns.values()) / n if n else 0
    needed = (2 * left + kept) * a_row
    with durable.storage_errors(output):
        free = shutil.disk_usage(output.parent).free
    if free < needed:
        raise StorageError(
            f"About {needed / 1e6:,.0f} MB more are needed in {output.absolute().parent}, and {free / 1e6:,.0f} MB are "
            "free; free some and run the same again: what is computed is kept."
        )


def _contents(dataset: DataSet, digests: Sequence[bytes], known: _Known) -> Contents:
    """Decide for each entry: a row, or skipped."""
    skipped = [
        _skipped(dataset, entry, digest, known)
        for entry, digest in zip(dataset.entries, digests, strict=True)
        if digest not in known.places
    ]
    if len(skipped) == len(digests):
        first = skipped[0]
        raise InputError(
            f"None of the {len(skipped)} files in {dataset.root} is a usable picture; the first, {first.path}: {first.message}"
        )
    rows = (
        (dataset.people[entry.person], entry.path, *known.place(digest))
        for entry, digest in zip(dataset.entries, digests, strict=True)
        if digest in known.places
    )
    return Contents.of(rows, known.pieces, skipped, joined(known.makers))


def _skipped(dataset: DataSet, entry: Entry, digest: bytes, known: _Known) -> Skipped:
    """Say why an entry is no row."""
    if entry.refusal:
        return Skipped(entry.path, digest, entry.refusal, picture.CODES[entry.refusal].capitalize() + ".")
    if digest in known.refused:
        one = known.refused[digest]
        return Skipped(entry.path, digest, one.code, one.message)
    try:
        picture.read(dataset.file(entry.path))
    except PictureRefused as refused:
        return Skipped(entry.path, digest, refused.code, refused.message)
    return Skipped(entry.path, digest, "changed", "The file changed while it was read.")


def _published_anew(
    output: Path, recipe: Recipe, contents: Contents, before: FeatureFile | None, seconds: Seconds
) -> FeatureFile:
    """Publish, unless what is there says the same already."""
    if before is not None and _says_the_same(before, contents):
        return before
    started = time.perf_counter()
    file = publish(output, recipe, contents)
    seconds.write += time.perf_counter() - started
    return file


def _says_the_same(before: FeatureFile, contents: Contents) -> bool:
    return (
        before.people == contents.people
        and list(before.paths) == list(contents.paths)
        and np.array_equal(before.person, contents.person)
        and before.skipped == tuple(contents.skipped)
        and all(
            np.array_equal(contents.pieces[piece]["images/sha256"][row], digest)
            for piece, row, digest in zip(contents.piece, contents.row, before.sha256, strict=True)
        )
    )


def joined(makers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Describe all that made the rows of one file: the last, with whatever others there were beside it."""
    flat: list[dict[str, Any]] = []
    for maker in makers:
        for one in (*maker.get("others", ()), {name: value for name, value in maker.items() if name != "others"}):
            flat = [known for known in flat if known != one] + [one]
    return {**flat[-1], "others": flat[:-1]} if flat[1:] else flat[0]
