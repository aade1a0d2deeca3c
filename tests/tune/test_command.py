"""What a person types to take a model elsewhere, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facefeat.report import exported
from facefeat.tune.export import Exported
from tests.cli.test_commands import refused, run
from tests.tune.conftest import Models


@pytest.fixture
def model(models: Models, tmp_path: Path) -> Path:
    """Give a copy of a model, to write beside."""
    path = tmp_path / "model.facefeat"
    path.write_bytes(models("lda").read_bytes())
    return path


def test_the_table_says_what_goes_in_and_out(model: Path, faces: Path) -> None:
    found = run("export", model, "--format", "keras", "--check", faces)
    assert found.exit_code == 0, found.stderr
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert lines[:6] == [
        "model lda on block1_pool of vgg16, 4 people",
        "format a Keras model",
        "input rgb, uint8, (n, 32, 32, 3): aligned faces",
        "outputs best, int32, (n,)",
        "probability, float32, (n, 4)",
        "similarity, float32, (n, 4)",
    ]
    assert lines[6].startswith("unknown where the best's similarity is below 0.")
    assert lines[7] == "names the same, on 25 made-up squares, 24 of its own faces and 24 of photographs"
    assert lines[8].startswith("scores differ by at most: probability ") and lines[8].endswith("(allowed: 1e-03)")
    assert str(model.with_suffix(".keras")) in "".join(lines)
    assert found.stderr.splitlines()[-1] == "How to run it with keras alone: docs/export.md"
    assert sorted(path.name for path in model.parent.iterdir()) == ["model.facefeat", "model.keras"]


def test_the_document(exports: dict[str, Exported]) -> None:
    made = exports["openvino"]
    found = json.loads(json.dumps(exported.document(made), allow_nan=False))
    assert found["schema"] == "facefeat/export/1" and found["format"] == "openvino"
    assert found["output"] == found["files"][0] and [Path(name).suffix for name in found["files"]] == [".xml", ".bin"]
    assert found["bytes"] == sum(Path(name).stat().st_size for name in found["files"])
    assert (found["faces"], found["trained"], found["pictures"], found["skipped"]) == (49, 24, 0, 0)
    assert found["max_difference"] == max(found["differences"].values()) < found["tolerance"] == 1e-3
    assert found["description"]["people"] == ["ada", "bob", "cleo", "dan"] and found["undecided"] == 0


def test_mistakes_are_one_sentence_each(model: Path, tmp_path: Path) -> None:
    assert refused(3, "export", tmp_path / "none.facefeat", "--format", "onnx") == (
        f"There is no model {tmp_path / 'none.facefeat'}; make one with: facefeat fit -o {tmp_path / 'none.facefeat'}"
    )
    assert refused(2, "export", model, "--format", "kears") == (
        "There is no format 'kears'; did you mean 'keras'? There are: keras, onnx, openvino, tflite."
    )
    assert refused(3, "export", model, "--format", "keras", "--check", tmp_path / "nowhere", "-q") == (
        f"There is no folder {tmp_path / 'nowhere'}."
    )
    (tmp_path / "bad.facefeat").write_bytes(model.read_bytes()[:-100])
    assert refused(4, "export", tmp_path / "bad.facefeat", "--format", "keras").startswith(
        f"{tmp_path / 'bad.facefeat'} is damaged"
    )
