"""A whole fine-tuning, from pictures to a weights file, and every way in which it can go wrong before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from facefeat.engines.choose import choose
from facefeat.errors import ForeignFile, InputError, LockedError, UsageError
from facefeat.features.backbone import get
from facefeat.features.encode import Encoder, plan
from facefeat.features.store.lock import locked
from facefeat.features.weights import from_file
from facefeat.report import finetuned as report
from facefeat.tune.cut import blocks
from facefeat.tune.finetune import Finetuned, finetune
from facefeat.tune.schedule import Epoch, History, Schedule
from facefeat.tune.told import unlikely
from facefeat.tune.work import claim
from tests.making import write_people
from tests.tune.finetuning import twoblocks

ROOT = Path(__file__).resolve().parents[3]
SCHEDULE = Schedule("block2", augment=1, epochs=2, batch_size=8, learning_rate=1e-2)
PLAN = {"backbone": "twoblocks", "faces_mode": "none"}


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory, said: list[str]) -> Finetuned:
    """Tune on three people with six pictures each, one picture that is none, and one person with two pictures."""
    people = shutil.copytree(data, tmp_path_factory.mktemp("whole") / "people")
    (people / "ada" / "note.jpg").write_text("no picture")
    write_people(people, {"dan": 2}, size=40)
    output = people.parent / "tuned.npz"
    return finetune(people, output, plan(**PLAN), SCHEDULE, progress=lambda what, done, total: said.append(what))


def test_the_weights_are_what_extract_takes(made: Finetuned) -> None:
    read = get("twoblocks").weights(str(made.output))
    assert read.sha256 == made.weights_sha256 != made.plan.recipe.weights_sha256
    assert {name: tensor.shape for name, tensor in read.read().items()} == twoblocks.shapes()
    squares, engine = list(made.faces.squares[:5]), choose("keras", "float32")
    tuned, before = (
        Encoder(plan(**PLAN, weights=weights), engine, 8).vectors(squares) for weights in (str(made.output), None)
    )
    assert np.allclose(tuned["block1_pool"], before["block1_pool"], rtol=1e-5)
    assert not np.allclose(tuned["block2_pool"], before["block2_pool"], rtol=1e-2)


def test_nothing_is_left_beside_the_output(made: Finetuned) -> None:
    assert sorted(path.name for path in made.output.parent.iterdir()) == ["people", "tuned.npz"]


def test_it_says_what_it_does_before_and_while_it_does_it(made: Finetuned, said: list[str]) -> None:
    lines = [line for line in dict.fromkeys(said) if any(word in line for word in ("is trained", "likely", "epoch "))]
    assert lines[0].startswith(
        "block2 of twoblocks is trained on 20 pictures of 4 people, which take 0 MB in memory: at most"
    )
    assert lines[1] == (
        "With 20 pictures in all, and 6 photographs a person by the median, this will likely not pay: with 326 pictures of "
        "three people it did not (docs/benchmarks.md)"
    )
    assert [line.partition(":")[0] for line in lines[2:]] == ["epoch 1 of 2", "epoch 2 of 2"]


def test_the_report_says_who_was_left_out_and_what_may_be_believed(made: Finetuned) -> None:
    found = report.document(made)
    assert found["schema"] == "facefeat/finetune/1"
    assert found["train_only"] == ["dan"] and [one["code"] for one in found["skipped"]] == ["not_a_picture"]
    (fold,) = found["folds"]
    assert (fold["train"], fold["validation"], len(fold["test"])) == (11, 3, 6)
    assert len(fold["epochs"]) == 2 and found["scores"]["tested"] == 6
    assert not any(path.startswith("dan") for path in fold["test"])
    assert found["sentences"][1] == (
        "Vectors of the 14 pictures that trained it flatter it: cross-validation on them says nothing. Compare it on "
        "pictures that it did not see: facefeat compare --test."
    )
    picture = report.picture(made)
    assert picture.startswith("<svg") and "var(--" not in picture and "validation" in picture


@pytest.mark.parametrize("n", [1, 40])
def test_the_curves_of_few_and_of_many_epochs_are_drawn(made: Finetuned, n: int) -> None:
    epochs = tuple(Epoch(i + 1, 1 / (i + 1), 0.5, 1 / (i + 1), 0.6, 1e-4, 1.0) for i in range(n))
    (fold,) = made.folds
    picture = report.picture(replace(made, folds=(replace(fold, history=History(epochs, n, "epochs")),)))
    assert f"kept: {n}" in picture


def test_an_output_is_not_replaced_by_accident(made: Finetuned) -> None:
    folder = made.output.parent
    with pytest.raises(UsageError) as caught:
        finetune(folder / "people", made.output, plan(**PLAN), SCHEDULE)
    assert str(caught.value) == (
        f"{made.output} is the network of these pictures and settings already; --overwrite trains it again."
    )
    with pytest.raises(UsageError) as caught:
        finetune(folder / "people", made.output, plan(**PLAN), replace(SCHEDULE, epochs=9))
    assert str(caught.value) == (
        f"{made.output} holds a network that was tuned otherwise (epochs is 2 there and 9 now); write to another file "
        "with -o, or replace it with --overwrite."
    )
    other = folder / "people" / "ada" / "note.jpg"
    with pytest.raises(UsageError, match="which no fine-tuning made; choose another name with -o"):
        finetune(folder / "people", other, plan(**PLAN), SCHEDULE)
    assert other.read_text() == "no picture"
    assert not list(folder.glob("*.work")) and not list(other.parent.glob("*.work"))


def test_unfinished_work_of_other_settings_is_not_deleted_by_accident(tmp_path: Path) -> None:
    folder, output = tmp_path / "t.npz.work", tmp_path / "t.npz"
    claim(folder, output, {"epochs": 2, "data": "a"}, False)
    (folder / "fold-0-state.npz").write_bytes(b"work")
    claim(folder, output, {"epochs": 2, "data": "a"}, False)
    with pytest.raises(UsageError) as caught:
        claim(folder, output, {"epochs": 3, "data": "b"}, False)
    assert str(caught.value) == (
        f"An unfinished run left its work in {folder} (the pictures are others, epochs is 2 there and 3 now); finish that "
        "run, write to another file, or use --overwrite."
    )
    assert (folder / "fold-0-state.npz").exists()
    claim(folder, output, {"epochs": 3, "data": "b"}, True)
    assert not (folder / "fold-0-state.npz").exists()


def test_one_run_at_a_time(data: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "t.npz.work" / "lock"), pytest.raises(LockedError):
        finetune(data, tmp_path / "t.npz", plan(**PLAN), SCHEDULE)


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ({"ada": 4}, "Only ada has usable pictures; at least two people are needed to tell apart."),
        (
            {"ada": 2, "bob": 2},
            "Nobody has 3 different photographs: one each is needed to train, to say when to stop, and to test. "
            "Add photographs.",
        ),
    ],
)
def test_too_few_people_or_pictures_are_a_sentence(tmp_path: Path, people: dict[str, int], message: str) -> None:
    data = write_people(tmp_path / "people", people)
    with pytest.raises(InputError) as caught:
        finetune(data, tmp_path / "t.npz", plan(**PLAN), SCHEDULE)
    assert str(caught.value) == message
    assert [path.name for path in tmp_path.iterdir()] == ["people"]


def test_what_cannot_be_unfrozen_is_a_sentence(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        finetune(data, tmp_path / "t.npz", plan(**PLAN), replace(SCHEDULE, unfreeze="block3"))
    assert str(caught.value) == (
        "There is no block of twoblocks to unfreeze 'block3'; did you mean 'block2'? There are: all, block2."
    )
    with pytest.raises(
        UsageError, match=r"The backbone thumb cannot be fine-tuned; of those there are, these can: .*vgg16"
    ):
        blocks("thumb")
    np.savez(tmp_path / "other.npz", **{"block1_conv1/kernel": np.zeros(3, np.float32)})
    with pytest.raises(ForeignFile, match="it is of another network"):
        from_file(tmp_path / "other.npz", twoblocks.shapes())


def test_few_photographs_are_said_to_be_few() -> None:
    person = np.repeat(np.arange(10), 100).astype(np.int32)
    assert unlikely(person, np.arange(1000)) == ""
    assert unlikely(person[:999], np.arange(999)).startswith("With 999 pictures in all, and 100 photographs a person")
    assert unlikely(person, np.arange(1000) // 10).startswith("With 1,000 pictures in all, and 10 photographs a person")


CODE = """
import os, signal, sys
from importlib.metadata import EntryPoint
from facefeat import plugins
point = EntryPoint("twoblocks", "tests.tune.finetuning.twoblocks", plugins.GROUPS["backbone"])
plugins.entry_points = lambda group: [point] if group == point.group else []
from facefeat.features.encode import plan
from facefeat.tune.finetune import finetune
from facefeat.tune.schedule import Epoch, History, Schedule

