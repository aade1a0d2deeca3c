"""Which of several faces is taken, by value and from photographs to rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facefeat.data import faces
from facefeat.data.detections import Detections
from facefeat.data.faces import POLICIES
from facefeat.data.finder import FaceFinder
from facefeat.data.mtcnn import MTCNN
from facefeat.errors import PictureRefused
from facefeat.features.store.file import FeatureFile, read
from tests.cli.test_commands import document, refused, run
from tests.making import Pixels, encoded

THUMB = ["--backbone", "thumb"]
LARGE, SMALL, ALONE = (30, 60), (240, 120), (150, 70)  # where faces are pasted, left and top


def of_boxes(*boxes: tuple[float, float, float, float]) -> Detections:
    given = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(
        given, np.zeros((len(given), 5, 2), np.float32), np.linspace(1, 0.9, len(given), dtype=np.float32)
    )


BIG, MIDDLE, FIRST = (0, 0, 60, 80), (85, 40, 115, 70), (130, 20, 150, 50)


@pytest.mark.parametrize(
    ("policy", "boxes", "index"),
    [
        ("largest", [FIRST, BIG, MIDDLE], 1),
        ("largest", [MIDDLE, FIRST, BIG], 2),
        ("central", [FIRST, BIG, MIDDLE], 2),
        ("central", [MIDDLE, FIRST, BIG], 0),
        ("largest", [BIG, BIG], 0),  # of equal ones the surest
        ("central", [MIDDLE, MIDDLE], 0),
        *((policy, [FIRST], 0) for policy in POLICIES),
        *((policy, [], None) for policy in ("largest", "central", "skip")),
    ],
)
def test_the_face_that_is_taken(policy: str, boxes: list[Any], index: int | None) -> None:
    assert faces.choose(of_boxes(*boxes), policy, 200, 110) == index


@pytest.mark.parametrize("policy", ["skip", "require-one"])
def test_several_faces_are_refused(policy: str) -> None:
    with pytest.raises(PictureRefused) as caught:
        faces.choose(of_boxes(FIRST, BIG, MIDDLE), policy, 200, 110)
    assert caught.value.code == "several_faces"
    assert str(caught.value) == f"It has 3 faces; the policy '{policy}' takes one only."


def test_no_face_is_refused_where_one_is_required() -> None:
    with pytest.raises(PictureRefused) as caught:
        faces.choose(Detections.none(), "require-one", 200, 110)
    assert (caught.value.code, str(caught.value)) == (
        "no_face",
        "No face was found; the policy 'require-one' needs one.",
    )


SIDE = st.integers(1, 60)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100), SIDE, SIDE), min_size=1, max_size=6))
def test_no_other_face_is_larger_or_nearer_to_the_middle(drawn: list[tuple[int, int, int, int]]) -> None:
    boxes = [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h in drawn]
    areas = [w * h for _, _, w, h in drawn]
    away = [(x + w / 2 - 100) ** 2 + (y + h / 2 - 55) ** 2 for x, y, w, h in drawn]
    assert faces.choose(of_boxes(*boxes), "largest", 200, 110) == areas.index(max(areas))
    assert faces.choose(of_boxes(*boxes), "central", 200, 110) == away.index(min(away))


def scene(*faces_and_places: tuple[Pixels, tuple[int, int], int]) -> bytes:
    picture = Image.new("RGB", (400, 280), (120, 130, 125))
    for face, place, width in faces_and_places:
        picture.paste(Image.fromarray(face).resize((width, round(width * 112 / 92))), place)
    return encoded(np.asarray(picture))


@pytest.fixture(scope="module")
def photographs(orl_pixels: list[Pixels], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give photographs with one face, two and none: of two, the larger one is off the middle. Not to be changed."""
    root = tmp_path_factory.mktemp("policies") / "people"
    for person in ("ada", "bob"):
        (root / person).mkdir(parents=True)
    (root / "ada" / "one.png").write_bytes(scene((orl_pixels[0], ALONE, 120)))
    (root / "ada" / "two.png").write_bytes(scene((orl_pixels[0], LARGE, 140), (orl_pixels[1], SMALL, 80)))
    (root / "bob" / "none.png").write_bytes(scene())
    (root / "bob" / "one.png").write_bytes(scene((orl_pixels[2], ALONE, 120)))
    return root


def boxes_by_path(file: FeatureFile) -> dict[str, list[float]]:
    return {path: box.tolist() for path, box in zip(file.paths, file.columns["faces/box"], strict=True)}


def lies(box: list[float], place: tuple[int, int], width: int) -> bool:
    """Tell whether a box has its middle on a face of that width."""
    middle = ((box[0] + box[2]) / 2 - place[0], (box[1] + box[3]) / 2 - place[1])
    return all(0 < x < width * 1.2 for x in middle) and 0.4 * width < box[2] - box[0] < 1.2 * width


