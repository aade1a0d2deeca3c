"""What runs on a node: a look at it before any work, and the actor that takes pictures to shards."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facefeat import errors
from facefeat.data.listing import Listing, Where
from facefeat.engines.network import describe
from facefeat.errors import FacefeatError, PictureRefused, StorageError
from facefeat.features.cluster.job import Job, list_from_json
from facefeat.features.compute import Seconds, Task, compute
from facefeat.features.encode import Encoder, engine_for, plan_of
from facefeat.features.hashes import UNREADABLE
from facefeat.features.store import durable
from facefeat.features.store.shards import Shard, packed, work_folder

MOST_ATTEMPTS = 5  # at a list whose actor or node is lost

Batch = dict[str, list[Any]]
Told = tuple[str, str]  # the kind of an error of facefeat's, and its sentence


Seen = dict[str, tuple[Where, bytes]]  # of some pictures, what reading them takes, and their SHA-256


def look(job: Job, seen: Seen, token: str) -> tuple[Told | None, list[str], bool]:
    """Look at a node.

    Parameters
    ----------
    job : Job
    seen : dict of str to (where, bytes)
        SHA-256 of some of the data set's pictures, by their paths, and what reading them takes; see ``Listing.where``.
    token : str
        Name of a file in the work folder; one that begins so is written where shards go, if that is an address.

    Returns
    -------
    error : (str, str) or None
        Why the recipe cannot be computed here, pictures not be read, or shards not be written.
    missing : list of str
        Pictures that are not here, or others.
    shared : bool
        Whether the work folder is the driver's.
    """
    error, missing = None, list[str]()
    try:
        plan_of(job.recipe, job.weights, Path(job.detector) if job.detector else None)
        engine_for(job.recipe, job.engine, job.precision)
        if not seen:
            job.dataset.check()
        missing = [path for path, (where, digest) in seen.items() if _digest(job.dataset, path, where) != digest]
        if job.scratch:
            import ray

            node = ray.get_runtime_context().get_node_id()
            job.scratch.put(mark_of(token, node), node.encode())
    except FacefeatError as found:
        error = told(found)
    return error, missing, (work_folder(Path(job.output)) / token).is_file()


def mark_of(token: str, node: str) -> str:
    """Return the name of the file that a node writes, while it is looked at, where shards are to go."""
    return f"{token}.{node}"


def _digest(dataset: Listing, path: str, where: Where) -> bytes:
    try:
        return hashlib.sha256(_read(dataset, path, where)).digest()
    except PictureRefused:
        return UNREADABLE


def _read(dataset: Listing, path: str, where: Where) -> bytes:
    """Read a picture; where that is because none can be read here any more, the run is to end: others may still read them.

    Raises
    ------
    PictureRefused, InputError, Unreachable
    """
    try:
        return dataset.read_at(path, where)
    except PictureRefused as refused:
        if refused.code == "unreadable":
            dataset.check()
        raise


class Attempts:
    """An actor beside the driver that counts how often each list was begun: Ray itself would begin without end."""

    def __init__(self) -> None:
        self._begun: Counter[bytes] = Counter()

    def begin(self, which: bytes) -> int:
        """Return how often a list was begun before."""
        self._begun[which] += 1
        return self._begun[which] - 1


class Worker:
    """An actor: the network, loaded once.

    Parameters
    ----------
    job : Job
    attempts : actor
        ``Attempts``.
    """

    def __init__(self, job: Job, attempts: Any) -> None:
        import ray

        self.job, self._attempts = job, attempts
        self.node = ray.get_runtime_context().get_node_id()
        plan = plan_of(job.recipe, job.weights, Path(job.detector) if job.detector else None)
        engine = engine_for(job.recipe, job.engine, job.precision, threads=job.cores, streams=job.cores)
        self.ran_on, self.encoder = describe(engine), Encoder(plan, engine, job.batch_size)

    def __call__(self, batch: Batch) -> Batch:
        """Take the pictures of a list to shards.

        Parameters
        ----------
        batch : dict
            ``tasks``: one list, as ``list_to_json`` writes it.

        Returns
        -------
        dict
            One row. ``told``: JSON of the node, its seconds, and of each shard the name, SHA-256 and size, or an error.
            ``shards``: their bytes, one after the other, where they are returned.
        """
        result, shards = self._result(*list_from_json(batch["tasks"][0]))
        return {"told": [json.dumps(result)], "shards": [b"".join(shards)]}

    def _result(self, tasks: list[Task], where: dict[str, Where]) -> tuple[dict[str, Any], list[bytes]]:
        started, seconds, shards = time.perf_counter(), Seconds(), list[Shard]()
        found: dict[str, Any] = {"node": self.node, "ran_on": self.ran_on, "tried": len(tasks), "error": None}
        try:
            if self._begun_before(tasks[0].sha256) >= MOST_ATTEMPTS:
                raise StorageError(
                    f"The process that computes was lost {MOST_ATTEMPTS} times at the pictures from {tasks[0].path} on; "
                    "it may lack memory."
                )
            compute(
                tasks,
                lambda path: _read(self.job.dataset, path, where[path]),
                self.encoder,
                shards.append,
                ranges=self.job.ranges,
                workers=self.job.cores,
                seconds=seconds,
                tell=lambda done: None,
            )
            files = [packed(shard, self.job.recipe) for shard in shards]
            for name, data in files:
                self._write(name, data)
            found["shards"] = [(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in files]
        except FacefeatError as error:
            found["error"], files = told(error), []
        found |= {"seconds": time.perf_counter() - started, "spent": asdict(seconds)}
        return found, [] if self.job.shared or self.job.scratch else [data for _, data in files]

    def _write(self, name: str, data: bytes) -> None:
        if self.job.scratch:
            self.job.scratch.put(name, data)
        elif self.job.shared:
            durable.write(work_folder(Path(self.job.output)) / name, data)

    def _begun_before(self, which: bytes) -> int:
        import ray

        begun: int = ray.get(self._attempts.begin.remote(which))
        return begun


def told(error: FacefeatError) -> Told:
    """Return an error for another machine: of its kinds the nearest that is one of ``facefeat.errors``."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__), str(error)


def raised(that: Told, node: str) -> FacefeatError:
    """Return an error of another machine's, to be raised here."""
    kind: type[FacefeatError] = getattr(errors, that[0], FacefeatError)
    error = kind.__new__(kind)  # some take more than a sentence to be made
    error.args = (f"{that[1].rstrip('.')} (on the node {node}).",)
    return error
