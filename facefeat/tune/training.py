"""The training itself: the dense top first, then the block below it, going on where a killed run stopped."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.engines.keras import import_keras
from facefeat.errors import InputError, StorageError
from facefeat.tune.activations import Source
from facefeat.tune.checkpoint import Checkpoint, values_of
from facefeat.tune.schedule import (
    DROPOUT,
    LABEL_SMOOTHING,
    LEAST_VARIANCE,
    SLOWER,
    TOP_BATCH,
    TOP_EPOCHS,
    TOP_LEARNING_RATE,
    Epoch,
    History,
    Schedule,
)
from facefeat.tune.split import Rows, Split

Told = Callable[[History], None]


def train(
    trained: Any,
    source: Source,
    person: NDArray[np.int32],
    split: Split,
    schedule: Schedule,
    checkpoint: Checkpoint,
    told: Told = lambda history: None,
) -> History:
    """Train a part of a network to name people, and leave it with its best weights.

    A dense layer on the pooled rows is trained first, alone: its first gradients are those of random weights, and
    would wreck what lies below. Then both are trained, slowly.

    Parameters
    ----------
    trained : keras.Model
        Inputs of ``source`` to pooled rows; its weights are changed.
    source : Source
    person : ndarray of shape (n_images,), int32
        From 0 to the number of people less 1.
    split : Split
    schedule : Schedule
    checkpoint : Checkpoint
        Where the state after each epoch is kept. A run that finds one goes on from it and ends with the weights of
        an undisturbed one.
    told : callable
        Called with the history after each epoch.

    Returns
    -------
    History

    Raises
    ------
    InputError
        If the loss is no number from the first epoch on.
    StorageError
        If there is not enough memory.
    """
    import_keras().utils.set_random_seed(schedule.random_state)
    with enough_memory(schedule):
        student, _ = softmax_over(trained, person, schedule.learning_rate)
        run = _Run(student, schedule, checkpoint, told)
        if not run.resumed():
            _train_top(student, trained, source, person, split.train, schedule)
            _compile(student, schedule.learning_rate)
        if not run.over:
            batches = _batches(source, person, split.train, schedule.batch_size, schedule.random_state)
            run.fit(batches, _batches(source, person, split.validation, schedule.batch_size, None))
    if not run.epochs:
        raise InputError(
            "The loss was no number in the first epoch, so nothing was learned; "
            f"lower --learning-rate, which is {schedule.learning_rate:g}."
        )
    student.set_weights(checkpoint.best(run.best))
    return run.history


class _Run:
    """One training under Keras' callbacks, and what of their state must survive a kill."""

    def __init__(self, model: Any, schedule: Schedule, checkpoint: Checkpoint, told: Told) -> None:
        callbacks = import_keras().callbacks
        self.model, self.schedule, self.checkpoint, self.told = model, schedule, checkpoint, told
        self.stopping = callbacks.EarlyStopping("val_loss", patience=schedule.patience)
        self.slowing = callbacks.ReduceLROnPlateau(
            "val_loss", factor=SLOWER, patience=max(1, schedule.patience // 2), min_delta=0.0
        )
        self.epochs: list[Epoch] = []
        self.best, self.why = 0, ""
        self.kept: dict[str, Any] = {}
        self.started = 0.0

    @property
    def over(self) -> bool:
        return bool(self.why)

    @property
    def history(self) -> History:
        return History(tuple(self.epochs), self.best, self.why)

    def resumed(self) -> bool:
        """Take up what a run that was stopped left, if it did."""
        found = self.checkpoint.read(self._variables())
        if found is None:
            return False
        self.epochs = [Epoch(**one) for one in found["epochs"]]
        self.best, self.why, self.kept = found["best"], found["why"], found["callbacks"]
        return True

    def fit(self, batches: Any, validation: Any) -> None:
        """Train until patience or epochs are spent, or the loss is no number."""
        begun = len(self.epochs)
        batches.epoch = begun

        def begin(epoch: int, logs: Any = None) -> None:
            batches.epoch, self.started = epoch, time.perf_counter()

        after = import_keras().callbacks.LambdaCallback(
            on_train_begin=lambda logs: self._restore(), on_epoch_begin=begin, on_epoch_end=self._after
        )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # ReduceLROnPlateau reads a variable as values_of does not
            self.model.fit(
                batches,
                validation_data=validation,
                initial_epoch=begun,
                epochs=self.schedule.epochs,
                shuffle=False,
                verbose=0,
                callbacks=[self.stopping, self.slowing, after],  # the last sees what the others did
            )

    def _restore(self) -> None:
        """Give the callbacks their state back, which they drop when training begins."""
        for callback, state in ((self.stopping, "stopping"), (self.slowing, "slowing")):
            vars(callback).update(self.kept.get(state, {}))

    def _after(self, epoch: int, logs: dict[str, float]) -> None:
        """Keep what an epoch left; a loss that is no number ends the training at the best so far."""
        losses = logs["loss"], logs["val_loss"]
        if not all(map(math.isfinite, losses)):
            self.why, self.model.stop_training = "nan", True
        else:
            rate = float(np.asarray(self.model.optimizer.learning_rate))
            seconds = time.perf_counter() - self.started
            shares = float(logs["accuracy"]), float(logs["val_accuracy"])
            better = all(losses[1] < one.validation_loss for one in self.epochs)
            self.epochs.append(
                Epoch(epoch + 1, float(losses[0]), shares[0], float(losses[1]), shares[1], rate, seconds)
            )
            if better:
                self.best = epoch + 1
                self.checkpoint.keep_best(self.best, values_of(self.model.weights))
            if self.model.stop_training or epoch + 1 == self.schedule.epochs:
                self.why = "patience" if self.model.stop_training else "epochs"
        if self.epochs:
            self.checkpoint.write(self._variables(), self._record())
            self.told(self.history)

    def _record(self) -> dict[str, Any]:
        names = {"stopping": ("wait", "best", "best_epoch"), "slowing": ("wait", "best", "cooldown_counter")}
        states = {name: {one: _plain(getattr(getattr(self, name), one)) for one in own} for name, own in names.items()}
        epochs = [asdict(one) for one in self.epochs]
        return {"epochs": epochs, "best": self.best, "why": self.why, "callbacks": states}

    def _variables(self) -> list[Any]:
        """Return all that the next step depends on: weights, the generators of dropout, the optimizer."""
        return [*self.model.variables, *self.model.optimizer.variables]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int) else float(value)


