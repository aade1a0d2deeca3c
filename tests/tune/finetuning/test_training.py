"""What trains, how it goes on after a stop, and that nothing depends on how its inputs are had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facefeat.data.folder import list_people
from facefeat.errors import InputError, StorageError, UsageError
from facefeat.features import hashes
from facefeat.features.encode import Plan, plan
from facefeat.tune.activations import Activations, Pixels, Source, activations
from facefeat.tune.checkpoint import Checkpoint, unpacked
from facefeat.tune.cut import network_of, tensors_of
from facefeat.tune.face_table import FaceTable, face_table
from facefeat.tune.schedule import History, Schedule
from facefeat.tune.split import splits
from facefeat.tune.training import drawn, enough_memory, train

SCHEDULE = Schedule("block2", augment=2, epochs=3, batch_size=8, learning_rate=1e-2)


def quiet(what: Any, done: int = 0, total: int = 0) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def made() -> Plan:
    return plan("twoblocks", faces_mode="none")


@pytest.fixture(scope="module")
def faces(data: Path, made: Plan, tmp_path_factory: pytest.TempPathFactory) -> FaceTable:
    dataset = list_people(data)
    return face_table(dataset, hashes.of_all(dataset), made, tmp_path_factory.mktemp("faces"), 1, quiet)


@pytest.fixture(scope="module")
def cached(made: Plan, faces: FaceTable, tmp_path_factory: pytest.TempPathFactory) -> Activations:
    frozen = network_of(made.recipe, made.weights.read(), "block2").frozen
    return activations(Pixels(faces, 2), frozen, tmp_path_factory.mktemp("maps"), 8, quiet)


def trained(
    made: Plan, faces: FaceTable, source: Source, folder: Path, schedule: Schedule = SCHEDULE, told: Any = quiet
) -> tuple[dict[str, NDArray[np.float32]], History]:
    """Train from the beginning, or from what a run left in the folder."""
    network = network_of(made.recipe, made.weights.read(), schedule.unfreeze)
    split = splits(faces.person, np.arange(len(faces)), faces.people)[0]
    upper = network.whole if isinstance(source, Pixels) else network.trained
    history = train(upper, source, faces.person, split, schedule, Checkpoint(folder, "fold-0"), told)
    return tensors_of(network.whole, made), history


class _Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def undisturbed(
    made: Plan, faces: FaceTable, cached: Activations, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, NDArray[np.float32]], History, Path]:
    """Give the weights and the history of a run that nothing stopped, and where its last state lies."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return *trained(made, faces, cached, folder), folder


def test_cached_activations_train_as_the_whole_network_does(
    made: Plan, faces: FaceTable, tmp_path: Path, undisturbed: tuple[dict[str, NDArray[np.float32]], History, Path]
) -> None:
    upper, one, _ = undisturbed
    lower, other = trained(made, faces, Pixels(faces, 2), tmp_path)
    for first, second in zip(one.epochs, other.epochs, strict=True):
        assert first.loss == pytest.approx(second.loss, rel=0.01)
        assert first.validation_loss == pytest.approx(second.validation_loss, rel=0.01)
    assert all(np.allclose(upper[name], lower[name], atol=5e-3) for name in upper)


def test_only_what_is_unfrozen_moves(
    made: Plan, undisturbed: tuple[dict[str, NDArray[np.float32]], History, Path]
) -> None:
    before, (after, history, _) = made.weights.read(), undisturbed
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {"block2_conv/kernel", "block2_conv/bias"}  # normalisation keeps what it was
    assert history.kept.validation_loss == min(one.validation_loss for one in history.epochs)


def test_a_run_that_was_stopped_ends_with_the_same_weights(
    made: Plan,
    faces: FaceTable,
    cached: Activations,
    tmp_path: Path,
    undisturbed: tuple[dict[str, NDArray[np.float32]], History, Path],
) -> None:
    wanted, whole, _ = undisturbed

    def stop(found: History) -> None:
        if len(found.epochs) == 2:
            raise _Stopped

    with pytest.raises(_Stopped):
        trained(made, faces, cached, tmp_path, told=stop)
    again, history = trained(made, faces, cached, tmp_path)
    assert all(np.allclose(wanted[name], again[name], rtol=0, atol=1e-6) for name in wanted)
    assert np.allclose(*([one.validation_loss for one in its.epochs] for its in (history, whole)), rtol=1e-5)
    assert [one.learning_rate for one in history.epochs] == [one.learning_rate for one in whole.epochs]
    assert (history.best, history.why) == (whole.best, whole.why)