schedule = Schedule("block2", augment=1, epochs=2, batch_size=8, learning_rate=1e-2)
data, whole, killed = sys.argv[1:]

def told(what, done, total):
    if what.startswith("epoch 1"):
        os.kill(os.getpid(), signal.SIGKILL)

if not os.path.exists(whole):
    finetune(data, whole, plan("twoblocks", faces_mode="none"), schedule)
    finetune(data, killed, plan("twoblocks", faces_mode="none"), schedule, progress=told)
finetune(data, killed, plan("twoblocks", faces_mode="none"), schedule)
"""


def test_a_killed_run_on_another_backend_goes_on_and_ends_the_same(data: Path, tmp_path: Path) -> None:
    backend = next((name for name in ("jax", "torch", "tensorflow") if find_spec(name)), "")

    whole, killed = tmp_path / "whole.npz", tmp_path / "killed.npz"
    command = [sys.executable, "-c", CODE, str(data), str(whole), str(killed)]

    def run() -> int:
        return subprocess.run(command, cwd=ROOT, env={**os.environ, "KERAS_BACKEND": backend}, check=False).returncode

    assert run() == -signal.SIGKILL
    assert whole.exists() and not killed.exists() and (tmp_path / "killed.npz.work" / "fold-0-state.npz").exists()
    assert run() == 0
    one, other = (from_file(path, twoblocks.shapes()).read() for path in (whole, killed))
    assert all(np.allclose(one[name], other[name], rtol=0, atol=1e-6) for name in one)
