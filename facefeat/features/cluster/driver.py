"""The driver: pictures cut into lists, lists given to actors, shards kept as they come."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from facefeat.data.listing import Listing
from facefeat.data.objects import scheme_of
from facefeat.errors import FacefeatError, PictureRefused, StorageError, unknown_name
from facefeat.features.cluster.connect import joined
from facefeat.features.cluster.job import Job, Node, list_to_json
from facefeat.features.cluster.nodes import SHARDS, nodes_of, survey
from facefeat.features.cluster.scratch import Scratch, ahead
from facefeat.features.cluster.worker import Attempts, Seen, Worker, raised
from facefeat.features.compute import SHARD_ROWS, NodeShare, Progress, Seconds, Task
from facefeat.features.means import Means
from facefeat.features.store import durable
from facefeat.features.store.shards import SHARD_NAME, Shard, WorkFolder

LISTS = 4096  # that Ray holds at a time: a million pictures
FEWEST = 32  # pictures of a list, where there are few for all actors
TURNS = 4  # lists an actor has at least, so that none waits long for the last


class Cluster:
    """Nodes that work on one extraction.

    Parameters
    ----------
    ray : module
    nodes : sequence of Node
    job : Job
        As ``facefeat.features.cluster.nodes.survey`` returned it.
    dataset : Listing

    Attributes
    ----------
    actors : int
    nodes : tuple of NodeShare
        Empty before anything was computed.
    bytes_moved : int
        Through Ray's object store: lists, what became of them, and shards that are returned.
    """

    def __init__(self, ray: Any, nodes: Sequence[Node], job: Job, dataset: Listing) -> None:
        self._ray, self._nodes, self._job, self._dataset = ray, nodes, job, dataset
        self._lie_there: list[str] = []  # shards at an address that are done with when the file is published
        self.actors = sum(node.gpus if job.gpu else node.cpus // job.cores for node in nodes)
        self._names = {node.id: node.name for node in nodes}
        self._ran_on: Counter[str] = Counter()
        self._pictures: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()
        self.nodes: tuple[NodeShare, ...] = ()
        self.bytes_moved = 0
        self._attempts = ray.remote(Attempts).options(num_cpus=0, scheduling_strategy=_beside(ray)).remote()

    @property
    def ran_on(self) -> str:
        """What computed, in words."""
        several = f", {len(self._pictures)} nodes" if len(self._pictures) > 1 else ""
        return " and ".join(sorted(self._ran_on)) + several if self._ran_on else ""

    def compute(
        self,
        todo: Iterable[Task],
        n: int,
        folder: WorkFolder,
        keep: Callable[[Shard], None],
        seconds: Seconds,
        tell: Progress,
    ) -> None:
        """Compute pictures, handing over each shard as it lies in the work folder.

        Parameters
        ----------
        todo : iterable of Task
        n : int
            How many.
        folder : WorkFolder
        keep : callable
            Takes each shard.
        seconds : Seconds
            Added to: the mean over the actors.
        tell : callable
            See ``facefeat.features.compute.Progress``.

        Raises
        ------
        StorageError
            If the actors of a list were lost again and again, or the cluster itself, or a shard on its way.
        InputError, Unreachable
            If shards cannot be fetched.
        FacefeatError
            Whatever a node raised.
        """
        done = 0
        tell(f"Vectors are computed by a cluster: actors {self.actors}, nodes {len(self._nodes)}", 0, 0)
        lists = _lists(todo, max(FEWEST, min(SHARD_ROWS, n // (TURNS * self.actors))))
        while some := list(islice(lists, LISTS)):
            # Closed when a run is stopped, before the cluster is left: it would go on there.
            with closing(self._results(some)) as results, closing(self._fetched(results)) as fetched:
                for result in fetched:
                    for shard in self._shards(result, folder):
                        keep(shard)
                    self._note(result, seconds)
                    done += result["tried"]
                    tell("faces and vectors", done, n)
        self.nodes = self._shares()

    def take_over(self, folder: WorkFolder, tell: Progress) -> None:
        """Take what an earlier run left at an address into the work folder.

        Raises
        ------
        StorageError, InputError, Unreachable
        """
        scratch = self._job.scratch
        if scratch is None:
            return
        taken = scratch.take_over(folder)
        self._lie_there += [*taken.ours, *taken.damaged]
        if n := len(taken.ours):
            tell(f"{n} shard{'s' if n > 1 else ''} of an earlier run taken over from {scratch.address}", 0, 0)
        if n := len(taken.damaged):
            tell(f"Damaged shards left out at {scratch.address}: {n}; what was in them is computed again", 0, 0)
        if n := taken.others:
            tell(f"Shards of another recipe or a newer facefeat left alone at {scratch.address}: {n}", 0, 0)

    def clear(self, tell: Progress) -> None:
        """Delete what lies at an address and is published."""
        scratch = self._job.scratch
        if scratch is None:
            return
        try:
            scratch.remove(self._lie_there)
        except FacefeatError as error:
            tell(f"The file is complete, but its shards at {scratch.address} could not all be deleted: {error}", 0, 0)

    def _shares(self) -> tuple[NodeShare, ...]:
        """Return what each node did, and which are lost."""
        alive = {one["NodeID"] for one in self._ray.nodes() if one["Alive"]}
        return tuple(
            NodeShare(node.name, self._pictures[node.name], self._seconds[node.name], node.id not in alive)
            for node in self._nodes
        )

    def _results(self, lists: Sequence[list[Task]]) -> Generator[dict[str, Any], None, None]:
        """Yield what became of each list, in the order in which they end."""
        data, given = self._ray.data, [{"tasks": list_to_json(one, self._dataset.where)} for one in lists]
        self.bytes_moved += sum(len(one["tasks"]) for one in given)
        context = data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        made = data.from_items(given, override_num_blocks=len(given)).map_batches(
            Worker,
            batch_size=1,
            compute=data.ActorPoolStrategy(size=min(self.actors, len(lists)), max_tasks_in_flight_per_actor=2),
            fn_constructor_args=(self._job, self._attempts),
            num_cpus=self._job.cores,
            num_gpus=1 if self._job.gpu else None,
        )
        try:
            for row in self._rows(made):
                self.bytes_moved += len(row["told"]) + len(row["shards"])
                yield json.loads(row["told"]) | {"data": row["shards"]}
        except self._ray.exceptions.RayTaskError:
            raise  # a mistake of ours, not of a machine
        except self._ray.exceptions.RayError as error:
            raise StorageError(
                f"The cluster gave up on some pictures ({type(error).__name__}); what is computed is kept: "
                "run the same again."
            ) from error

    def _rows(self, made: Any) -> Iterator[dict[str, Any]]:
        """Yield rows as ``iter_rows`` does, but in this thread alone.

        Those that Ray Data would start go on when a run is stopped, and end the process when they find the cluster left.
        """
        block = self._ray.data.block
        for bundle in made.iter_internal_ref_bundles():
            for reference in bundle.block_refs:
                yield from block.BlockAccessor.for_block(self._ray.get(reference)).iter_rows(public_row_format=True)

    def _fetched(self, results: Iterable[dict[str, Any]]) -> Generator[dict[str, Any], None, None]:
        """Yield what became of each list, with the bytes of its shards, unless nodes write these into the work folder."""
        return ahead(results, self._whole) if self._job.scratch else (self._whole(result) for result in results)

    def _whole(self, result: dict[str, Any]) -> dict[str, Any]:
        node = self._names.get(result["node"], result["node"][:6])
        if result["error"]:
            raise raised(result["error"], node)
        for name, _, _ in result["shards"]:
            if not SHARD_NAME.fullmatch(name):  # nothing is read or written anywhere else
                raise StorageError(f"The node {node} calls a shard {name!r}, which is no name of one.")
        data = result["data"]
        if scratch := self._job.scratch:
            data = b"".join(scratch.fetch(name, digest, node) for name, digest, _ in result["shards"])
        return result | {"node": node, "data": data}

    def _shards(self, result: dict[str, Any], folder: WorkFolder) -> Iterator[Shard]:
        """Yield the shards of a list as they lie in the work folder."""
        data = memoryview(result["data"])
        for name, digest, size in result["shards"]:
            path = folder.path / name
            if self._job.scratch:
                self._lie_there.append(name)
            if not self._job.shared:
                yield folder.put(name, bytes(data[:size]))
                data = data[size:]
                continue
            with durable.storage_errors(path):
                if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                    raise StorageError(f"{path} is not what the node {result['node']} wrote; run the same again.")
            yield folder.get(name)

    def _note(self, result: dict[str, Any], seconds: Seconds) -> None:
        node = result["node"]
        self._ran_on[result["ran_on"]] += 1
        self._pictures[node] += result["tried"]
        self._seconds[node] += result["seconds"]
        for what in ("decode", "faces", "network"):
            mean = result["spent"][what] / self.actors
            setattr(seconds, what, getattr(seconds, what) + mean)


def _lists(todo: Iterable[Task], most: int) -> Iterator[list[Task]]:
    """Cut pictures into lists of at most so many rows, in their order; one picture may be more by itself."""
    found: list[Task] = []
    n_rows = 0
    for task in todo:
        if found and n_rows + len(task.copies) > most:
            yield found
            found, n_rows = [], 0
        found.append(task)
        n_rows += len(task.copies)
    if found:
        yield found


@contextmanager
def opened(cluster: str, means: Means, output: Path, shards: str, tell: Progress) -> Iterator[Cluster]:
    """Join a cluster and look at its nodes; in the end, if that was a good one, leave nothing at an address.

    Parameters
    ----------
    cluster : str
        See ``facefeat.features.cluster.connect.address_of``.
    means : Means
    output : Path
        The feature file; its work folder is there.
    shards : str
        See ``facefeat.features.cluster.nodes.survey``; or an address.
    tell : callable
        See ``facefeat.features.compute.Progress``.

    Yields
    ------
    Cluster

    Raises
    ------
    UsageError
        As ``facefeat.features.cluster.connect.joined``, or if there is no such way of shards.
    MissingExtra
    FacefeatError
        As ``facefeat.features.cluster.nodes.survey`` and ``facefeat.features.cluster.scratch.Scratch``.
    """
    plan, dataset = means.plan, means.dataset
    scratch = Scratch(shards, plan.recipe) if scheme_of(shards) else None
    if scratch is None and shards not in SHARDS:
        raise unknown_name("way of shards", shards, (*SHARDS, "ADDRESS"))
    with joined(cluster) as ray:
        nodes = nodes_of(ray)
        cores, gpu = _actor(nodes, means)
        job = Job(
            dataset=dataset.bare(),
            output=str(output.absolute()),
            recipe=plan.recipe,
            weights=_absolute(plan.source),
            detector=_absolute(plan.detector),
            engine=means.engine,
            precision=means.precision,
            batch_size=means.batch_size,
            ranges=means.ranges,
            cores=cores,
            gpu=gpu,
            scratch=scratch,
        )
        made = Cluster(ray, nodes, survey(ray, nodes, job, _seen(dataset), shards), dataset)
        made.take_over(WorkFolder(output, plan.recipe), tell)
        yield made
        made.clear(tell)


def _actor(nodes: Sequence[Node], means: Means) -> tuple[int, bool]:
    """Return how many cores an actor takes, so that the smallest node has one, and whether it takes a GPU."""
    gpu = means.engine != "openvino" and means.precision != "int8" and any(node.gpus for node in nodes)
    has = [node.cpus // node.gpus for node in nodes if node.gpus] if gpu else [node.cpus for node in nodes]
    return max(1, min(means.workers, *has)), gpu


def _beside(ray: Any) -> Any:
    """Return where an actor is to be that lives as long as the driver."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def _absolute(path: str | Path | None) -> str | None:
    return None if path is None else str(Path(path).absolute())


def _seen(dataset: Listing) -> Seen:
    """Hash the first and the last picture, by which nodes tell whether they see the same."""
    found: Seen = {}
    for entry in (dataset.entries[0], dataset.entries[-1]):
        with suppress(PictureRefused):
            digest = hashlib.sha256(dataset.read(entry.path)).digest()
            found[entry.path] = dataset.where(entry.path), digest
    return found
