"""What is exported names faces as the model does, in every format."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facefeat import plugins
from facefeat.data.faces import ARCFACE, FaceStep
from facefeat.learn import bundle as bundles
from facefeat.learn.naming import namings
from facefeat.learn.predict import load
from facefeat.tune import described, formats
from facefeat.tune.export import Exported, export, made_up
from tests.making import person_pixels
from tests.tune.conftest import Models

Shown = tuple[NDArray[np.uint8], NDArray[np.float32]]

ROOT = Path(__file__).parents[2]
KNOBS: dict[str, dict[str, Any]] = {
    "dense": {"epochs": 40, "hidden": (16,)},
    "knn": {"n_neighbors": 3, "weights": "uniform"},
}
HEADS: list[tuple[str, dict[str, Any]]] = [(name, KNOBS.get(name, {})) for name in plugins.names("head")]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Give pictures of known people and of nobody."""
    folder, paths = tmp_path_factory.mktemp("photographs"), []
    pixels = [person_pixels(name, 9) for name in ("ada", "bob", "cleo", "dan", "eve", "fay")]
    for number, one in enumerate([*pixels, *made_up(48, 3, seed=7)]):
        paths.append(folder / f"{number}.png")
        Image.fromarray(one).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def shown(models: Models, photographs: list[Path]) -> Shown:
    """Give the squares and the vectors of the photographs; all models have one recipe."""
    recogniser = load(models("lda"), precision="float32")
    finder = recogniser.encoder.finder
    faces = [finder.all_faces(finder.open(path.read_bytes()))[0] for path in photographs]
    return np.stack([face.pixels for face in faces]), recogniser.vectors(faces)


def check(made: Exported, model: Path, shown: Shown) -> None:
    """Compare names and scores with those of predict, by the runtime of the format."""
    about, run = made.format.load(made.files[0])
    people, threshold = json.loads(about)["people"], json.loads(about)["threshold"]
    squares, vectors = shown
    found, expected = run(squares), namings(bundles.read(model), vectors, 1)
    for row, naming in enumerate(expected):
        best = int(found["best"][row])
        score = float(found["similarity"][row, best])
        assert (people[best] if score >= threshold else None, people[best]) == (naming.name, naming.best)
        assert score == pytest.approx(naming.score, abs=1e-4)
        assert found["probability"][row, best] == pytest.approx(naming.probability, abs=1e-4)
    assert [naming.name for naming in expected[:4]] == ["ada", "bob", "cleo", "dan"] and expected[-1].name is None


@pytest.mark.parametrize(("head", "knobs"), HEADS)
def test_every_head_is_exported_and_names_as_predict_does(
    head: str,
    knobs: dict[str, Any],
    models: Models,
    shown: Shown,
    tmp_path: Path,
) -> None:
    model = models(head, **knobs)
    made = export(model, tmp_path / "m.keras")
    assert (made.agreement.n_faces, made.n_trained) == (49, 24) and made.agreement.max_difference < 1e-4
    check(made, model, shown)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_format_names_as_predict_does(
    name: str, exports: dict[str, Exported], models: Models, shown: Shown
) -> None:
    made = exports[name]
    assert made.format.name == name and made.bytes == sum(file.stat().st_size for file in made.files)
    check(made, models("svm", kernel="rbf"), shown)


def test_a_head_that_is_the_score_for_strangers_keeps_its_outputs_apart(
    models: Models, shown: Shown, tmp_path: Path
) -> None:
    model = models("prototype")
    check(export(model, tmp_path / "m.xml"), model, shown)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_the_lines_of_the_page_name_a_face(
    name: str,
    exports: dict[str, Exported],
    models: Models,
    photographs: list[Path],
    shown: Shown,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(), flags=re.DOTALL)
    made = exports[name]
    lines = next(block for block in blocks if f"model{made.files[0].suffix}" in block)
    assert "facefeat" not in re.sub(r'"facefeat(\.json)?"', "", lines) and len(lines.splitlines()) < 20
    monkeypatch.chdir(made.files[0].parent)
    expected = namings(bundles.read(models("svm", kernel="rbf")), shown[1], 1)
    for row in (0, len(photographs) - 1):
        exec(lines.replace("face.png", str(photographs[row])), {})
        said = f"{expected[row].name or 'unknown'} {round(expected[row].score, 3)}"
        assert capfd.readouterr().out.splitlines()[-1] == said
    assert expected[0].name == "ada" and expected[-1].name is None


def test_every_format_says_the_same_of_itself(exports: dict[str, Exported], models: Models) -> None:
    said = [one.format.load(one.files[0])[0] for one in exports.values()]
    assert len(set(said)) == 1
    document, model = json.loads(said[0]), models("svm", kernel="rbf")
    bundle = bundles.read(model)
    assert document == exports["onnx"].document
    assert document["people"] == ["ada", "bob", "cleo", "dan"]
    assert document["threshold"] == bundle.threshold.value
    assert bundle.confidence and document["temperature"] == bundle.confidence.temperature
    assert document["recipe_sha256"] == bundle.recipe.sha256 and document["recipe"] == bundle.recipe.as_dict()
    assert document["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert list(document["outputs"]) == ["best", "probability", "similarity"]
    assert document["input"]["shape"] == [None, 32, 32, 3]


def test_the_description_says_how_a_face_is_aligned() -> None:
    assert described.alignment(FaceStep(), 112)["how"] == "the whole picture, squeezed to the square"
    found = described.alignment(FaceStep("mtcnn", template="arcface", margin=0.0), 112)
    assert np.allclose(list(found["points"].values()), ARCFACE * 112, atol=1e-3)
    wider = described.alignment(FaceStep("mtcnn", template="box", margin=0.5), 100)
    assert np.allclose(wider["points"]["nose"], (ARCFACE[2] + 0.5) / 2 * 100, atol=1e-3)
    assert "2 times the longer side of the detector's box" in wider["how"]


def test_a_keras_file_holds_nothing_but_keras_own(exports: dict[str, Exported]) -> None:
    with zipfile.ZipFile(exports["keras"].files[0]) as packed:
        config = packed.read("config.json").decode()
        assert "facefeat.json" in packed.namelist()
    modules = set(re.findall(r'"module": "([^"]+)"', config))
    assert modules and all(module.split(".")[0] in ("keras", "builtins") for module in modules)
    assert "Lambda" not in config and '"registered_name": "facefeat' not in config


def test_a_tflite_file_has_the_labels_that_its_tools_look_for(exports: dict[str, Exported]) -> None:
    with zipfile.ZipFile(exports["tflite"].files[0]) as packed:
        assert packed.read("labels.txt").decode() == "ada\nbob\ncleo\ndan\n"


def test_an_onnx_file_takes_any_number_of_faces(exports: dict[str, Exported]) -> None:
    import onnx

    made = onnx.load(exports["onnx"].files[0])
    assert [port.name for port in made.graph.input] == ["rgb"]
    assert [port.name for port in made.graph.output] == ["best", "probability", "similarity"]
    ports = [*made.graph.input, *made.graph.output]
    assert {port.type.tensor_type.shape.dim[0].dim_param for port in ports} == {"n"}


@pytest.mark.parametrize("n", [0, 1, 3])
def test_made_up_squares_are_always_the_same(n: int) -> None:
    assert np.array_equal(made_up(32, n), made_up(32, 5)[:n]) and made_up(32, n).shape == (n, 32, 32, 3)
