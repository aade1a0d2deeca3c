"""What every node is told, and what it tells of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facefeat.data.augment import Augmentation
from facefeat.data.listing import Listing, Where
from facefeat.features.cluster.scratch import Scratch
from facefeat.features.compute import Task
from facefeat.features.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """How the pictures of one extraction become shards.

    Attributes
    ----------
    dataset : Listing
        Without its entries; a list of pictures says what reading them takes.
    output : str
        The feature file, as the driver sees it.
    recipe : Recipe
    weights, detector : str or None
        Files of the user's, as every node sees them.
    engine, precision : str
        See ``facefeat.engines.choose.choose``.
    batch_size : int or None
        See ``facefeat.features.encode.Encoder``.
    ranges : Augmentation
    cores : int
        Of an actor.
    gpu : bool
        Whether an actor takes a GPU.
    shared : bool
        Shards are written into the driver's work folder.
    scratch : Scratch or None
        They are written there. Where neither is so, their bytes are returned.
    """

    dataset: Listing
    output: str
    recipe: Recipe
    weights: str | None
    detector: str | None
    engine: str
    precision: str
    batch_size: int | None
    ranges: Augmentation
    cores: int = 1
    gpu: bool = False
    shared: bool = False
    scratch: Scratch | None = None


@dataclass(frozen=True)
class Node:
    """A machine of the cluster.

    Attributes
    ----------
    id : str
        Ray's.
    name : str
        For sentences: its address, with the start of its id where several have that address.
    cpus, gpus : int
    """

    id: str
    name: str
    cpus: int
    gpus: int


def list_to_json(tasks: Sequence[Task], where: Callable[[str], Where]) -> str:
    """Write a list of pictures as text: nothing that is unpickled comes from another machine.

    Parameters
    ----------
    tasks : sequence of Task
    where : callable
        ``Listing.where`` of the data set.

    Returns
    -------
    str
        JSON.
    """
    return json.dumps([[task.path, task.sha256.hex(), task.copies, where(task.path)] for task in tasks])


def list_from_json(text: str) -> tuple[list[Task], dict[str, Where]]:
    """Read what ``list_to_json`` wrote: the tasks, and what reading each path takes."""
    rows = json.loads(text)
    tasks = [Task(path, bytes.fromhex(digest), tuple(copies)) for path, digest, copies, _ in rows]
    return tasks, {path: where for path, _, _, where in rows}
