"""What fine-tuning costs and brings: the cached activations against the whole network, and frozen against tuned.

    scripts/bench/finetune.py                         the speed, on ORL
    scripts/bench/finetune.py --squad FOLDER          and whether it pays: hours on a CPU

Speed: the same steps on the same pictures and copies, once from cached activations and once through the whole network
with its lower layers frozen, in turn; medians. Then both are trained for a few epochs from one seed.

Accuracy: `finetune` with its defaults. ORL: five folds, so that every picture is tested once by a network that did not
see it. squad: a fifth of Train is held out; then heads are fitted on all of Train and tested on Test, which no training saw.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from faces import main, orl_people, with_interval

from facefeat.data.folder import list_people
from facefeat.engines.network import Engine
from facefeat.features import hashes
from facefeat.features.encode import Plan, plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.statistics import matched_difference
from facefeat.report.words import interval
from facefeat.tune.activations import Pixels, Source, activations
from facefeat.tune.checkpoint import Checkpoint
from facefeat.tune.cut import network_of
from facefeat.tune.face_table import FaceTable, face_table
from facefeat.tune.finetune import Finetuned, finetune
from facefeat.tune.payoff import candidates
from facefeat.tune.schedule import Schedule
from facefeat.tune.split import Split, splits
from facefeat.tune.training import softmax_over, train

SPEED_PEOPLE = 10  # of ORL
STEPS, EPOCHS = 15, 3
FOLDS = 5  # of ORL
TRAINING = {"augment": 2, "epochs": 30}  # of what is measured for its accuracy
HEADS = ("lda", "prototype", "logreg", "svm", "knn")


def measure(squad: Path | None, _: Engine) -> Iterator[dict[str, Any]]:
    """Measure the speed; then, where squad is given, what fine-tuning brings."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for path, person in orl_people():
            (folder / "orl" / person).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "orl" / person / path.name)
            if int(person[1:]) <= SPEED_PEOPLE:
                (folder / "some" / person).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / "some" / person / path.name)
        for unfreeze in ("block5", "block4"):
            yield from _speed(folder / "some", folder, unfreeze)
        for unfreeze in ("block5", "block4") if squad else ():
            yield _orl(folder, unfreeze)
        for unfreeze in ("block5", "block4"):
            if squad:
                yield from _squad(squad, folder, unfreeze)


def _faces(data: Path, made: Plan, folder: Path) -> FaceTable:
    dataset = list_people(data)
    return face_table(dataset, hashes.of_all(dataset), made, folder, 2, lambda what, done, total: None)


def _speed(data: Path, place: Path, unfreeze: str) -> Iterator[dict[str, Any]]:
    made, schedule = plan(), Schedule(unfreeze, augment=2, epochs=EPOCHS, patience=EPOCHS)
    folder = place / f"speed-{unfreeze}"
    folder.mkdir()
    faces = _faces(data, made, folder)
    split = splits(faces.person, np.arange(len(faces)), faces.people)[0]
    pixels = Pixels(faces, schedule.augment)
    frozen = network_of(made.recipe, made.weights.read(), unfreeze).frozen
    cached = activations(pixels, frozen, folder, schedule.batch_size, lambda done, total: None)
    yield _steps(made, unfreeze, faces, cached, pixels, schedule)
    yield from _curves(made, unfreeze, faces, split, {"cached": cached, "whole": pixels}, schedule, folder)


def _steps(
    made: Plan, unfreeze: str, faces: FaceTable, cached: Source, pixels: Source, schedule: Schedule
) -> dict[str, Any]:
    """Time steps from the cache and through the whole network, in turn."""
    upper, whole = (network_of(made.recipe, made.weights.read(), unfreeze) for _ in range(2))
    students = {
        "cached": (softmax_over(upper.trained, faces.person, 1e-5), cached),
        "whole": (softmax_over(whole.whole, faces.person, 1e-5), pixels),
    }
    n, spent = schedule.batch_size, {"cached": [], "whole": []}  # type: dict[str, Any]
    draws = np.random.default_rng(0)
    for step in range(STEPS + 2):
        rows, copies = draws.integers(len(faces), size=n), draws.integers(schedule.augment + 1, size=n)
        for name, ((student, classes), source) in students.items():
            started = time.perf_counter()
            student.train_on_batch(source.take(rows, copies), classes[faces.person[rows]])
            if step > 1:  # the first ones compile
                spent[name].append(time.perf_counter() - started)
    rates = {name: n / float(np.median(seconds)) for name, seconds in spent.items()}
    return {
        "trained": unfreeze,
        "size": made.recipe.input_size,
        "batch": n,
        "cached, images/s": f"{rates['cached']:.1f}",
        "whole network, images/s": f"{rates['whole']:.1f}",
        "ratio": f"{rates['cached'] / rates['whole']:.1f}",
    }


