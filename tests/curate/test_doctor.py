"""What is wrong with a data set is found, said in one sentence each, and nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facefeat.curate.doctor import Diagnosis, examine
from facefeat.curate.findings import KINDS, Finding
from facefeat.errors import DamagedFile, FacefeatError, ForeignFile, InputError, UsageError
from facefeat.features.encode import Plan, plan
from facefeat.features.extract import extract
from facefeat.features.store.file import read
from tests.curate.cropping import files_of, scene
from tests.making import Pixels, encoded, write_people

WHOLE = plan("thumb", faces_mode="none")
UNSEEN = "Faces were not looked for; the recipe takes whole pictures."
OLD = Path(__file__).parents[1] / "files" / "features-1.h5"


def look(data: Path, made: Plan = WHOLE, **options: Any) -> Diagnosis:
    """Examine a data set by a quick recipe: that of a feature file made for it."""
    features = data.with_name(f"{data.name}.h5")
    extract(data, features, made, engine="openvino", workers=1)
    return examine(data, features=features, engine="openvino", workers=1, **options)


def told(found: Diagnosis, kind: str) -> list[tuple[str, str]]:
    return [(one.path, one.other) for one in found.of(kind)]


def kinds(found: Diagnosis) -> list[str]:
    return sorted({one.kind for one in found.findings})


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Give three people with whom nothing is wrong."""
    return write_people(tmp_path / "data", {"ada": 6, "bob": 6, "cleo": 6})


@pytest.fixture
def faces(orl: Path, tmp_path: Path) -> Path:
    """Give five different real faces each of three people."""
    for person, numbers in {"s02": (1, 2, 3, 5, 6), "s03": (1, 2, 3, 5, 6), "s04": (1, 2, 3, 5, 6)}.items():
        (tmp_path / "faces" / person).mkdir(parents=True)
        for number in numbers:
            shutil.copy(orl / person / f"{number:02}.pgm", tmp_path / "faces" / person)
    return tmp_path / "faces"


def test_nothing_is_found_where_nothing_is_wrong(three: Path) -> None:
    before = files_of(three)
    found = look(three)
    assert found.findings == () and found.notes == (UNSEEN,)
    assert (found.against, found.kept, len(found.file)) == (None, None, 18)
    assert files_of(three) == before


def test_copies_are_told_by_their_bytes_whatever_they_are_called(three: Path) -> None:
    (three / "ada" / "deep").mkdir()
    shutil.copy(three / "ada" / "02.png", three / "ada" / "deep" / "other.jpg")
    shutil.copy(three / "ada" / "02.png", three / "ada" / "z")
    found = look(three)
    reason = "It is the same, byte for byte, as another."
    assert found.findings == (
        Finding("duplicate", "ada/deep/other.jpg", reason, "ada/02.png", 1.0, "remove"),
        Finding("duplicate", "ada/z", reason, "ada/02.png", 1.0, "remove"),
    )


def test_a_copy_under_another_name_is_proposed_to_nobody(three: Path) -> None:
    shutil.copy(three / "ada" / "02.png", three / "bob" / "copy.png")
    found = look(three)
    reason = "It is the same, byte for byte, as a picture of ada; one of the two names is wrong."
    assert found.of("two_people") == (Finding("two_people", "bob/copy.png", reason, "ada/02.png", 1.0),)
    assert found.of("duplicate") == () and not any(one.action for one in found.findings)


NEAR: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg.jpg": lambda image: encoded(image, "JPEG", quality=30),
    "half.png": lambda image: encoded(image.resize((46, 56))),
    "cut.png": lambda image: encoded(image.crop((3, 4, 89, 108))),
    "brighter.png": lambda image: encoded(image.point(lambda level: min(255, level * 1.1))),
    "mirrored.png": lambda image: encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
}


@pytest.mark.parametrize("name", NEAR)
def test_a_photograph_that_was_changed_is_nearly_a_copy(faces: Path, name: str) -> None:
    original = faces / "s02" / "01.pgm"
    (faces / "s02" / name).write_bytes(NEAR[name](Image.open(original)))
    found = look(faces)
    assert [(one.path, one.other) for one in found.of("near_duplicate")] == [(f"s02/{name}", "s02/01.pgm")]
    (one,) = found.of("near_duplicate")
    assert one.reason == "It is nearly the same as another, whose face is no smaller."
    assert one.value is not None and 0.985 <= one.value <= 1 and one.action == ""
    assert found.of("duplicate") == found.of("two_people") == ()


