"""Which pictures a model takes of somebody, and what it says of the others."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facefeat.data.detections import Detections
from facefeat.data.faces import FaceStep
from facefeat.data.finder import FaceFinder
from facefeat.errors import InputError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.learn import bundle
from facefeat.learn.enrolment import listed
from facefeat.learn.fit import fit
from facefeat.learn.membership import Added, add
from facefeat.learn.predict import Recogniser
from tests.learn.membership import Memory, pictures, ready
from tests.making import encoded, person_pixels, write_people

THUMB = plan("thumb", layers=["grey16"], faces_mode="none")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a model of four people, with a threshold. Not to be changed."""
    folder = tmp_path_factory.mktemp("enrolment")
    data = write_people(folder / "people", {"ada": 5, "bob": 5, "cleo": 5, "dan": 5}, size=64)
    return fit(extract(data, folder / "f.h5", THUMB).file, folder / "m.facefeat", head="prototype").output


@pytest.fixture
def model(source: Path, tmp_path: Path) -> Path:
    """Give a copy of the model, to be changed at will."""
    return Path(shutil.copy(source, tmp_path))


def large(name: str, number: int, seed: int = 0) -> NDArray[np.uint8]:
    """Make a picture of a synthetic person."""
    return person_pixels(name, number, 64, seed)


def given(name: str, pixels: NDArray[np.uint8] | Image.Image) -> Memory:
    """Give a picture in memory."""
    return name, encoded(pixels)


def said(made: Added) -> list[tuple[str, str, str]]:
    """Return what was refused."""
    return [(one.path, one.code, one.sentence) for one in made.refused]


def test_copies_near_copies_and_look_alikes(model: Path) -> None:
    first = Image.fromarray(large("eva", 1))
    smaller = Image.fromarray(large("ada", 2)).resize((60, 60), Image.Resampling.BILINEAR)
    wanted = [given("1.png", first), given("2.png", large("eva", 2))]
    refused = [
        given("again.png", first),
        given("other.png", large("ada", 1)),
        given("smaller.png", smaller),
        given("brighter.png", first.point(lambda level: min(255, level + 12))),
        given("ada.png", large("ada", 77)),
    ]
    made = add(model, "eva", [*wanted, *refused], recogniser=ready(model))
    assert [one.path for one in made.taken] == ["1.png", "2.png"] and made.stored == ("eva/1.png", "eva/2.png")
    *exact, last = said(made)
    assert exact == [
        ("again.png", "copy", "It is the same, byte for byte, as 1.png, which was given too."),
        ("other.png", "of_another", "It is in the model, byte for byte, as ada/01.png, a picture of ada; "
                                    "one of the two names is wrong."),
        ("smaller.png", "of_another", "It is in the model, nearly the same, as ada/02.png, a picture of ada; "
                                      "one of the two names is wrong."),
        ("brighter.png", "near_copy", "It is nearly the same as 1.png."),
    ]  # fmt: skip
    assert last[:2] == ("ada.png", "looks_like_another")
    assert re.fullmatch(r"It looks like ada: score 0\.9\d\d, threshold 0\.\d{3}\.", last[2])


def test_a_near_copy_of_ones_own_picture(model: Path) -> None:
    smaller = Image.fromarray(large("ada", 2)).resize((60, 60), Image.Resampling.BILINEAR)
    made = add(model, "ada", [given("s.png", smaller)], recogniser=ready(model))
    assert said(made) == [("s.png", "near_copy", "It is in the model already, nearly the same, as ada/02.png.")]


def test_force_takes_who_looks_like_somebody_else(model: Path) -> None:
    twin = [given("twin.png", large("ada", 77))]
    assert not add(model, "eva", twin, recogniser=ready(model)).taken
    made = add(model, "eva", twin, recogniser=ready(model), force=True)
    assert len(made.taken) == 1 and made.is_new and not made.refused


def test_a_model_without_a_threshold_takes_nobody_for_somebody_else(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 3, "bob": 3})
    model = fit(extract(data, tmp_path / "f.h5", THUMB).file, tmp_path / "m.facefeat", head="prototype").output
    assert len(add(model, "eva", pictures("eva", range(1, 3)), recogniser=ready(model)).taken) == 2
    assert bundle.read(model).threshold.n_people == 3


def test_a_blurred_picture_and_files_that_are_none(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "eva"
    (folder / "x").mkdir(parents=True)
    Image.fromarray(large("eva", 1)).filter(ImageFilter.GaussianBlur(4)).save(folder / "x" / "blurred.png")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "link.png").symlink_to(model)
    before, made = model.read_bytes(), add(model, "eva", [folder, tmp_path / "no.png", ("e.png", b"")])
    (_, blurred), *others = [(one.code, one.sentence) for one in sorted(made.refused, key=lambda one: one.code)]
    assert blurred.startswith("Its sharpness is 0.0") and blurred.endswith("; clear faces have 0.05 and more.")
    assert [code for code, _ in others] == ["empty", "empty", "link_outside", "not_a_picture", "unreadable"]
    assert others[0][1] == others[1][1] == "The file is empty."
    assert others[2][1] == "It is a link that leads out of the data set."
    assert made.taken == () and model.read_bytes() == before and made.is_new is not False


def test_no_picture_at_all(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        add(model, "eva", [tmp_path / "empty"])
    assert str(caught.value) == f"There is no picture in {tmp_path / 'empty'}."
    with pytest.raises(InputError) as caught:
        add(model, "eva", [])
    assert str(caught.value) == "No picture was given."


class Faces:
    """A detector that finds as many faces as the first pixel says."""

    def detect_all(self, pictures: list[NDArray[np.uint8]]) -> list[Detections]:
        return [self._found(int(pixels[0, 0, 0]), pixels.shape[1]) for pixels in pictures]

    def _found(self, n: int, side: int) -> Detections:
        points = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.75], [0.65, 0.75]], np.float32) * side
        return Detections(
            np.tile(np.float32([0, 0, side, side]), (n, 1)), np.tile(points, (n, 1, 1)), np.ones(n, np.float32)
        )


def test_one_face_that_counts(model: Path) -> None:
    recogniser: Recogniser = ready(model)
    step = replace(FaceStep(), detector="mtcnn", min_side=32, margin=0.0)
    recogniser.encoder.finder = FaceFinder(step, recogniser.encoder.recipe.input_size, Faces())

    def with_faces(n: int) -> Memory:
        pixels = large("eva", n)
        pixels[0, 0] = n
        return given(f"{n}.png", pixels)

    made = add(model, "eva", [with_faces(n) for n in range(4)], recogniser=recogniser)
    assert [one.path for one in made.taken] == ["1.png"]
    assert said(made) == [
        ("0.png", "no_face", "No face was found; give pictures with one face."),
        ("2.png", "several_faces", "It has 2 faces; give pictures with one face."),
        ("3.png", "several_faces", "It has 3 faces; give pictures with one face."),
    ]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\me.jpg", "me.jpg"),
        ("..", "picture"),
        ("", "picture"),
        ("x\x00\n.png", "x\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}.png"),
        ("n" * 300 + ".png", "n" * 251 + ".png"),
    ],
)
def test_what_a_file_from_memory_is_called(name: str, kept: str) -> None:
    assert [one.name for one in listed([(name, b"x")])] == [kept]
