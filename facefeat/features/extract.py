"""The pipeline: a folder of people to a feature file, computing only what is not known yet."""

from __future__ import annotations

import shutil
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facefeat.data.augment import AUGMENTATION, Augmentation
from facefeat.data.listing import Listing
from facefeat.data.remote import list_data
from facefeat.errors import FileFormatError, RecipeMismatch, StorageError, UsageError
from facefeat.features import hashes
from facefeat.features.calibrate import calibrated
from facefeat.features.compute import NodeShare, Progress, Seconds, Task
from facefeat.features.contents import contents_of
from facefeat.features.encode import Plan, engine_for
from facefeat.features.known import Known
from facefeat.features.means import Computer, Here, Means
from facefeat.features.recipe import Recipe, canonical_json
from facefeat.features.store import durable
from facefeat.features.store.columns import Kept
from facefeat.features.store.file import FeatureFile, read, recipe_in
from facefeat.features.store.publish import Contents, publish
from facefeat.features.store.shards import Shard, WorkFolder, noted, work_folder

MOST_COPIES = 100  # of a picture


@dataclass(frozen=True)
class Extraction:
    """What an extraction did.

    Attributes
    ----------
    file : FeatureFile
    images : int
        Files found in the data set: each is a picture with its row, or is skipped.
    computed, reused, duplicates : int
        Rows made now; rows that were known already; rows that share another's bytes. Augmented copies are among them.
    pictures : int
        Pictures that were read to make rows.
    copies, lacking : int
        Rows that are augmented copies; pictures that have fewer of them than the others.
    whole : int
        Pictures in which no face was found and the whole was taken.
    ran_on : str
        Engine, device and precision in words.
    seconds : Seconds
    dataset : Listing
    nodes : tuple of NodeShare
        What each node of a cluster did; empty for a run on this machine.
    """

    file: FeatureFile
    images: int
    computed: int
    reused: int
    duplicates: int
    pictures: int
    copies: int
    lacking: int
    whole: int
    ran_on: str
    seconds: Seconds
    dataset: Listing
    nodes: tuple[NodeShare, ...] = ()


def extract(
    data: str | Path | Listing,
    output: str | Path,
    plan: Plan,
    *,
    augment: int | None = None,
    ranges: Augmentation = AUGMENTATION,
    engine: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    workers: int = 2,
    overwrite: bool = False,
    retry_skipped: bool = False,
    rehash: bool = False,
    cluster: str | None = None,
    shards: str = "auto",
    progress: Progress | None = None,
) -> Extraction:
    """Turn every picture of a folder of people into vectors, once.

    Pictures are known by their bytes: what an earlier run computed by the same recipe is not computed
    again, whatever it is called now. Finished work lies in shards beside the output; a run that was
    stopped goes on from them. The output is replaced as a whole, at the end.

    Parameters
    ----------
    data : path-like or Listing
        A folder with one subfolder a person, a tar, the address of either, or what is listed already; see
        ``facefeat.data.remote.list_data``.
    output : path-like
        The feature file.
    plan : Plan
        See ``facefeat.features.encode.plan``.
    augment : int or None
        Augmented copies of each picture, at most ``MOST_COPIES``; ``None``: as many as the output, or an unfinished
        run, has already.
    ranges : Augmentation
        Of the copies; those made by others are made anew.
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
    cluster : str or None
        ``'ray'`` or ``'ray:HOST:PORT'``: compute there; ``workers`` are then an actor's.
    shards : {'auto', 'shared', 'returned'} or address
        Whether a cluster's nodes write shards into the work folder or return them; ``'auto'``: the first where all see it.
        An address, such as ``s3://bucket/scratch``: they write them there, and they are fetched and deleted.
    progress : callable or None
        Called with what is being done, how many are done, of how many.

    Returns
    -------
    Extraction

    Raises
    ------
    UsageError
        A number of copies that cannot be.
    InputError
        No usable picture, or no folder of people.
    Unreachable, MissingExtra, MissingPackage
        Of an address; what was computed is kept.
    RecipeMismatch
        The output holds vectors of another recipe, and ``overwrite`` is off.
    LockedError
        Another run is writing the same output.
    StorageError, DamagedFile, ForeignFile, NewerFile, MissingExtra
    """
    started, workers = time.perf_counter(), max(workers, 1)
    output = Path(output)
    _check_copies(augment)
    dataset = data if isinstance(data, Listing) else list_data(data)
    seconds = Seconds()
    tell = progress or (lambda what, done, total: None)
    plan = _settled(plan, engine, precision, dataset, output, workers, tell)
    folder = WorkFolder(output, plan.recipe)
    means = Means(dataset, plan, engine, precision, batch_size, workers, ranges)
    with folder.held(anew=overwrite), _computer(means, output, cluster, shards, tell) as computer:
        before = _published(output, plan.recipe, overwrite)
        known = _known(before, folder, ranges, retry_skipped, tell)
        each = known.most if augment is None else augment
        digests = _hashed(dataset, workers, rehash, tell, seconds)
        n_known = len(known)
        todo = array("q", (index for index in _unique(digests) if known.lacking(digests[index], each)))
        n_rows = sum(len(known.lacking(digests[index], each)) for index in todo)
        if todo:
            computer.compute(
                (Task(dataset.entries[i].path, digests[i], known.lacking(digests[i], each)) for i in todo),
                len(todo),
                folder,
                lambda shard: _keep(shard, folder, known, seconds, len(todo), n_rows),
                seconds,
                tell,
            )
        contents = contents_of(dataset, digests, known, each)
        file = _published_anew(output, plan.recipe, contents, before, seconds)
        folder.clear()
    seconds.total = time.perf_counter() - started
    made = len(known) - n_known
    return _extraction(file, dataset, contents, known, made=made, each=each, computer=computer, seconds=seconds)