def test_a_near_copy_under_another_name(faces: Path) -> None:
    (faces / "s03" / "x.jpg").write_bytes(NEAR["jpeg.jpg"](Image.open(faces / "s02" / "01.pgm")))
    (one,) = look(faces).of("two_people")
    assert (one.path, one.other, one.action) == ("s03/x.jpg", "s02/01.pgm", "")
    assert one.reason == "It is nearly the same as a picture of s02; one of the two names is wrong."


def test_of_many_near_copies_each_is_told_once(faces: Path) -> None:
    for name, changed in NEAR.items():
        (faces / "s02" / name).write_bytes(changed(Image.open(faces / "s02" / "01.pgm")))
    found = look(faces).of("near_duplicate")
    assert sorted(one.path for one in found) == sorted(f"s02/{name}" for name in NEAR)
    agreements = [one.value or 0 for one in found]
    assert agreements == sorted(agreements, reverse=True)


def test_near_copies_are_found_by_the_real_recipe(faces: Path) -> None:
    original = Image.open(faces / "s02" / "01.pgm")
    for name, changed in NEAR.items():
        (faces / "s02" / name).write_bytes(changed(original))
    (faces / "s02" / "bright.png").write_bytes(encoded(original.point(lambda level: min(255, level * 1.2 + 20))))
    near = look(faces, plan(layers=["block4_pool"])).of("near_duplicate")
    paths = {path for one in near for path in (one.path, one.other)}
    assert paths == {"s02/01.pgm", "s02/bright.png", *(f"s02/{name}" for name in NEAR)}
    assert len({one.path for one in near}) == len(near)


def test_leaks_are_told_with_the_name_there(faces: Path, tmp_path: Path) -> None:
    other = tmp_path / "held-out"
    for person in ("s02", "s09"):
        (other / person).mkdir(parents=True)
    shutil.copy(faces / "s02" / "01.pgm", other / "s02" / "a.pgm")
    shutil.copy(faces / "s03" / "02.pgm", other / "s09" / "b.pgm")
    (other / "s02" / "c.jpg").write_bytes(NEAR["jpeg.jpg"](Image.open(faces / "s02" / "03.pgm")))
    (other / "s09" / "d.png").write_bytes(NEAR["mirrored.png"](Image.open(faces / "s04" / "05.pgm")))
    found = look(faces, against=other)
    leaks = [(one.path, one.other, one.action, one.reason) for one in found.of("leak")]
    there = "It lies in the other data set too,"
    assert leaks == [
        ("s02/01.pgm", "s02/a.pgm", "remove", f"{there} byte for byte."),
        ("s03/02.pgm", "s09/b.pgm", "remove", f"{there} as s09, byte for byte."),
        ("s02/03.pgm", "s02/c.jpg", "", f"{there} as nearly the same photograph."),
        ("s04/05.pgm", "s09/d.png", "", f"{there} as s09, as nearly the same photograph."),
    ]
    assert found.against is not None and len(found.against.entries) == 4
    assert found.of("leak")[0].value == 1 and (found.of("leak")[2].value or 0) < 1


def test_without_another_data_set_there_are_no_leaks(faces: Path) -> None:
    assert look(faces).of("leak") == ()


def test_what_cannot_be_read_is_told_and_only_what_never_can_is_to_go(three: Path, tmp_path: Path) -> None:
    (three / "ada" / "empty.jpg").write_bytes(b"")
    (three / "ada" / "notes.txt").write_text("no picture")
    (three / "bob" / "cut.png").write_bytes((three / "bob" / "01.png").read_bytes()[:900])
    (tmp_path / "out.png").write_bytes(b"elsewhere")
    (three / "cleo" / "link.png").symlink_to(tmp_path / "out.png")
    found = look(three)
    assert [(one.path, one.action) for one in found.of("unusable")] == [
        ("ada/empty.jpg", "remove"), ("ada/notes.txt", "remove"), ("bob/cut.png", "remove"), ("cleo/link.png", ""),
    ]  # fmt: skip
    assert [one.reason for one in found.of("unusable")][::3] == [
        "The file is empty.", "A link that leads out of the data set.",
    ]  # fmt: skip
    assert kinds(found) == ["unusable"]


def test_few_counts_different_pictures(tmp_path: Path) -> None:
    data = write_people(tmp_path / "data", {"ada": 4, "bob": 6, "cleo": 1})
    shutil.copy(data / "ada" / "01.png", data / "ada" / "copy.png")
    found = look(data)
    assert found.of("few") == (
        Finding("few", "cleo", "1 different picture; 5 and more tell a person from others.", value=1),
        Finding("few", "ada", "4 different pictures; 5 and more tell a person from others.", value=4),
    )
    assert found.notes[0] == "The only picture of a person cannot be judged; of such there are: 1."