def _student(trained: Any, person: NDArray[np.int32]) -> Any:
    """Put scaling, dropout and a softmax over the people on the pooled rows."""
    keras = import_keras()
    layers = keras.layers
    scaled = layers.BatchNormalization(center=False, scale=False, trainable=False, dtype="float32", name="scaled")
    rows = layers.Dropout(DROPOUT)(scaled(trained.output))
    named = keras.layers.Dense(int(person.max()) + 1, activation="softmax", dtype="float32", name="people")(rows)
    return keras.Model(trained.inputs[0], named)


def softmax_over(trained: Any, person: NDArray[np.int32], learning_rate: float) -> tuple[Any, NDArray[np.float32]]:
    """Return a network with its top, ready to be trained, and what it shall answer for each person.

    Returns
    -------
    student : keras.Model
    classes : ndarray of shape (n_people, n_people), float32
    """
    student = _student(trained, person)
    _compile(student, learning_rate)
    return student, _classes(person)


def _classes(person: NDArray[np.int32]) -> NDArray[np.float32]:
    return np.eye(int(person.max()) + 1, dtype=np.float32)


def _compile(model: Any, learning_rate: float) -> None:
    """Give a model a new optimizer, ready, so that its variables can be read and set."""
    keras = import_keras()
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING)
    model.compile(keras.optimizers.Adam(learning_rate), loss, metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)


