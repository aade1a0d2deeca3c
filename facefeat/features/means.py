"""What an extraction computes with: this machine, or what stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from facefeat.data.augment import Augmentation
from facefeat.data.listing import Listing
from facefeat.engines.network import describe
from facefeat.features.compute import NodeShare, Progress, Seconds, Task, compute
from facefeat.features.encode import Encoder, Plan, engine_for
from facefeat.features.store.shards import Shard, WorkFolder


@dataclass(frozen=True)
class Means:
    """How pictures become vectors; see ``facefeat.features.extract.extract``.

    Attributes
    ----------
    dataset : Listing
    plan : Plan
    engine, precision : str
    batch_size : int or None
    workers : int
    ranges : Augmentation
    """

    dataset: Listing
    plan: Plan
    engine: str
    precision: str
    batch_size: int | None
    workers: int
    ranges: Augmentation


class Computer(Protocol):
    """Whatever takes pictures to shards in a work folder.

    Attributes
    ----------
    ran_on : str
        Engine, device and precision in words; empty before anything was computed.
    nodes : tuple of NodeShare
    """

    @property
    def ran_on(self) -> str:
        """What computed."""

    @property
    def nodes(self) -> tuple[NodeShare, ...]:
        """What each did."""

    def compute(
        self,
        todo: Iterable[Task],
        n: int,
        folder: WorkFolder,
        keep: Callable[[Shard], None],
        seconds: Seconds,
        tell: Progress,
    ) -> None:
        """Compute so many pictures, handing over each shard as it lies in the work folder."""


class Here:
    """The machine that asks.

    Parameters
    ----------
    means : Means
    """

    nodes: tuple[NodeShare, ...] = ()

    def __init__(self, means: Means) -> None:
        self._means, self.ran_on = means, ""

    def compute(
        self,
        todo: Iterable[Task],
        n: int,
        folder: WorkFolder,
        keep: Callable[[Shard], None],
        seconds: Seconds,
        tell: Progress,
    ) -> None:
        """Compute pictures; see ``facefeat.features.compute.compute``."""
        means = self._means
        workers = means.workers
        device = engine_for(means.plan.recipe, means.engine, means.precision, threads=workers, streams=workers)
        self.ran_on = describe(device)
        tell(f"Vectors are computed by {self.ran_on}", 0, 0)
        compute(
            todo,
            means.dataset.read,
            Encoder(means.plan, device, means.batch_size),
            lambda shard: keep(folder.add(shard)),  # mapped from the disk: memory does not grow with the pictures
            ranges=means.ranges,
            workers=workers,
            seconds=seconds,
            tell=lambda done: tell("faces and vectors", done, n),
        )