def test_a_picture_in_the_wrong_folder_looks_like_somebody_else(three: Path) -> None:
    shutil.move(three / "ada" / "04.png", three / "bob" / "wrong.png")
    (one,) = look(three).findings
    assert (one.kind, one.path, one.to, one.action) == ("suspect", "bob/wrong.png", "ada", "")
    assert one.reason == "It looks more like ada than like bob." and one.other.startswith("ada/")
    assert one.value is not None and one.value > 0.3


def test_one_person_cannot_be_compared(tmp_path: Path) -> None:
    data = write_people(tmp_path / "data", {"ada": 6})
    shutil.copy(data / "ada" / "01.png", data / "ada" / "copy.png")
    found = look(data)
    assert [one.kind for one in found.findings] == ["duplicate"]
    assert found.notes[0] == (
        "Nobody could be compared with anybody else. "
        "There is only one person, ada; at least two are needed to tell apart."
    )


def test_people_of_one_picture_each_cannot_be_compared(tmp_path: Path) -> None:
    found = look(write_people(tmp_path / "data", {"ada": 1, "bob": 1}))
    assert kinds(found) == ["few"]
    assert found.notes[0] == (
        "Nobody could be compared with anybody else. "
        "Every person has a single picture; testing needs at least two of somebody."
    )


def test_findings_stand_in_the_order_of_their_kinds(three: Path, tmp_path: Path) -> None:
    shutil.copy(three / "ada" / "02.png", three / "bob" / "copy.png")
    shutil.copy(three / "ada" / "02.png", three / "ada" / "copy.png")
    (three / "zoe").mkdir()
    (three / "zoe" / "x").write_bytes(b"")
    write_people(three, {"yves": 1})
    found = look(three, against=write_people(tmp_path / "other", {"ada": 2}))
    order = [list(KINDS).index(one.kind) for one in found.findings]
    assert order == sorted(order) and {"unusable", "leak", "two_people", "duplicate", "few"} <= set(kinds(found))


@pytest.fixture(scope="module")
def photographed(orl_pixels: list[Pixels], tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    """Give what is found in photographs of which five have something wrong with the face."""
    data = tmp_path_factory.mktemp("photographed") / "data"
    (data / "ada").mkdir(parents=True)
    face, other = orl_pixels[0], orl_pixels[2]
    small = Image.new("RGB", (360, 240), (120, 130, 125))
    small.paste(Image.fromarray(face).resize((37, 45)), (150, 90))
    blurred = np.asarray(Image.fromarray(scene(face)).filter(ImageFilter.GaussianBlur(5)))
    photographs = {
        "clear": scene(face),
        "dark": (scene(face) * 0.22).astype(np.uint8),
        "blurred": blurred,
        "tiny": np.asarray(small),
        "two": scene(face, other),
        "nobody": scene(),
    }
    for name, pixels in photographs.items():
        (data / "ada" / f"{name}.png").write_bytes(encoded(pixels))
    return look(data, plan("thumb", size=80))


def test_faces_that_tell_little_are_found(photographed: Diagnosis) -> None:
    found = {kind: [one.path for one in photographed.of(kind)] for kind in KINDS}
    assert found["dark"] == ["ada/dark.png"]
    assert found["blurred"] == ["ada/blurred.png"]
    assert found["tiny"] == ["ada/tiny.png"]
    assert found["several_faces"] == ["ada/two.png"]
    assert found["no_face"] == ["ada/nobody.png"]


def test_what_is_wrong_with_a_face_is_said_with_its_measure(photographed: Diagnosis) -> None:
    (tiny,), (dark,), (blurred,) = (photographed.of(kind) for kind in ("tiny", "dark", "blurred"))
    assert tiny.value is not None and dark.value is not None and blurred.value is not None
    assert tiny.value < 32 and tiny.reason == f"The face is {tiny.value:.0f} pixels wide; the network sees 80."
    assert dark.value < 40 and dark.reason == f"Its mean grey level is {dark.value:.0f} of 255."
    assert 0 < blurred.value < 0.01
    assert blurred.reason.startswith("Its sharpness is 0.00")
    assert blurred.reason.endswith("; clear faces have 0.04 and more.")
    (two,), (nobody,) = photographed.of("several_faces"), photographed.of("no_face")
    assert (two.reason, two.value) == ("It has 2 faces; the largest was taken.", 2)
    assert (nobody.reason, nobody.value) == ("The whole picture was taken.", 0)


def test_faces_of_a_small_recipe_are_not_called_blurred(orl: Path, tmp_path: Path) -> None:
    shutil.copytree(orl / "s01", tmp_path / "data" / "s01")
    found = look(tmp_path / "data", plan("thumb"))
    assert found.of("blurred") == ()
    assert found.notes[-1] == "Faces of 32 pixels, as the recipe has them, are too small to tell blurred ones by."


def test_the_feature_file_is_not_changed_and_what_it_knows_is_not_computed(three: Path, tmp_path: Path) -> None:
    features = extract(three, tmp_path / "f.h5", WHOLE, engine="openvino", workers=1).file.path
    before = features.read_bytes()
    said: list[tuple[str, int, int]] = []
    found = examine(three, features=features, progress=lambda *what: said.append(what))
    assert ("Looking for copies and for faces under a wrong name", 0, 0) in said
    assert not any(what.startswith("Vectors are computed") for what, _, _ in said)
    write_people(three, {"dan": 6})
    with_dan = examine(three, features=features, progress=lambda *what: said.append(what))
    assert ("faces and vectors", 6, 6) in said  # of 24
    assert (len(found.file), len(with_dan.file), with_dan.file.people[-1]) == (18, 24, "dan")
    assert features.read_bytes() == before and found.kept is None and with_dan.kept is None
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("f.h5")] == ["f.h5"]


