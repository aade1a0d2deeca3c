"""What cannot be exported is said in one sentence, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facefeat.errors import DamagedFile, ExportDiffers, InputError, MissingExtra, StorageError, UsageError
from facefeat.features.recipe import Calibration
from facefeat.features.store.file import read
from facefeat.heads import lda
from facefeat.learn import bundle as bundles
from facefeat.learn.fit import fit
from facefeat.tune import formats, network
from facefeat.tune.export import export
from tests.tune.conftest import Models

Answers = dict[str, Any]


@pytest.fixture
def model(models: Models) -> Path:
    return models("lda")


def refusal(kind: type[Exception], run: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        run()
    return str(caught.value)


def test_formats_are_known_by_their_names_and_suffixes(model: Path, tmp_path: Path) -> None:
    assert refusal(UsageError, lambda: export(model, format="onx")) == (
        "There is no format 'onx'; did you mean 'onnx'? There are: keras, onnx, openvino, tflite."
    )
    assert refusal(UsageError, lambda: export(model, tmp_path / "model.bin")) == (
        "Say which format to write, with --format: keras, onnx, openvino, tflite."
    )
    assert refusal(UsageError, lambda: export(model)) == (
        "Say which format to write, with --format: keras, onnx, openvino, tflite."
    )
    assert refusal(UsageError, lambda: export(model, tmp_path / "model.onnx", format="keras")) == (
        "A file of a Keras model ends in .keras; 'model.onnx' was given."
    )
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    assert refusal(UsageError, lambda: export(model, folder)) == (f"{folder} is a folder; a file to write is expected.")


def test_a_missing_package_is_named_by_its_extra(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    assert refusal(MissingExtra, lambda: export(model, format="onnx")) == (
        "Writing ONNX needs the extra 'export'; install it with: pip install 'facefeat[export]'"
    )
    assert refusal(MissingExtra, lambda: export(model, format="tflite")) == (
        "Writing TensorFlow Lite needs the extra 'export'; install it with: pip install 'facefeat[export]'"
    )


def test_other_backends_write_keras_only(monkeypatch: pytest.MonkeyPatch) -> None:
    jax = SimpleNamespace(config=SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setattr(formats, "import_keras", lambda: jax)
    formats.get("keras").require()
    assert refusal(UsageError, formats.get("openvino").require) == (
        "Writing OpenVINO's IR takes Keras on TensorFlow, but KERAS_BACKEND is jax; unset it, or use --format keras."
    )


def test_a_head_without_layers_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(lda, "in_layers")
    assert refusal(UsageError, lambda: export(model, format="keras")) == (
        "The head lda cannot be written in layers, so a model of it cannot be exported; there are: dense, knn, logreg, "
        "prototype, svm."
    )


def test_a_backbone_that_is_no_keras_network_is_refused(thumb_file: Path, tmp_path: Path) -> None:
    model = fit(read(thumb_file), tmp_path / "m.facefeat", head="lda").output
    found = refusal(UsageError, lambda: export(model, format="keras"))
    assert (
        found.startswith("The backbone thumb is no Keras network, so a model on it cannot be exported; there are: ")
        and "vgg16" in found.rpartition(":")[2]
    )


def test_int8_is_refused(model: Path) -> None:
    bundle = bundles.read(model)
    rounded = replace(bundle.recipe, numerics="int8", calibration=Calibration(((0.0, 1.0),), 1, 1.0, 1))
    assert refusal(UsageError, lambda: network.check(replace(bundle, recipe=rounded))) == (
        "The model's vectors are of int8, which other formats round in other ways, so it cannot be exported; extract "
        "without --precision int8 and fit again."
    )


def test_a_users_own_weights_are_asked_for(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = bundles.read(model)
    own = replace(bundle, recipe=replace(bundle.recipe, weights="file"))
    monkeypatch.setattr(bundles, "read", lambda path: own)
    assert refusal(DamagedFile, lambda: export(model, tmp_path / "m.keras")) == (
        f"The vectors were made with a weights file (SHA-256 {bundle.recipe.weights_sha256[:12]}); give it as "
        "--weights FILE."
    )


def test_a_file_that_says_something_else_is_not_kept(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras = formats.get("keras")

    def load(path: Path) -> tuple[str, formats.Predict]:
        said, run = keras.load(path)
        return said, lambda faces: skewed(run(faces))

    def skewed(found: Answers) -> Answers:
        similarity = np.asarray(found["similarity"]) + np.float32(0.5)
        return {**found, "similarity": similarity, "best": (np.asarray(found["best"]) + 1) % 4}

    monkeypatch.setitem(formats.FORMATS, "keras", replace(keras, load=load))
    (tmp_path / "m.keras").write_text("what was there before")
    assert refusal(ExportDiffers, lambda: export(model, tmp_path / "m.keras", format="keras")) == (
        "What was written as a Keras model gives other scores than the model, by up to 0.5 where 0.001 is allowed, and 49 of "
        "49 faces get another name; so it was not kept. Try another --format, and report this."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
    assert (tmp_path / "m.keras").read_text() == "what was there before"


def canned(monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[..., None]) -> None:
    """Let a format write something quick, and agree with everything."""
    quick = replace(formats.get(name), write=write, load=lambda path: (path.read_text(), lambda faces: {}))
    monkeypatch.setitem(formats.FORMATS, name, quick)
    monkeypatch.setattr("facefeat.tune.export.network.build", lambda bundle, plan: None)
    monkeypatch.setattr("facefeat.tune.export.Agreement.add", lambda self, bundle, found, expected: None)


def test_a_place_that_cannot_be_written_is_named(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canned(monkeypatch, "keras", lambda made, path, document: path.write_text(document))
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "m.keras"
    assert refusal(StorageError, lambda: export(model, path)) == f"{path} cannot be written: File exists."
    assert export(model, tmp_path / "new" / "folder" / "m.keras").bytes > 0


def test_a_full_disk_of_scratch_is_a_sentence(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(made: object, path: Path, document: str) -> None:
        raise RuntimeError("basic_ios::clear: iostream error")

    canned(monkeypatch, "openvino", full)
    found = refusal(StorageError, lambda: export(model, tmp_path / "m.xml"))
    assert found.startswith("There is no space left in ") and found.endswith("; free some, or set TMPDIR.")
    assert list(tmp_path.iterdir()) == []


def test_a_pair_of_files_is_replaced_together(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pair(made: object, path: Path, document: str) -> None:
        path.write_text(document)
        path.with_suffix(".bin").write_text("new")

    canned(monkeypatch, "openvino", pair)
    for suffix in (".xml", ".bin"):
        (tmp_path / f"m{suffix}").write_text("old")
    seen: list[dict[str, str]] = []
    real = __import__("os").replace

    def watched(source: str, target: Path) -> None:
        seen.append({path.suffix: path.read_text() for path in tmp_path.iterdir() if not path.name.startswith(".")})
        real(source, target)

    monkeypatch.setattr("facefeat.features.store.durable.os.replace", watched)
    made = export(model, tmp_path / "m.xml")
    assert [path.name for path in made.files] == ["m.xml", "m.bin"]
    assert seen == [{".bin": "old"}, {".bin": "new"}]  # never an old .xml with a new .bin
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bin", "m.xml"]


def test_a_folder_to_check_on_needs_a_face(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canned(monkeypatch, "keras", lambda made, path, document: path.write_text(document))
    (tmp_path / "data" / "ada").mkdir(parents=True)
    (tmp_path / "data" / "ada" / "1.png").write_text("no picture")
    assert refusal(InputError, lambda: export(model, tmp_path / "m.keras", data=tmp_path / "data")) == (
        f"None of the 1 files of {tmp_path / 'data'} shows a face that can be compared."
    )
    assert not (tmp_path / "m.keras").exists()
