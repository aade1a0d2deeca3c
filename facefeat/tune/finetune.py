"""A folder of people to a network that was tuned on them, and whether that paid."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.folder import DataSet, list_people
from facefeat.data.quality import grey
from facefeat.engines.choose import choose
from facefeat.engines.keras import import_keras
from facefeat.engines.network import Engine, describe
from facefeat.errors import InputError
from facefeat.features import backbone as backbones
from facefeat.features import hashes
from facefeat.features.backbone import usual_layer
from facefeat.features.compute import Progress
from facefeat.features.encode import Encoder, Plan
from facefeat.features.layers import parts
from facefeat.features.recipe import canonical_json
from facefeat.features.store import durable
from facefeat.features.weights import Tensors, Weights, digest
from facefeat.learn.copies import Faces, joined, near_copies
from facefeat.tune import work
from facefeat.tune.activations import Pixels, Source, activations
from facefeat.tune.checkpoint import Checkpoint
from facefeat.tune.cost import cost_of
from facefeat.tune.cut import layer_below, network_of, tensors_of
from facefeat.tune.face_table import FaceTable, face_table
from facefeat.tune.payoff import Chosen, Payoff, candidates, payoff
from facefeat.tune.payoff import choose as choose_head
from facefeat.tune.schedule import History, Schedule
from facefeat.tune.split import Split, splits, train_only
from facefeat.tune.told import foretold, sentence, unlikely
from facefeat.tune.training import enough_memory, train


@dataclass(frozen=True)
class Fold:
    """One training, and the heads of both networks on what it did not see.

    Attributes
    ----------
    split : Split
    history : History
    frozen, tuned : Chosen
    """

    split: Split
    history: History
    frozen: Chosen
    tuned: Chosen


@dataclass(frozen=True)
class Finetuned:
    """What a fine-tuning did.

    Attributes
    ----------
    output : Path
        The weights of the first fold.
    plan : Plan
        Of the network before.
    weights_sha256 : str
        Of the tensors in the output.
    schedule : Schedule
    faces : FaceTable
    train_only : tuple of str
        People with too few photographs to be tested.
    folds : tuple of Fold
    payoff : Payoff
    ran_on : str
        Engine, device and precision in words.
    seconds : float
    dataset : DataSet
    """

    output: Path
    plan: Plan
    weights_sha256: str
    schedule: Schedule
    faces: FaceTable
    train_only: tuple[str, ...]
    folds: tuple[Fold, ...]
    payoff: Payoff
    ran_on: str
    seconds: float
    dataset: DataSet


def finetune(
    data: str | Path,
    output: str | Path,
    plan: Plan,
    schedule: Schedule,
    *,
    workers: int = 2,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Finetuned:
    """Train the upper layers of a network, or all, to tell the people of a folder apart.

    A part of everybody's photographs is never shown to the training. On those, heads on the vectors of the network
    as it was are set against heads on the vectors of the tuned one. The weights that are written are those of the
    first fold; others serve the comparison.

    Parameters
    ----------
    data : path-like
        One subfolder a person.
    output : path-like
        The weights file, ``.npz``. Unfinished work lies beside it in ``<output>.work``: a run that was stopped goes
        on from the last finished epoch.
    plan : Plan
        The network to begin with; see ``facefeat.features.encode.plan``.
    schedule : Schedule
    workers : int, default=2
        Threads.
    overwrite : bool, default=False
        Replace an output, or unfinished work, of other pictures or settings.
    progress : callable or None
        Called with what is being done, how many are done, of how many; of 0: a message.

    Returns
    -------
    Finetuned

    Raises
    ------
    UsageError
        For a backbone that cannot be fine-tuned, an unknown block, or an output that exists.
    InputError
        No usable picture, fewer than two people, or nobody with three photographs.
    LockedError
        Another run is writing the same output.
    StorageError
        No space, or not enough memory.
    """
    started, output = time.perf_counter(), Path(output)
    layer_below(plan.recipe.backbone, schedule.unfreeze)
    dataset = list_people(data)
    tell = progress or (lambda what, done, total: None)
    with work.held(output) as folder:
        digests = hashes.of_all(dataset, workers=workers, tell=lambda done, total: tell("reading", done, total))
        work.claim(folder, output, _settings(dataset, digests, plan, schedule), overwrite)
        try:
            run = _Run(dataset, digests, plan, schedule, folder, workers, tell)
            folds = run.folds()
        except InputError:
            durable.remove(folder / work.NOTE)  # nothing to go on with
            raise
        tensors = run.tensors
        _publish(output, tensors, _settings(dataset, digests, plan, schedule), plan)
        durable.remove(folder / work.NOTE)
    return Finetuned(
        output=output,
        plan=plan,
        weights_sha256=digest(tensors.values()),
        schedule=schedule,
        faces=run.faces,
        train_only=train_only(run.faces.person, run.groups, run.faces.people),
        folds=folds,
        payoff=payoff([fold.frozen.right for fold in folds], [fold.tuned.right for fold in folds]),
        ran_on=describe(run.engine),
        seconds=time.perf_counter() - started,
        dataset=dataset,
    )


class _Run:
    """All folds on one data set: what they share is made once."""

    def __init__(
        self,
        dataset: DataSet,
        digests: list[bytes],
        plan: Plan,
        schedule: Schedule,
        folder: Path,
        workers: int,
        tell: Progress,
    ) -> None:
        self.plan, self.schedule, self.folder, self.workers, self.tell = plan, schedule, folder, workers, tell
        self.tensors: Tensors = {}  # of the first fold
        self.engine: Engine = choose("keras", "float32", threads=workers)
        self.faces = face_table(dataset, digests, plan, folder, workers, tell)
        if len(self.faces.people) < 2:
            raise InputError(
                f"Only {self.faces.people[0]} has usable pictures; at least two people are needed to tell apart."
            )
        self.frozen = self._vectors("frozen", plan)
        self.groups = groups_of(self.faces, self.frozen[parts(usual_layer(plan.recipe))[-1]], workers)
        self.splits = splits(
            self.faces.person,
            self.groups,
            self.faces.people,
            n_folds=schedule.folds,
            random_state=schedule.random_state,
        )

    def folds(self) -> tuple[Fold, ...]:
        """Train and test all folds."""
        if not any(self.folder.glob("fold-*")):
            self._foretell()
        source = self._source()
        return tuple(self._fold(number, split, source) for number, split in enumerate(self.splits))

    def _fold(self, number: int, split: Split, source: Source) -> Fold:
        schedule = replace(self.schedule, random_state=self.schedule.random_state + number)
        checkpoint, of = Checkpoint(self.folder, f"fold-{number}"), (number, len(self.splits))
        with enough_memory(schedule):
            network = network_of(self.plan.recipe, self.plan.weights.read(), schedule.unfreeze)
        history = train(
            network.trained, source, self.faces.person, split, schedule, checkpoint,
            lambda found: self.tell(sentence(found, schedule, *of), 0, 0),
        )  # fmt: skip
        tensors = tensors_of(network.whole, self.plan)
        tuned = self._vectors(f"tuned-{number}", tuned_plan(self.plan, tensors))
        self.tensors = self.tensors or tensors
        return Fold(split, history, self._choose(self.frozen, split), self._choose(tuned, split))

    def _choose(self, vectors: work.Tables, split: Split) -> Chosen:
        layers = candidates(self.plan.recipe)
        return choose_head(vectors, self.faces.person, split, layers, self.schedule.random_state, self.workers)

    def _vectors(self, name: str, plan: Plan) -> work.Tables:
        """Return the vectors of all faces by a plan's network, layer by layer."""

        def made() -> work.Tables:
            encoder, n = Encoder(plan, self.engine), len(self.faces)
            blocks = []
            for start in range(0, n, encoder.batch_size):
                blocks.append(encoder.vectors(list(self.faces.squares[start : start + encoder.batch_size])))
                self.tell(f"vectors of the {name.partition('-')[0]} network", min(start + encoder.batch_size, n), n)
            return {layer: np.concatenate([block[layer] for block in blocks]) for layer in plan.recipe.layers}

        return work.kept_tables(self.folder / f"vectors-{name}-{plan.recipe.weights_sha256[:16]}.npz", made)

    def _source(self) -> Source:
        pixels = Pixels(self.faces, self.schedule.augment)
        network = network_of(self.plan.recipe, self.plan.weights.read(), self.schedule.unfreeze)
        if network.frozen is None:
            return pixels
        with enough_memory(self.schedule):
            return activations(
                pixels, network.frozen, self.folder, self.schedule.batch_size,
                lambda done, total: self.tell("what lies below, once", done, total),
            )  # fmt: skip

    def _foretell(self) -> None:
        """Say what is going to be done, how long it may take, and whether it is likely to pay."""
        mine, schedule = self.faces, self.schedule
        network = network_of(self.plan.recipe, self.plan.weights.read(), schedule.unfreeze)
        with enough_memory(schedule):
            cost = cost_of(network, Pixels(mine, schedule.augment), mine.person, self.splits, schedule)
        self.tell(foretold(mine, self.plan, schedule, cost), 0, 0)
        if hint := unlikely(mine.person, self.groups):
            self.tell(hint, 0, 0)


