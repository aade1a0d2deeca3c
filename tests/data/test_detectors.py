"""Detectors by name: knobs, files, and what is said of wrong ones."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefeat.data import opencv
from facefeat.data.detectors import face_step, load
from facefeat.data.faces import FaceStep
from facefeat.data.mtcnn import MTCNN
from facefeat.data.yunet import MAX_BYTES, YuNet
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, FacefeatError, InputError, UsageError
from tests.cli.test_commands import document, refused, run
from tests.data.test_yunet import SHA256, another_network, yunet_file
from tests.making import write_people

MTCNN_STEP = FaceStep("mtcnn", MTCNN.version, MTCNN.weights_sha256)

# A whole ONNX file of one node, y = max(x, 0).
RELU = bytes.fromhex(
    "080e3a4f0a0c0a01781201792204"
    "52656c751201675a1d0a017812180a16080112120a0208010a0208030a0308c0020a0308c002"
    "621d0a017912180a16080112120a0208010a0208030a0308c0020a0308c00242040a00100c"
)


def complaint(error: type[FacefeatError], call: Any, *words: Any, **knobs: Any) -> str:
    with pytest.raises(error) as caught:
        call(*words, **knobs)
    assert type(caught.value) is error
    return str(caught.value)


@pytest.mark.parametrize("mode", ["auto", "mtcnn"])
def test_mtcnn_is_the_default(mode: str) -> None:
    assert face_step(mode) == face_step() == (MTCNN_STEP, None)


def test_none_has_no_other_fields() -> None:
    assert face_step("none") == (FaceStep(), None)
    assert face_step("none", policy="skip", margin=0.2, min_score=0.5, min_face=0.1, template="arcface") == (
        FaceStep(),
        None,
    )


def test_yunet_comes_with_its_file() -> None:
    step, file = face_step(f"yunet:{yunet_file()}")
    assert (step.detector, step.weights_sha256, file) == ("yunet", SHA256, yunet_file())


@pytest.mark.parametrize("mode", ["auto", "yunet"])
def test_every_knob_is_a_field_of_the_step(mode: str) -> None:
    mode = f"yunet:{yunet_file()}" if mode == "yunet" else mode
    knobs: dict[str, Any] = {
        "template": "arcface", "margin": -0.1, "policy": "central", "min_score": 0.7, "min_face": 0.1,
    }  # fmt: skip
    bare = face_step(mode)[0]
    assert face_step(mode, **knobs)[0] == replace(bare, **knobs)
    for name, value in knobs.items():
        assert face_step(mode, **{name: value})[0] == replace(bare, **{name: value})
        assert face_step(mode, **{name: None})[0] == bare


@pytest.mark.parametrize(
    ("knob", "low", "high"), [("margin", -0.3, 1.0), ("min_score", 0.0, 1.0), ("min_face", 0.0, 1.0)]
)
def test_the_ends_of_a_range_are_in_it(knob: Any, low: float, high: float) -> None:
    assert [getattr(face_step(**{knob: value})[0], knob) for value in (low, high)] == [low, high]


@pytest.mark.parametrize(
    ("mode", "knobs", "sentence"),
    [
        ("mtcn", {}, "There is no way to handle faces 'mtcn'; did you mean 'mtcnn'? There are: auto, mtcnn, none, yunet:FILE."),
        ("yunet", {}, "There is no way to handle faces 'yunet'; did you mean 'yunet:FILE'? There are: auto, mtcnn, none, yunet:FILE."),
        ("yunet:", {}, "There is no way to handle faces 'yunet:'; did you mean 'yunet:FILE'? There are: auto, mtcnn, none, yunet:FILE."),
        ("mtcnn:x", {}, "There is no way to handle faces 'mtcnn:x'; did you mean 'mtcnn'? There are: auto, mtcnn, none, yunet:FILE."),
        ("none:x", {}, "There is no way to handle faces 'none:x'; did you mean 'none'? There are: auto, mtcnn, none, yunet:FILE."),
        ("", {}, "There is no way to handle faces ''. There are: auto, mtcnn, none, yunet:FILE."),
        ("auto", {"template": "boxes"}, "There is no template 'boxes'; did you mean 'box'? There are: arcface, box, dlib."),
        ("auto", {"policy": "require_one"}, "There is no policy 'require_one'; did you mean 'require-one'? There are: central, largest, require-one, skip."),
        ("auto", {"policy": ""}, "There is no policy ''. There are: central, largest, require-one, skip."),
        ("auto", {"margin": 1.01}, "The margin must be from -0.3 to 1; 1.01 was given."),
        ("auto", {"margin": -0.31}, "The margin must be from -0.3 to 1; -0.31 was given."),
        ("mtcnn", {"margin": float("nan")}, "The margin must be from -0.3 to 1; nan was given."),
        ("auto", {"min_score": 1.5}, "The lowest score must be from 0 to 1; 1.5 was given."),
        ("auto", {"min_score": -0.1}, "The lowest score must be from 0 to 1; -0.1 was given."),
        ("auto", {"min_face": 2.0}, "The smallest face must be from 0 to 1; 2.0 was given."),
        ("auto", {"min_face": float("inf")}, "The smallest face must be from 0 to 1; inf was given."),
    ],
)  # fmt: skip
def test_what_does_not_exist_or_fit_is_said(mode: str, knobs: Any, sentence: str) -> None:
    assert complaint(UsageError, face_step, mode, **knobs) == sentence
    options = [f"--{name.replace('_', '-')}={value}" for name, value in knobs.items()]
    assert refused(2, "extract", "people", f"--faces={mode}", *options) == sentence


def test_knobs_of_yunet_are_checked_as_well() -> None:
    mode = f"yunet:{yunet_file()}"
    assert (
        complaint(UsageError, face_step, mode, min_score=3.0) == "The lowest score must be from 0 to 1; 3.0 was given."
    )


def test_none_is_loaded_as_none(engine: Engine) -> None:
    assert load(FaceStep(), engine) is None


def test_a_step_gets_its_detector(engine: Engine) -> None:
    assert isinstance(load(MTCNN_STEP, engine), MTCNN)
    assert isinstance(load(face_step(f"yunet:{yunet_file()}")[0], engine, yunet_file()), YuNet)


def test_a_recipe_of_another_detector_is_refused(engine: Engine) -> None:
    assert complaint(DamagedFile, load, replace(MTCNN_STEP, version="9.9"), engine) == (
        f"The recipe finds faces with mtcnn 9.9; this facefeat has mtcnn {MTCNN.version}."
    )
    assert complaint(DamagedFile, load, replace(MTCNN_STEP, detector="retina", version="2"), engine) == (
        f"The recipe finds faces with retina 2; this facefeat has mtcnn {MTCNN.version}."
    )
    assert complaint(DamagedFile, load, replace(MTCNN_STEP, weights_sha256="ab" * 32), engine) == (
        f"The recipe finds faces with abababababab; this facefeat has {MTCNN.weights_sha256[:12]} (SHA-256)."
    )
    step = replace(face_step(f"yunet:{yunet_file()}")[0], version="opencv 3")
    assert complaint(DamagedFile, load, step, engine, yunet_file()) == (
        f"The recipe finds faces with yunet opencv 3; this facefeat has yunet {YuNet(yunet_file()).version}."
    )


def test_yunet_needs_its_file(engine: Engine, tmp_path: Path) -> None:
    step = face_step(f"yunet:{yunet_file()}")[0]
    assert complaint(DamagedFile, load, step, engine) == (
        f"The faces were found by a YuNet file (SHA-256 {SHA256[:12]}); give it as --detector FILE."
    )
    other = another_network(tmp_path / "other.onnx")
    assert complaint(DamagedFile, load, step, engine, other) == (
        f"The recipe finds faces with {SHA256[:12]}; this facefeat has {YuNet(other).weights_sha256[:12]} (SHA-256)."
    )


def broken_files() -> dict[str, bytes]:
    whole = yunet_file().read_bytes()
    return {
        "noise": np.random.default_rng(0).bytes(5000),
        "text": b"This is no network.\n" * 9,
        "zeros": bytes(1000),
        "half": whole[: len(whole) // 2],
        "cut": whole[:-1],
        "relu": RELU,
    }


@pytest.mark.parametrize("kind", ["noise", "text", "zeros", "half", "cut", "relu"])
def test_a_file_that_is_no_yunet_is_refused(kind: str, engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.onnx"
    path.write_bytes(broken_files()[kind])
    step = face_step(f"yunet:{path}")[0]  # its hash is all that is looked at
    assert complaint(DamagedFile, load, step, engine, path) == (
        f"{path} is no YuNet network that OpenCV {opencv.cv2().__version__} can run."
    )


def test_an_empty_file_and_a_huge_one_are_refused(tmp_path: Path) -> None:
    empty, huge = tmp_path / "empty.onnx", tmp_path / "huge.onnx"
    empty.touch()
    with open(huge, "wb") as file:
        file.truncate(MAX_BYTES * 4)
    assert complaint(DamagedFile, face_step, f"yunet:{empty}") == f"{empty} is no YuNet network: it has 0 bytes."
    assert complaint(DamagedFile, face_step, f"yunet:{huge}") == (
        f"{huge} is no YuNet network: it has {MAX_BYTES + 1:,} bytes."
    )


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    missing = tmp_path / "none.onnx"
    assert complaint(InputError, face_step, f"yunet:{missing}") == (
        f"The detector's file {missing} cannot be read: No such file or directory."
    )
    assert complaint(InputError, face_step, f"yunet:{tmp_path}") == (
        f"The detector's file {tmp_path} cannot be read: a folder."
    )
    assert complaint(InputError, face_step, "yunet:a\0b") == (
        "There is no detector's file 'a\\x00b': a name cannot hold a null byte."
    )


def test_a_file_that_is_no_network_leaves_nothing_behind(tmp_path: Path) -> None:
    data, path = write_people(tmp_path / "people"), tmp_path / "relu.onnx"
    path.write_bytes(RELU)
    words = ["extract", data, "-o", tmp_path / "f.h5", "--backbone", "thumb", "--faces", f"yunet:{path}"]
    found = run(*words)
    assert (found.exit_code, found.stdout) == (4, "")
    assert found.stderr.splitlines()[-1] == (
        f"{path} is no YuNet network that OpenCV {opencv.cv2().__version__} can run."
    )
    assert not (tmp_path / "f.h5").exists()
    again = document("extract", data, "-o", tmp_path / "f.h5", "--backbone", "thumb", "--faces", "none")
    assert again["computed"] == 6  # what is left of the first run does not stand in the way


@pytest.mark.parametrize("kind", ["noise", "relu"])
def test_opencv_prints_nothing_of_its_own(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.onnx"
    path.write_bytes(broken_files()[kind])
    data = write_people(tmp_path / "people")
    words = ["extract", data, "-o", tmp_path / "f.h5", "--backbone", "thumb", "--faces", f"yunet:{path}", "-q"]
    command = [sys.executable, "-m", "facefeat", *map(str, words)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    sentence = f"{path} is no YuNet network that OpenCV {opencv.cv2().__version__} can run.\n"
    assert (found.returncode, found.stdout, found.stderr) == (4, "", sentence)
