"""What a bundle says of itself, and what kind of file it is."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefeat.errors import ForeignFile, InputError, NewerFile, RecipeMismatch, StorageError
from facefeat.features.backbones import thumb
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.learn import archive
from facefeat.learn import bundle as bundles
from facefeat.learn.evaluate import evaluate
from facefeat.learn.predict import load
from tests.crafted import DEEP, Whole, refusal, text_of, unzipped, zipped
from tests.making import write_people

DAMAGED, REFUSED = "M is damaged: ", "M is refused: "
NO_NUMBER = f"{DAMAGED}its threshold is no number."
NO_LIST = f"{DAMAGED}its people are no list of names."
RATES = f"{DAMAGED}its threshold was found by rates or counts that cannot be."
TYPES = f"{DAMAGED}a field of its recipe is of another type than the format says."
NOT_HAD = f"{REFUSED}its recipe asks for what the backbone thumb does not have."
STEERS = f"{REFUSED}its manifest.json holds characters that would steer a terminal."

ROUNDED = {"ranges": [[0, 1]], "faces": 1, "cosine": 1.0, "checked": 0}

FIELDS: list[tuple[str, Any, str]] = [
    ("people", 4, NO_LIST),
    ("people", "abcd", NO_LIST),
    ("people", ["ada", "bob", "cleo", 4], NO_LIST),
    ("people", ["ada", "bob", "cleo", ""], NO_LIST),
    ("people", ["ada", "bob", "cleo", "d" * 1025], NO_LIST),
    ("people", ["ada", "bob", "cleo", "ada"], f"{DAMAGED}it has a person twice, or fewer than two."),
    ("people", ["ada"], f"{DAMAGED}it has a person twice, or fewer than two."),
    ("threshold", None, NO_NUMBER),
    ("threshold", [0.5], NO_NUMBER),
    ("threshold.value", "0.5", NO_NUMBER),
    ("threshold.value", True, NO_NUMBER),
    ("threshold.value", None, NO_NUMBER),
    ("threshold.fpir", 1.5, RATES),
    ("threshold.fpir", None, NO_NUMBER),
    ("threshold.fnir", -0.1, RATES),
    ("threshold.n_people", -1, RATES),
    ("threshold.n_pictures", 1.5, NO_NUMBER),
    ("threshold.how", 3, NO_NUMBER),
    ("threshold.how", "\x1b[2Jno", STEERS),
    ("layer", "grey8", f"{DAMAGED}its layer or people do not fit its recipe."),
    ("layer", ["grey4"], f"{DAMAGED}its layer or people do not fit its recipe."),
    ("head", 3, f"{DAMAGED}its head or its knobs are malformed."),
    ("head", "nobody", "M needs the head 'nobody', which is not installed."),
    ("head", "_scaling", "M needs the head '_scaling', which is not installed."),
    ("params", [], f"{DAMAGED}its head or its knobs are malformed."),
    ("params", {"shrink": 1}, f"{DAMAGED}its head cannot be built (There is no knob of lda 'shrink'; did you mean "
     "'shrinkage'? There are: root, shrinkage)."),
    ("params", {"shrinkage": [1]}, f"{DAMAGED}its head cannot be built (lda: shrinkage should be a number or text; [1] "
     "was given)."),
    ("confidence", 5, f"{DAMAGED}its confidence is malformed."),
    ("confidence", {"temperature": 1.0}, f"{DAMAGED}its confidence is malformed."),
    ("confidence.temperature", "1", f"{DAMAGED}its confidence is malformed."),
    ("confidence.temperature", 0.0, f"{DAMAGED}its confidence was found by numbers that cannot be."),
    ("confidence.temperature", 1e300, f"{DAMAGED}its confidence was found by numbers that cannot be."),
    ("confidence.ece", 1.5, f"{DAMAGED}its confidence was found by numbers that cannot be."),
    ("confidence.n", 0, f"{DAMAGED}its confidence was found by numbers that cannot be."),
    ("threshold.reached", 1.5, f"{DAMAGED}its threshold was found by rates or counts that cannot be."),
    ("threshold.reached_low", "0", f"{DAMAGED}its threshold is no number."),
    ("layer", "grey4+grey4", f"{DAMAGED}its layer or people do not fit its recipe."),
    ("layer", "grey4+block4_pool", f"{DAMAGED}its layer or people do not fit its recipe."),
    ("scores", [], f"{DAMAGED}its scores are malformed."),
    ("scores", {"accuracy": 1}, f"{DAMAGED}its scores are malformed."),
    ("scores", {"accuracy": {"mean": 1, "low": 0, "high": "1"}}, f"{DAMAGED}its scores are malformed."),
    ("versions", {"numpy": 2}, f"{DAMAGED}its versions are malformed."),
    ("versions", None, f"{DAMAGED}its versions are malformed."),
    ("members", None, f"{DAMAGED}head.skops does not match its checksum."),
    ("format", "facefeat-bundle/²", "M is a ZIP file that facefeat did not make."),
    ("format", "facefeat-bundle/99", "M has format 99; this facefeat reads up to 3. Install a newer facefeat."),
    ("recipe", None, f"{DAMAGED}its recipe cannot be read."),
    ("recipe.pooling", "median", f"{DAMAGED}its recipe cannot be read."),
    ("recipe.other", 1, f"{DAMAGED}its recipe cannot be read."),
    ("recipe.format", 2, "The recipe has format 2; this facefeat reads up to 1. Install a newer facefeat."),
    ("recipe.input_size", 32.5, TYPES),
    ("recipe.flip", 1, TYPES),
    ("recipe.layers", ["grey4", 4], TYPES),
    ("recipe.faces", {"detector": "none", "margin": "wide"}, TYPES),
    ("recipe.backbone", "nobody", "M needs the backbone 'nobody', which is not installed."),
    ("recipe.layers", ["grey4", "grey5"], NOT_HAD),
    ("recipe.layers", ["grey4", "grey4"], NOT_HAD),
    ("recipe.preprocess", "vggface", NOT_HAD),
    ("recipe.preprocess", 5, TYPES),
    ("recipe.weights", "/dev/stdin", NOT_HAD),  # would be opened as a file
    ("recipe.numerics", "int8", f"{DAMAGED}its recipe cannot be read."),
    ("recipe.calibration", ROUNDED, f"{DAMAGED}its recipe cannot be read."),
    ("recipe.faces", {"detector": "mtcnn", "min_side": 10**9}, NOT_HAD),  # would be filled with pixels
    ("recipe.faces", {"detector": "mtcnn", "template": "other"}, NOT_HAD),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "sentence"), FIELDS)
def test_fields(wholes: dict[str, Whole], tmp_path: Path, field: str, value: Any, sentence: str) -> None:
    def change(whole: Whole) -> None:
        *outer, name = field.split(".")
        (whole.manifest[outer[0]] if outer else whole.manifest)[name] = value

    assert refusal(wholes["lda"], tmp_path, change) == sentence


def test_a_size_that_its_backbone_does_not_take(
    wholes: dict[str, Whole], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumb, "SIZES", (48, 150), raising=False)
    assert refusal(wholes["lda"], tmp_path, lambda whole: None) == NOT_HAD


@pytest.mark.parametrize("field", ["recipe", "people", "threshold", "layer", "head", "params", "scores", "versions"])
def test_a_field_that_is_missing(wholes: dict[str, Whole], tmp_path: Path, field: str) -> None:
    refusal(wholes["lda"], tmp_path, lambda whole: whole.manifest.pop(field))


def test_fields_that_nobody_knows_are_ignored(
    wholes: dict[str, Whole], models: dict[str, Path], tmp_path: Path
) -> None:
    whole = wholes["lda"].copy()
    for part in (whole.manifest, whole.manifest["threshold"], whole.manifest["scores"], whole.manifest["versions"]):
        part["later"] = "1"
    (tmp_path / "m").write_bytes(whole.packed())
    again, before = bundles.read(tmp_path / "m"), bundles.read(models["lda"])
    assert (again.people, again.threshold, again.recipe) == (before.people, before.threshold, before.recipe)


TEXTS = {
    "not a number": ('{"format": NaN}', "a number is not finite"),
    "infinity": ('{"format": 1e999}', "a number is not finite"),
    "a number without end": ('{"format": %s}' % ("9" * 30), "a number is too large"),
    "a number longer than Python reads": ('{"format": %s}' % ("9" * 5000), "a number is too large"),
    "a key twice": ('{"format": 1, "format": 2}', "a key comes twice"),
    "half a character": ('{"format": "\\ud800"}', "'utf-8' codec can't encode character"),
    "lists in lists": (text_of(DEEP).decode(), "recursion"),
    "no JSON": ("{", "Expecting property name"),
    "bytes that are no text": (b"\xff", "'utf-8' codec can't decode"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_texts(models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    text, reason = TEXTS[kind]
    members = dict(unzipped(models["lda"].read_bytes()))
    members["manifest.json"] = text if isinstance(text, bytes) else text.encode()
    path = tmp_path / "m.facefeat"
    path.write_bytes(zipped([*members.items()]))
    said = refusal(Whole.of(models["lda"].read_bytes()), tmp_path, data=path.read_bytes())
    assert said.startswith("manifest.json in M is damaged: its JSON cannot be read (") and reason in said


def test_a_manifest_that_is_too_long(models: dict[str, Path], tmp_path: Path) -> None:
    members = dict(unzipped(models["lda"].read_bytes()))
    members["manifest.json"] = b"[" + os.urandom(archive.MAX_TEXT)
    said = refusal(Whole.of(models["lda"].read_bytes()), tmp_path, data=zipped([*members.items()]))
    assert said == "M is refused: 'manifest.json' has more than 16 MB of text."


# Recipes that do not go with the vectors.


@pytest.fixture
def foreign(wholes: dict[str, Whole], tmp_path: Path) -> Path:
    """Give a model of a recipe whose network makes wider vectors than its head takes."""
    whole = wholes["lda"].copy()
    whole.manifest["recipe"]["layers"], whole.manifest["layer"] = ["grey8"], "grey8"
    (tmp_path / "m").write_bytes(whole.packed())
    return tmp_path / "m"


def test_a_recipe_that_was_changed_without_its_hash(wholes: dict[str, Whole], tmp_path: Path) -> None:
    whole = wholes["lda"].copy()
    whole.manifest["recipe"]["flip"] = False
    said = refusal(whole, tmp_path, data=whole.packed(fix_recipe=False))
    assert said == "M is damaged: its recipe does not match its hash."


def test_a_recipe_of_other_vectors_is_said_when_the_model_is_used(foreign: Path, tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 2, "bob": 2})
    sentence = (
        "The model takes vectors of 16 numbers, but grey8 of its recipe has 64 here: one of the two was not made by "
        "that recipe."
    )
    model = bundles.read(foreign)
    file = extract(data, tmp_path / "f.h5", plan("thumb", layers=("grey8",), faces_mode="none")).file
    uses: list[Callable[[], Any]] = [
        lambda: load(foreign).predict([data / "ada" / "01.png"]),
        lambda: evaluate(model, data, workers=1),
        lambda: evaluate(model, file.path),
    ]
    for use in uses:
        with pytest.raises(RecipeMismatch) as caught:
            use()
        assert str(caught.value) == sentence and caught.value.exit_code == 4


# Files.


def said_of(path: Path) -> tuple[type, str]:
    with pytest.raises((InputError, StorageError, ForeignFile)) as caught:
        bundles.read(path)
    return type(caught.value), str(caught.value).replace(str(path), "M")


def test_what_is_no_file(tmp_path: Path) -> None:
    wanted = "a model made by facefeat fit is expected."
    pipe, link, loop, door = (tmp_path / name for name in ("pipe", "link", "loop", "door"))
    os.mkfifo(pipe)  # nobody will ever write to it
    link.symlink_to(tmp_path / "nothing")
    loop.symlink_to(loop)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(door))
        assert said_of(door) == (InputError, f"M is no regular file; {wanted}")
    assert said_of(pipe) == (InputError, f"M is no regular file; {wanted}")
    assert said_of(Path("/dev/zero")) == (InputError, f"M is no regular file; {wanted}")
    assert said_of(tmp_path) == (InputError, f"M is a folder; {wanted}")
    assert said_of(link) == (InputError, f"M is a link to nothing; {wanted}")
    assert said_of(loop) == (StorageError, "M cannot be read: Too many levels of symbolic links.")
    assert said_of(tmp_path / "x\0y")[0] is InputError
    (tmp_path / "empty").touch()
    assert said_of(tmp_path / "empty") == (ForeignFile, "M is not a facefeat model; facefeat fit makes one.")


def test_a_file_is_read_once(models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = tmp_path / "m.facefeat", models["lda"].read_bytes()
    path.write_bytes(before)
    read = archive.contents

    def then_changed(where: Path) -> bytes:
        data = read(where)
        path.write_bytes(before[:100] + b"something else")
        return data

    monkeypatch.setattr(archive, "contents", then_changed)
    assert bundles.read(path).people == ("ada", "bob", "cleo", "dan")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.facefeat"
    with path.open("wb") as file:
        file.truncate(archive.MAX_BYTES + 1)  # takes no space
    with pytest.raises(ValueError) as caught:
        bundles.read(path)
    assert str(caught.value) == f"{path} is refused: it has more than 8 GB."


def test_newer_models_are_no_damage(wholes: dict[str, Whole], tmp_path: Path) -> None:
    whole = wholes["lda"].copy()
    whole.manifest["format"] = "facefeat-bundle/4"
    (tmp_path / "m").write_bytes(whole.packed())
    with pytest.raises(NewerFile):
        bundles.read(tmp_path / "m")


def test_int8_of_a_backbone_that_does_not_compute_in_it(wholes: dict[str, Whole], tmp_path: Path) -> None:
    def change(whole: Whole) -> None:
        whole.manifest["recipe"] |= {"numerics": "int8", "calibration": ROUNDED}

    assert refusal(wholes["lda"], tmp_path, change) == NOT_HAD


def test_a_calibration_of_other_types(wholes: dict[str, Whole], tmp_path: Path) -> None:
    def change(whole: Whole) -> None:
        whole.manifest["recipe"] |= {"numerics": "int8", "calibration": {**ROUNDED, "faces": "many"}}

    assert refusal(wholes["lda"], tmp_path, change) == TYPES