def test_a_feature_file_that_is_not_there_is_written(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facefeat.curate.doctor.plan", lambda: WHOLE)
    features = tmp_path / "new" / "f.h5"
    found = examine(three, features=features, engine="openvino", workers=1)
    assert found.kept == features and read(features).paths == found.file.paths
    assert examine(three, features=features, workers=1).kept is None


def test_an_old_feature_file_still_serves(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 3, "bob": 3, "Zoë": 2})
    (data / "ada" / "notes.txt").write_text("no picture")
    features = tmp_path / "f.h5"
    shutil.copy(OLD, features)
    shutil.copy(data / "ada" / "01.png", data / "ada" / "z.png")
    said: list[str] = []
    found = examine(data, features=features, progress=lambda what, done, total: said.append(what))
    assert told(found, "duplicate") == [("ada/z.png", "ada/01.png")] and told(found, "suspect") == []
    assert told(found, "unusable") == [("ada/notes.txt", "")]
    assert [one.path for one in found.of("few")] == ["Zoë", "ada", "bob"]
    assert found.notes == (UNSEEN,) and not any(what.startswith("Vectors are computed") for what in said)
    assert features.read_bytes() == OLD.read_bytes()


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        (b"no HDF5", ForeignFile, "{} is not a feature file; facefeat extract makes one."),
        (None, InputError, "{} is no feature file; give one with --features, or a name that is free."),
    ],
)
def test_what_is_no_feature_file_is_called_by_its_own_name(
    three: Path, tmp_path: Path, content: bytes | None, error: type[FacefeatError], sentence: str
) -> None:
    features = tmp_path / "f.h5"
    features.mkdir() if content is None else features.write_bytes(content)
    with pytest.raises(error) as caught:
        examine(three, features=features)
    assert str(caught.value) == sentence.format(features)
    assert features.is_dir() or features.read_bytes() == content


def test_a_damaged_feature_file_is_called_by_its_own_name(three: Path, thumb_file: Path, tmp_path: Path) -> None:
    data = bytearray(thumb_file.read_bytes())
    data[-100] ^= 1
    (tmp_path / "f.h5").write_bytes(data)
    with pytest.raises(DamagedFile) as caught:
        examine(three, features=tmp_path / "f.h5")
    assert str(caught.value).startswith(f"{tmp_path / 'f.h5'} is damaged")


def test_folders_that_are_not_there(three: Path, thumb_file: Path, tmp_path: Path) -> None:
    for data, against in ((tmp_path / "no", None), (three, tmp_path / "no")):
        with pytest.raises(InputError) as caught:
            examine(data, against=against, features=thumb_file, workers=1)
        assert str(caught.value) == f"There is no folder {tmp_path / 'no'}."


def test_names_that_are_no_text_are_looked_at(three: Path) -> None:
    person = three / "\udcff=a\n"
    (three / "ada").rename(person)
    shutil.copy(three / "bob" / "02.png", person / "\udcfe,.png")
    (one,) = look(three).of("two_people")
    assert {one.path, one.other} == {"%FF=a\n/%FE,.png", "bob/02.png"}


def test_there_is_no_other_kind() -> None:
    with pytest.raises(UsageError) as caught:
        Finding("suspekt", "a/1.jpg", "Why.")
    assert str(caught.value).startswith("There is no kind of finding 'suspekt'; did you mean 'suspect'? There are: ")


def test_that_large_data_sets_are_not_searched_across_people_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_people(tmp_path / "people", {"ada": 5, "bob": 5})
    assert look(data).notes == (UNSEEN,)
    monkeypatch.setattr("facefeat.curate.doctor.EVERYBODY", 9)
    assert look(data).notes[0] == "Of more than 9 pictures, near copies are looked for within each person only."
