"""The machines of a cluster, looked at before any work: a run of hours must not end with what could be known at its start."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from facefeat.errors import InputError, StorageError, UsageError
from facefeat.features.cluster.job import Job, Node
from facefeat.features.cluster.worker import look, raised
from facefeat.features.store import durable
from facefeat.features.store.shards import work_folder

LOOK_SECONDS = 300.0  # a node may have to import everything from a slow disk
SHARDS = ("auto", "shared", "returned")


def nodes_of(ray: Any) -> list[Node]:
    """Return the machines that can work, in the order of their addresses.

    Raises
    ------
    UsageError
        If there are none.
    """
    alive = [one for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU", 0) >= 1]
    if not alive:
        raise UsageError("The cluster has no node with a free core; add one with: ray start --address HOST:PORT")
    addresses = [one["NodeManagerAddress"] for one in alive]
    found = []
    for one, address in zip(alive, addresses, strict=True):
        name = address if addresses.count(address) == 1 else f"{address} ({one['NodeID'][:6]})"
        has = one["Resources"]
        found.append(Node(one["NodeID"], name, int(has["CPU"]), int(has.get("GPU", 0))))
    return sorted(found, key=lambda node: node.name)


def survey(ray: Any, nodes: Sequence[Node], job: Job, seen: dict[str, bytes], shards: str) -> Job:
    """Look at every node: facefeat's version, the weights, the pictures, and the work folder.

    Parameters
    ----------
    ray : module
    nodes : sequence of Node
    job : Job
    seen : dict of str to bytes
        SHA-256 of some of the data set's pictures, by their paths.
    shards : {'auto', 'shared', 'returned'}
        ``'auto'``: written by the nodes where all see the work folder, else returned.

    Returns
    -------
    Job
        That says which.

    Raises
    ------
    UsageError
        If a node has another facefeat, or none, or does not answer.
    InputError
        If it does not see the pictures.
    StorageError
        If shards are to be shared, and the work folder is not.
    FacefeatError
        What the node itself raised: of other weights, for instance.
    """
    for node, theirs in _asked(ray, nodes, _version_here()):
        if theirs != version("facefeat"):
            has = f"facefeat {theirs}" if theirs else "no facefeat"
            raise UsageError(
                f"The node {node.name} has {has}, and this is {version('facefeat')}; install the same everywhere."
            )
    token = work_folder(Path(job.output)) / f".{uuid.uuid4().hex}.tmp"
    durable.write(token, b"")
    try:
        answers = _asked(ray, nodes, look, job, seen, token.name)
    finally:
        durable.remove(token)
    for node, (error, missing, is_shared) in answers:
        if error:
            raise raised(error, node.name)
        if missing:
            raise InputError(
                f"The node {node.name} does not see {job.root} as it is here ({missing[0]} is missing or another); "
                "every node needs the pictures under the same path."
            )
        if shards == "shared" and not is_shared:
            raise StorageError(
                f"The node {node.name} does not see {work_folder(Path(job.output))}; write to a folder that all nodes "
                "share, or leave --shards out to have shards returned."
            )
    return replace(job, shared=shards != "returned" and all(is_shared for _, (_, _, is_shared) in answers))


def _version_here() -> Callable[[], str | None]:
    """Return a function that Ray sends as a whole, since facefeat may not be there."""

    def found() -> str | None:
        from importlib import metadata

        try:
            return metadata.version("facefeat")
        except metadata.PackageNotFoundError:
            return None

    return found


def _asked(ray: Any, nodes: Sequence[Node], question: Callable[..., Any], *given: Any) -> list[tuple[Node, Any]]:
    """Ask every node the same."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    waiting = []
    for node in nodes:
        place = NodeAffinitySchedulingStrategy(node.id, soft=False)
        asked = ray.remote(question).options(num_cpus=0, scheduling_strategy=place, max_retries=0)
        waiting.append(asked.remote(*given))
    found = []
    for node, one in zip(nodes, waiting, strict=True):
        try:
            found.append((node, ray.get(one, timeout=LOOK_SECONDS)))
        except ray.exceptions.RayTaskError as error:
            reason = str(error).strip().rpartition("\n")[2]
            raise UsageError(f"The node {node.name} cannot work with facefeat: {reason}") from error
        except ray.exceptions.RayError as error:
            raise UsageError(f"The node {node.name} does not answer ({type(error).__name__}).") from error
    return found