def test_a_finished_run_is_not_trained_again(
    made: Plan,
    faces: FaceTable,
    cached: Activations,
    undisturbed: tuple[dict[str, NDArray[np.float32]], History, Path],
) -> None:
    wanted, whole, folder = undisturbed
    again, history = trained(made, faces, cached, folder, told=lambda found: pytest.fail("an epoch was run"))
    assert history == whole and all(np.array_equal(wanted[name], again[name]) for name in wanted)


def test_a_damaged_state_is_as_none(tmp_path: Path) -> None:
    variables = [np.arange(3.0)]
    kept = Checkpoint(tmp_path, "fold-0")
    kept.keep_best(1, variables)
    kept.write(variables, {"best": 1})
    assert unpacked(kept.state) is not None
    kept.state.write_bytes(kept.state.read_bytes()[:100])
    assert kept.read(variables) is None
    kept.write(variables, {"best": 2})
    assert kept.read(variables) is None  # the weights of epoch 2 are not there
    assert [path.name for path in tmp_path.iterdir()] == ["fold-0-state.npz"]


def test_a_loss_that_is_no_number_ends_it_with_the_best_so_far(
    made: Plan, faces: FaceTable, cached: Activations, tmp_path: Path
) -> None:
    schedule = replace(SCHEDULE, learning_rate=1e-3)
    spoiled = Activations([*cached.maps])

    def spoil(found: History) -> None:
        spoiled.maps[:] = [np.full_like(one, np.nan) for one in cached.maps]

    found, history = trained(made, faces, spoiled, tmp_path / "two", schedule, spoil)
    assert (history.why, history.best, len(history.epochs)) == ("nan", 1, 1)
    assert all(np.isfinite(one).all() for one in found.values())
    with pytest.raises(InputError) as caught:
        trained(made, faces, spoiled, tmp_path / "three", schedule)
    assert str(caught.value) == (
        "The loss was no number in the first epoch, so nothing was learned; lower --learning-rate, which is 0.001."
    )


@given(st.integers(1, 30), st.integers(0, 6), st.integers(0, 50), st.integers(0, 9))
def test_over_some_epochs_a_picture_is_taken_once_as_each_copy(
    n_rows: int, n_copies: int, first: int, random_state: int
) -> None:
    drawings = [drawn(n_rows, n_copies, first + step, random_state) for step in range(n_copies + 1)]
    assert all(sorted(order) == list(range(n_rows)) for order, _ in drawings)
    taken = np.sort([copies for _, copies in drawings], axis=0)
    assert np.array_equal(taken, np.repeat(np.arange(n_copies + 1)[:, None], n_rows, axis=1))


def test_activations_are_those_of_the_frozen_part_and_are_not_computed_twice(
    made: Plan, faces: FaceTable, tmp_path: Path
) -> None:
    frozen, told = network_of(made.recipe, made.weights.read(), "block2").frozen, []
    pixels = Pixels(faces, 1)
    found = activations(pixels, frozen, tmp_path, 4, lambda done, total: told.append((done, total)))
    rows, copies = np.array([5, 0, 17]), np.array([1, 0, 1])
    wanted = np.asarray(frozen.predict_on_batch(pixels.take(rows, copies)))
    assert np.allclose(found.take(rows, copies), wanted, rtol=1e-3, atol=1e-3)
    assert told[-1] == (36, 36) and sorted(told) == told
    (tmp_path / "activations-1.npy").unlink()
    told.clear()
    again = activations(pixels, frozen, tmp_path, 4, lambda done, total: told.append((done, total)))
    assert told[-1] == (18, 18)
    assert np.array_equal(again.take(rows, copies), found.take(rows, copies))


@pytest.mark.parametrize(
    "error",
    [MemoryError(), type("ResourceExhaustedError", (Exception,), {})("OOM"), RuntimeError("RESOURCE_EXHAUSTED: x")],
)
def test_want_of_memory_is_a_sentence(error: Exception) -> None:
    with pytest.raises(StorageError) as caught, enough_memory(SCHEDULE):
        raise error
    assert str(caught.value) == (
        "There is not enough memory to train with --batch-size 8; lower it, or lower --size, or unfreeze less. "
        "What is computed is kept."
    )
    with pytest.raises(ZeroDivisionError), enough_memory(SCHEDULE):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "--epochs must be 1 or more; 0 was given."),
        ({"batch_size": 0}, "--batch-size must be 1 or more; 0 was given."),
        ({"augment": -1}, "--augment must be 0 or more; -1 was given."),
        ({"learning_rate": 0.0}, "--learning-rate must be above 0, and at most 1; 0 was given."),
        ({"learning_rate": float("nan")}, "--learning-rate must be above 0, and at most 1; nan was given."),
    ],
)
def test_a_setting_out_of_range_is_a_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(SCHEDULE, **values)
    assert str(caught.value) == message