@contextmanager
def _computer(means: Means, output: Path, cluster: str | None, shards: str, tell: Progress) -> Iterator[Computer]:
    """Make ready what computes: this machine, or a cluster that was looked at."""
    if cluster is None:
        yield Here(means)
        return
    from facefeat.features.cluster.driver import opened

    with opened(cluster, means, output, shards, tell) as found:
        yield found


def _check_copies(augment: int | None) -> None:
    if augment is not None and not 0 <= augment <= MOST_COPIES:
        raise UsageError(f"--augment takes 0 to {MOST_COPIES} copies of each picture; {augment} was given.")


def _extraction(
    file: FeatureFile,
    dataset: Listing,
    contents: Contents,
    known: Known,
    *,
    made: int,
    each: int,
    computer: Computer,
    seconds: Seconds,
) -> Extraction:
    """Count what an extraction did."""
    different = len(np.unique(contents.piece << 32 | contents.row))
    copies, pictures = len(file) - file.n_pictures, file.original
    n_each = np.bincount(np.cumsum(pictures) - 1) - 1
    return Extraction(
        file=file,
        images=len(dataset.entries),
        computed=made,
        reused=different - made,
        duplicates=len(file) - different,
        pictures=known.pictures,
        copies=copies,
        lacking=int(np.sum(n_each < each)),
        whole=int(np.sum(~file.found & pictures)) if file.recipe.faces.detector != "none" else 0,
        ran_on=computer.ran_on or file.ran_on,
        seconds=seconds,
        dataset=dataset,
        nodes=computer.nodes,
    )


def _settled(
    plan: Plan, engine: str, precision: str, dataset: Listing, output: Path, workers: int, tell: Progress
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
    pictures = [(dataset.entries[index].path, digests[index]) for index in _unique(digests)]
    return calibrated(plan, pictures, dataset.read, workers)


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


def _known(before: FeatureFile | None, folder: WorkFolder, ranges: Augmentation, retry: bool, tell: Progress) -> Known:
    known = Known(canonical_json(ranges.as_dict()))
    if before is not None:
        known.add_file(before, retry=retry)
    for shard in folder.shards():
        known.add_shard(shard, retry=retry)
    if damaged := len(list(folder.path.glob("*.bad"))):
        these = "1 damaged shard is" if damaged == 1 else f"{damaged} damaged shards are"
        tell(f"{these} set aside in {folder.path}; what was in it is computed again", 0, 0)
    return known


def _hashed(dataset: Listing, workers: int, rehash: bool, tell: Progress, seconds: Seconds) -> list[bytes]:
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


def _keep(kept: Shard, folder: WorkFolder, known: Known, seconds: Seconds, todo: int, n_rows: int) -> None:
    started = time.perf_counter()
    known.add_shard(kept)
    done = len(np.unique(kept.columns["images/sha256"], axis=0))
    known.pictures += done
    known.tried += done + len(kept.skipped)
    if known.tried < todo:
        left = n_rows * (todo - known.tried) // todo
        _require_space(folder.output, kept.columns, left, len(known))
    seconds.write += time.perf_counter() - started


def _require_space(output: Path, columns: Kept, left: int, kept: int) -> None:
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
        (before.people, before.augmentation) == (contents.people, contents.augmentation)
        and list(before.paths) == list(contents.paths)
        and np.array_equal(before.person, contents.person)
        and before.skipped == tuple(contents.skipped)
        and all(
            np.array_equal(contents.pieces[piece]["images/sha256"][row], digest)
            for piece, row, digest in zip(contents.piece, contents.row, before.sha256, strict=True)
        )
    )
