"""int8: calibrated once, on the faces of the data set, and kept with what it made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefeat.data import picture
from facefeat.errors import InputError, PictureRefused, RecipeMismatch, UsageError
from facefeat.features import extract as extracting
from facefeat.features.encode import plan
from facefeat.features.extract import Extraction, extract
from facefeat.features.store.file import read
from facefeat.learn import bundle as bundles
from facefeat.learn.evaluate import evaluate
from facefeat.learn.fit import fit
from facefeat.learn.predict import load
from tests.making import encoded, person_pixels, write_people

PLAN = plan("vgg16", size=32, layers=["block2_pool", "block3_pool"], faces_mode="none")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of three people with twelve pictures each. Not to be changed."""
    return write_people(tmp_path_factory.mktemp("data") / "people", {"ada": 12, "bob": 12, "cleo": 12})


@pytest.fixture(scope="module")
def rounded(data: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a feature file in int8. Not to be changed."""
    return run(data, tmp_path_factory.mktemp("rounded") / "features.h5").file.path


def run(data: Path, output: Path, **options: Any) -> Extraction:
    return extract(data, output, PLAN, **{"precision": "int8", **options})


def again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second calibration fail the test."""
    monkeypatch.setattr(extracting, "calibrated", lambda *_: pytest.fail("calibrated again"))


def test_rows_are_near_float32_and_the_recipe_says_how_near(data: Path, rounded: Path, tmp_path: Path) -> None:
    file = read(rounded)
    found = file.recipe.calibration
    assert (file.recipe.numerics, file.made_by["precision"]) == ("int8", "int8")
    assert found is not None
    assert (found.faces, found.checked, len(found.ranges)) == (36, 0, 6)
    full = run(data, tmp_path / "full.h5", precision="float32").file
    lowest = 1.0
    for layer in file.layers:
        a, b = file.vectors(layer).astype(float), full.vectors(layer).astype(float)
        cosines = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        lowest = min(lowest, cosines.min())
    assert 0.99 < lowest < 0.999999
    assert found.cosine == pytest.approx(lowest, abs=1e-3)


def test_names_and_order_of_the_pictures_do_not_matter(data: Path, rounded: Path, tmp_path: Path) -> None:
    for number, file in enumerate(sorted(data.glob("*/*"))):
        folder = tmp_path / "renamed" / f"x{file.parent.name[::-1]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{97 - number}.png").write_bytes(file.read_bytes())
    assert run(tmp_path / "renamed", tmp_path / "features.h5").file.recipe == read(rounded).recipe


def test_a_second_run_takes_the_calibration_there_is(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = write_people(tmp_path / "few", {"ada": 3, "bob": 3})
    output = tmp_path / "features.h5"
    first = run(few, output).file.recipe
    again(monkeypatch)
    write_people(few, {"ada": 5, "bob": 3})
    second = run(few, output)
    assert second.file.recipe == first
    assert (second.computed, second.reused) == (2, 6)


def test_an_unfinished_run_keeps_its_calibration(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "features.h5"
    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr(extracting, "publish", _stop)
        run(data, output)
    again(monkeypatch)
    assert run(data, output).computed == 0


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_int8_and_full_precision_do_not_mix(data: Path, rounded: Path) -> None:
    with pytest.raises(RecipeMismatch) as caught:
        run(data, rounded, precision="auto")
    assert "numerics is int8 instead of full" in str(caught.value)


def test_a_backbone_that_is_no_network_of_convolutions_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        extract(data, tmp_path / "features.h5", plan("thumb", faces_mode="none"), precision="int8")
    assert str(caught.value) == "The backbone thumb does not compute in int8; leave --precision out."
    assert not list(tmp_path.iterdir())


def test_an_engine_that_does_not_compute_in_int8_is_refused_first(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(monkeypatch)
    with pytest.raises(UsageError) as caught:
        run(data, tmp_path / "features.h5", engine="keras")
    assert str(caught.value) == (
        "The keras engine has no precision 'int8'; use float32, bfloat16 or float16, or --engine openvino."
    )


def test_pictures_of_which_none_can_be_used_calibrate_nothing(tmp_path: Path) -> None:
    (tmp_path / "people" / "ada").mkdir(parents=True)
    (tmp_path / "people" / "ada" / "1.png").write_bytes(b"no picture")
    with pytest.raises(InputError) as caught:
        run(tmp_path / "people", tmp_path / "features.h5")
    assert str(caught.value) == "None of the pictures can be used, so int8 cannot be calibrated on them."


def test_pictures_that_are_refused_are_passed_over(data: Path, rounded: Path, tmp_path: Path) -> None:
    write_people(tmp_path / "people", {"ada": 12, "bob": 12, "cleo": 12})
    (tmp_path / "people" / "ada" / "x.png").write_bytes(b"no picture")
    with pytest.raises(PictureRefused):
        picture.load(tmp_path / "people" / "ada" / "x.png")
    assert run(tmp_path / "people", tmp_path / "features.h5").file.recipe == read(rounded).recipe


def test_a_model_of_int8_names_pictures_in_int8(data: Path, rounded: Path, tmp_path: Path) -> None:
    model = fit(read(rounded), tmp_path / "model.facefeat", head="lda", layer="block3_pool").output
    bundle = bundles.read(model)
    assert bundle.recipe == read(rounded).recipe
    recogniser = load(model)
    assert recogniser.encoder.engine.precision == "int8"
    (tmp_path / "new.png").write_bytes(encoded(person_pixels("bob", 99)))
    (photo,) = recogniser.predict([tmp_path / "new.png"])
    assert photo.faces[0][1].best == "bob"
    assert evaluate(bundle, data).accuracy.mean == 1
    with pytest.raises(UsageError) as caught:
        load(model, engine="keras")
    assert "use float32, bfloat16 or float16, or --engine openvino" in str(caught.value)