@pytest.mark.parametrize(("policy", "place", "width"), [("largest", LARGE, 140), ("central", SMALL, 80)])
def test_of_two_faces_one_is_the_row(
    photographs: Path, tmp_path: Path, policy: str, place: tuple[int, int], width: int
) -> None:
    assert run("extract", photographs, "-o", tmp_path / "f.h5", *THUMB, "--policy", policy).exit_code == 0
    file = read(tmp_path / "f.h5")
    assert file.paths == ("ada/one.png", "ada/two.png", "bob/none.png", "bob/one.png")
    assert file.columns["faces/count"].tolist() == [1, 2, 0, 1]
    assert file.found.tolist() == [True, True, False, True]
    boxes = boxes_by_path(file)
    assert lies(boxes["ada/two.png"], place, width) and lies(boxes["ada/one.png"], ALONE, 120)
    assert boxes["bob/none.png"] == [0, 0, 400, 280]
    assert file.recipe.faces.policy == policy


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        ("skip", {"ada/two.png": "several_faces"}),
        ("require-one", {"ada/two.png": "several_faces", "bob/none.png": "no_face"}),
    ],
)
def test_what_a_policy_refuses_is_skipped_and_remembered(
    photographs: Path, tmp_path: Path, policy: str, codes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = {
        "several_faces": f"It has 2 faces; the policy '{policy}' takes one only.",
        "no_face": "No face was found; the policy 'require-one' needs one.",
    }
    words = ["extract", photographs, "-o", tmp_path / "f.h5", *THUMB, "--policy", policy]
    first = document(*words)
    assert first["skipped"] == [
        {"path": path, "code": code, "message": sentences[code]} for path, code in codes.items()
    ]
    assert (first["rows"], first["computed"]) == (4 - len(codes), 4 - len(codes))
    before = (tmp_path / "f.h5").read_bytes()

    def looking(*_: object) -> Any:
        raise AssertionError("what was refused is looked at again")

    with monkeypatch.context() as patch:
        patch.setattr(FaceFinder, "open", looking)
        again = document(*words)
    assert (again["computed"], again["skipped"]) == (0, first["skipped"])
    assert (tmp_path / "f.h5").read_bytes() == before
    strict = run(*words, "--strict")
    n = len(codes)
    assert strict.exit_code == 3 and strict.stderr.splitlines()[-1] == (
        f"--strict was given, and {n} of 4 files {'was' if n == 1 else 'were'} skipped."
    )


def test_what_was_refused_is_tried_again_on_request(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["extract", photographs, "-o", tmp_path / "f.h5", *THUMB, "--policy", "skip"]
    before, seen = document(*words), []
    find = MTCNN.detect_all

    def noting(self: MTCNN, pictures: Any) -> Any:
        seen.extend(pictures)
        return find(self, pictures)

    monkeypatch.setattr(MTCNN, "detect_all", noting)
    assert document(*words, "--retry-skipped")["skipped"] == before["skipped"]
    assert len(seen) == 1


def test_another_policy_is_another_recipe(photographs: Path, tmp_path: Path) -> None:
    words = ["extract", photographs, "-o", tmp_path / "f.h5", *THUMB]
    assert run(*words).exit_code == 0
    assert refused(4, *words, "--policy", "central") == (
        f"{tmp_path / 'f.h5'} holds vectors of another recipe: faces.policy is largest instead of central. "
        "Write to another file with -o, or replace it with --overwrite."
    )


def test_small_and_faint_faces_do_not_count(photographs: Path, tmp_path: Path) -> None:
    small = document("extract", photographs, "-o", tmp_path / "s.h5", *THUMB, "--min-face", 0.9)
    assert small["without_face"] == 4
    assert read(tmp_path / "s.h5").columns["faces/count"].tolist() == [0, 0, 0, 0]
    # The face of 80 pixels is a fifth of the picture's longer side at most.
    assert document("extract", photographs, "-o", tmp_path / "m.h5", *THUMB, "--min-face", 0.2)["without_face"] == 1
    assert read(tmp_path / "m.h5").columns["faces/count"].tolist() == [1, 1, 0, 1]


def test_without_a_detector_nothing_is_counted_or_refused(photographs: Path, tmp_path: Path) -> None:
    words = [*THUMB, "--faces", "none", "--policy", "require-one"]
    assert document("extract", photographs, "-o", tmp_path / "f.h5", *words)["rows"] == 4
    file = read(tmp_path / "f.h5")
    assert file.columns["faces/count"].tolist() == [-1] * 4 and not file.found.any()


def test_prediction_names_every_face_whatever_the_policy(photographs: Path, tmp_path: Path) -> None:
    words = [*THUMB, "--policy", "require-one"]
    (tmp_path / "more" / "ada").mkdir(parents=True)
    for name in ("ada/one.png", "bob/one.png"):
        for copy in range(2):
            path = tmp_path / "more" / name.replace("one", f"{copy}")
            path.parent.mkdir(exist_ok=True)
            data = Image.open(photographs / name).rotate(copy)
            path.write_bytes(encoded(data))
    assert run("extract", tmp_path / "more", "-o", tmp_path / "f.h5", *words).exit_code == 0
    assert run("fit", tmp_path / "f.h5", "--head", "lda", "-o", tmp_path / "m.facefeat").exit_code == 0
    two, none = photographs / "ada" / "two.png", photographs / "bob" / "none.png"
    photos = document("predict", tmp_path / "m.facefeat", two, none)["photos"]
    assert [[face["found"] for face in photo["faces"]] for photo in photos] == [[True, True], [False]]
    left, right = (face["box"][0] for face in photos[0]["faces"])
    assert left < right
    found = document("evaluate", tmp_path / "m.facefeat", photographs)
    assert [(one["path"], one["code"]) for one in found["failures"]] == [
        ("ada/two.png", "several_faces"),
        ("bob/none.png", "no_face"),
    ]
    assert (found["images"], found["accuracy"]["mean"]) == (4, 0.5)
