"""What every node is told, and what it tells of itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from facefeat.data.augment import Augmentation
from facefeat.features.compute import Task
from facefeat.features.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """How the pictures of one extraction become shards.

    Attributes
    ----------
    root : str
        The data set, as every node sees it.
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
        Shards are written where the driver sees them; else their bytes are returned.
    """

    root: str
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


def list_to_json(tasks: Sequence[Task]) -> str:
    """Write a list of pictures as text: nothing that is unpickled comes from another machine."""
    return json.dumps([[task.path, task.sha256.hex(), list(task.copies)] for task in tasks])


def list_from_json(text: str) -> list[Task]:
    """Read what ``list_to_json`` wrote."""
    return [Task(path, bytes.fromhex(digest), tuple(copies)) for path, digest, copies in json.loads(text)]