def groups_of(faces: FaceTable, vectors: NDArray[np.float32], workers: int) -> NDArray[np.int64]:
    """Give copies and near copies of one photograph a number; see ``facefeat.learn.copies.groups_of``.

    Parameters
    ----------
    faces : FaceTable
    vectors : ndarray of shape (n_images, n_features)
        Of the layer by which faces that look alike are found.
    workers : int

    Returns
    -------
    ndarray of shape (n_images,), int64
    """
    _, first, ranks = np.unique(faces.sha256, axis=0, return_index=True, return_inverse=True)
    pixels = np.stack([grey(square) for square in faces.squares])
    near = near_copies(Faces(vectors, pixels, faces.person), np.sort(first), workers)
    return joined(ranks.reshape(-1).astype(np.int64), [(one.first, one.second) for one in near])


def tuned_plan(plan: Plan, tensors: Tensors) -> Plan:
    """Return a plan with other weights, as they will be read from a file."""
    sha256 = digest(tensors.values())
    return replace(
        plan,
        recipe=replace(plan.recipe, weights="file", weights_sha256=sha256),
        weights=Weights("file", sha256, lambda: tensors),
    )


def _settings(dataset: DataSet, digests: list[bytes], plan: Plan, schedule: Schedule) -> dict[str, Any]:
    """Return all that decides the weights, as plain JSON values."""
    recipe, data = plan.recipe, hashlib.sha256()
    for entry, one in zip(dataset.entries, digests, strict=True):
        data.update(canonical_json([entry.path, one.hex()]).encode())
    return {
        **schedule.as_dict(),
        "backbone": recipe.backbone,
        "weights": recipe.weights_sha256,
        "preprocess": recipe.preprocess,
        "size": recipe.input_size,
        "pooling": recipe.pooling,
        "faces": hashlib.sha256(canonical_json(recipe.faces.as_dict()).encode()).hexdigest(),
        "backend": str(import_keras().config.backend()),
        "data": data.hexdigest(),
    }


def _publish(output: Path, tensors: Tensors, settings: dict[str, Any], plan: Plan) -> None:
    """Write the weights file, with how it was made, and read it back."""
    record = {"settings": settings, "made_by": {"facefeat": version("facefeat"), "keras": version("keras")}}
    made = BytesIO()
    np.savez(made, **{work.RECORD: np.array(json.dumps(record))}, **tensors)  # type: ignore[arg-type]
    durable.write(output, made.getvalue())
    if backbones.get(plan.recipe.backbone).weights(str(output)).sha256 != digest(tensors.values()):
        raise durable.unlike(output)