def _curves(
    made: Plan,
    unfreeze: str,
    faces: FaceTable,
    split: Split,
    sources: dict[str, Source],
    schedule: Schedule,
    folder: Path,
) -> Iterator[dict[str, Any]]:
    """Train from one seed both ways, and set the losses side by side."""
    found = {}
    for name, source in sources.items():
        network = network_of(made.recipe, made.weights.read(), unfreeze)
        upper = network.trained if name == "cached" else network.whole
        found[name] = train(upper, source, faces.person, split, schedule, Checkpoint(folder, name)).epochs
    for cached, whole in zip(found["cached"], found["whole"], strict=True):
        yield {
            "trained": unfreeze,
            "epoch": cached.number,
            "loss, cached": f"{cached.loss:.4f}",
            "loss, whole": f"{whole.loss:.4f}",
            "validation loss, cached": f"{cached.validation_loss:.4f}",
            "validation loss, whole": f"{whole.validation_loss:.4f}",
        }


def _orl(place: Path, unfreeze: str) -> dict[str, Any]:
    found = finetune(
        place / "orl",
        place / f"orl-{unfreeze}.npz",
        plan(),
        Schedule(unfreeze, folds=FOLDS, **TRAINING),
        progress=_said,
    )
    return {"data": f"ORL, {FOLDS} of 5 folds", "trained": unfreeze} | _figures(found)


def _squad(squad: Path, place: Path, unfreeze: str) -> Iterator[dict[str, Any]]:
    output = place / f"squad-{unfreeze}.npz"
    found = finetune(squad / "Train", output, plan(), Schedule(unfreeze, **TRAINING), progress=_said)
    yield {"data": "squad Train, a fifth held out", "trained": unfreeze} | _figures(found)
    right = {}
    for name, made in (("frozen", plan()), ("tuned", plan(weights=str(output)))):
        train_file, test_file = (
            extract(squad / part, place / f"{unfreeze}-{name}-{part}.h5", made).file for part in ("Train", "Test")
        )
        for layer in candidates(made.recipe):
            for head, its in _on_test(train_file, test_file, layer):
                right[name, layer, head] = its
    for layer in candidates(plan().recipe):
        for head in HEADS:
            one, other = right["frozen", layer, head], right["tuned", layer, head]
            its = matched_difference(other, one)
            yield {
                "squad, Train to Test": head,
                "layer": layer,
                "trained": unfreeze,
                "frozen": with_interval(float(one.mean()), len(one)),
                "tuned": with_interval(float(other.mean()), len(other)),
                "p": f"{its.p_value:.2f}",
            }


def _on_test(train_file: FeatureFile, test_file: FeatureFile, layer: str) -> Iterator[tuple[str, Any]]:
    """Fit heads on one file and yield which pictures of another they name right; both have the same people."""
    assert train_file.people == test_file.people
    X = np.concatenate([train_file.vectors(layer), test_file.vectors(layer)])
    y = np.concatenate([train_file.person, test_file.person])
    split = np.arange(len(train_file)), np.arange(len(train_file), len(y))
    for head, (result,) in zip(HEADS, cross_validate(X, y, [split], [Trial(one) for one in HEADS], 2), strict=True):
        assert isinstance(result, Outcome), result
        yield head, result.named == test_file.person


def _figures(found: Finetuned) -> dict[str, Any]:
    its = found.payoff
    difference = its.difference
    return {
        "frozen": f"{100 * its.frozen.mean:.1f} [{interval(its.frozen)}]",
        "tuned": f"{100 * its.tuned.mean:.1f} [{interval(its.tuned)}]",
        "difference": f"{100 * difference.mean:+.1f} [{100 * difference.low:.1f} to {100 * difference.high:.1f}]",
        "p": f"{difference.p_value:.2f}",
        "verdict": its.verdict,
        "epochs, best": ", ".join(f"{len(one.history.epochs)}, {one.history.best}" for one in found.folds[:1]),
        "seconds": f"{found.seconds:.0f}",
    }


def _said(what: str, done: int, total: int) -> None:
    if not total:
        print(f"# {what}", flush=True)


if __name__ == "__main__":
    main(measure, __doc__)
