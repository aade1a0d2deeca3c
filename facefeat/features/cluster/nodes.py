"""The machines of a cluster, looked at before any work: a run of hours must not end with what could be known at its start."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from facefeat.data.objects import scheme_of
from facefeat.errors import InputError, StorageError, UsageError
from facefeat.features.cluster.job import Job, Node
from facefeat.features.cluster.worker import Seen, look, mark_of, raised
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


def survey(ray: Any, nodes: Sequence[Node], job: Job, seen: Seen, shards: str) -> Job:
    """Look at every node: facefeat's version, the weights, the pictures, and the work folder.

    Parameters
    ----------
    ray : module
    nodes : sequence of Node
    job : Job
    seen : dict of str to (where, bytes)
        See ``facefeat.features.cluster.worker.look``.
    shards : {'auto', 'shared', 'returned'}
        ``'auto'``: written by the nodes where all see the work folder, else returned. Nothing where they go to
        an address.

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
        If shards are to be shared, and the work folder is not; or what a node writes at an address is not there from here.
    FacefeatError
        What the node itself raised: of other weights, for instance.
    """
    _same_version(ray, nodes)
    token = work_folder(Path(job.output)) / f".{uuid.uuid4().hex}.tmp"
    durable.write(token, b"")
    answers: list[tuple[Node, Any]] = []
    try:
        answers = _asked(ray, nodes, look, job, seen, token.name)
        for node, (error, missing, is_shared) in answers:
            if error:
                raise raised(error, node.name)
            _require(node, job, token.name, missing, is_shared or shards != "shared")
    finally:
        durable.remove(token)
        if job.scratch:
            job.scratch.forget([mark_of(token.name, node.id) for node, (error, *_) in answers if not error])
    shared = shards != "returned" and job.scratch is None and all(is_shared for _, (_, _, is_shared) in answers)
    return replace(job, shared=shared)


def _same_version(ray: Any, nodes: Sequence[Node]) -> None:
    for node, theirs in _asked(ray, nodes, _version_here()):
        if theirs != version("facefeat"):
            has = f"facefeat {theirs}" if theirs else "no facefeat"
            raise UsageError(
                f"The node {node.name} has {has}, and this is {version('facefeat')}; install the same everywhere."
            )


def _require(node: Node, job: Job, token: str, missing: Sequence[str], is_shared: bool) -> None:
    """Refuse a node that sees other pictures, or whose shards would not come here."""
    if missing:
        needs = (
            "has to reach the same store"
            if scheme_of(str(job.dataset.root))
            else "needs the pictures under the same path"
        )
        raise InputError(
            f"The node {node.name} does not see {job.dataset.root} as it is here ({missing[0]} is missing or another); "
            f"every node {needs}."
        )
    if not is_shared:
        raise StorageError(
            f"The node {node.name} does not see {work_folder(Path(job.output))}; write to a folder that all nodes "
            "share, or leave --shards out to have shards returned."
        )
    if job.scratch and not job.scratch.holds(mark_of(token, node.id), node.id.encode()):
        raise StorageError(
            f"What the node {node.name} writes to {job.scratch.address} is not there as seen from here; give an address that all "
            "nodes and this machine reach, or leave --shards out."
        )


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