def _train_top(
    student: Any, trained: Any, source: Source, person: NDArray[np.int32], train: Rows, schedule: Schedule
) -> None:
    """Train the dense layer alone, on the rows that the network makes as it is of the training pictures and their copies."""
    keras = import_keras()
    pooled = _Pooled(trained, source, train, schedule.batch_size)
    inputs = keras.Input(trained.output.shape[1:])
    *_, scaled, dropout, dense = student.layers
    scaled.set_weights(_moments(pooled.rows))
    top = keras.Model(inputs, dense(dropout(scaled(inputs))))
    _compile(top, TOP_LEARNING_RATE)
    batches = _batches(pooled, person[train], np.arange(len(train)), TOP_BATCH, schedule.random_state)

    def begin(epoch: int, logs: Any = None) -> None:
        batches.epoch = epoch

    follow = keras.callbacks.LambdaCallback(on_epoch_begin=begin)
    top.fit(batches, epochs=TOP_EPOCHS, shuffle=False, verbose=0, callbacks=[follow])


def _moments(rows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return mean and variance of each number; those that hardly vary are not blown up."""
    flat = rows.reshape(-1, rows.shape[-1])
    variance = flat.var(axis=0)
    return [flat.mean(axis=0), np.maximum(variance, LEAST_VARIANCE * variance.mean())]


class _Pooled:
    """The pooled rows of the training pictures and their copies: a ``Source`` in memory."""

    def __init__(self, trained: Any, source: Source, train: Rows, batch_size: int) -> None:
        self.n_copies = source.n_copies
        self.rows = np.stack(
            [self._copy(trained, source, train, copy, batch_size) for copy in range(self.n_copies + 1)]
        )

    def take(self, rows: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return pooled rows; see ``Source``."""
        return self.rows[copies, rows]

    @staticmethod
    def _copy(trained: Any, source: Source, train: Rows, copy: int, batch_size: int) -> NDArray[np.float32]:
        found = []
        for start in range(0, len(train), batch_size):
            rows = train[start : start + batch_size]
            inputs = source.take(np.resize(rows, batch_size), np.full(batch_size, copy))
            found.append(np.asarray(trained.predict_on_batch(inputs), np.float32)[: len(rows)])
        return np.concatenate(found)


def _batches(source: Source, person: NDArray[np.int32], rows: Rows, batch_size: int, random_state: int | None) -> Any:
    """Return the batches of an epoch as Keras reads them.

    Each epoch takes every picture once, in an order and as a copy that depend on the epoch alone. Without a random
    state it takes the pictures themselves, in their order.
    """
    keras = import_keras()
    classes = _classes(person)

    class Batches(keras.utils.PyDataset):  # type: ignore[misc, name-defined, unused-ignore]
        """Each batch by its number; ``epoch`` counts from 0."""

        epoch = 0

        def __len__(self) -> int:
            return -(-len(rows) // batch_size)

        def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            order, copies = drawn(len(rows), source.n_copies, self.epoch, random_state)
            some = order[number * batch_size : (number + 1) * batch_size]
            chosen = rows[some]
            return source.take(chosen, copies[some]), classes[person[chosen]]

    return Batches()


def drawn(
    n_rows: int, n_copies: int, epoch: int, random_state: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of an epoch's pictures, and which copy of each it takes.

    Over as many epochs as there are copies, and one more, every picture is taken once as each of them and once as
    itself.

    Parameters
    ----------
    n_rows, n_copies, epoch : int
    random_state : int or None
        ``None``: the pictures themselves, in their order.

    Returns
    -------
    order, copies : ndarray of shape (n_rows,), int64
    """
    if random_state is None:
        return np.arange(n_rows), np.zeros(n_rows, np.int64)
    first = np.random.default_rng(random_state).integers(n_copies + 1, size=n_rows)
    order = np.random.default_rng([random_state, epoch]).permutation(n_rows)
    return order, (first + epoch) % (n_copies + 1)


@contextmanager
def enough_memory(schedule: Schedule) -> Iterator[None]:
    """Turn each backend's own error for want of memory into a sentence.

    Raises
    ------
    StorageError
    """
    try:
        yield
    except Exception as error:
        if not _is_of_memory(error):
            raise
        raise StorageError(
            f"There is not enough memory to train with --batch-size {schedule.batch_size}; lower it, or lower --size, or "
            "unfreeze less. What is computed is kept."
        ) from error


def _is_of_memory(error: Exception) -> bool:
    """Tell by name: TensorFlow, JAX and torch share no class."""
    named = type(error).__name__ in ("MemoryError", "ResourceExhaustedError", "OutOfMemoryError", "_ArrayMemoryError")
    return named or "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()
