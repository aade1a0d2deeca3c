"""Raw photographs become faces: what is cut, what is told of it, and what is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.curate import crop_table
from facefeat.curate.crop import crop
from facefeat.data.faces import Face
from facefeat.data.folder import escaped
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, ForeignFile, InputError, LockedError, UsageError
from facefeat.features.encode import Encoder, plan
from facefeat.features.extract import extract
from facefeat.features.store.lock import locked
from tests.curate.cropping import SIZE, cut, files_of, paths, refused, row_of
from tests.making import encoded, exif_of, turned

pytestmark = pytest.mark.usefixtures("ready")

FACES = {"ada/1.png", "ada/2020/2.png", "ada/both.png", "bob/1.png", "bob/2.png"}
STEP_FILES = {"faces.csv", ".faces.json"}


def test_a_face_is_what_the_network_of_a_recipe_sees(raw: Path, engine: Engine) -> None:
    made = cut(raw)
    finder = Encoder(plan("thumb", size=SIZE), engine).finder
    assert {str(path) for path in files_of(made.out)} == FACES | STEP_FILES
    for row in (row for row in made.rows if row.output):
        data = (raw / row.source).read_bytes()
        (face,) = finder.faces([finder.open(data)])
        assert isinstance(face, Face) and face.found
        with Image.open(made.out / row.output) as picture:
            assert (picture.format, picture.mode, picture.size, picture.info) == ("PNG", "RGB", (SIZE, SIZE), {})
            np.testing.assert_array_equal(np.asarray(picture), face.pixels)
        assert row.face == tuple(map(float, (*face.box, face.score, *face.landmarks.ravel())))
        assert (row.sha256, row.faces) == (hashlib.sha256(data).hexdigest(), face.count)


def test_the_vectors_of_the_faces_are_those_of_the_photographs(raw: Path, engine: Engine, tmp_path: Path) -> None:
    made = cut(raw)
    ours = extract(made.out, tmp_path / "ours.h5", plan("thumb", size=SIZE, faces_mode="none"), engine="openvino").file
    theirs = extract(raw, tmp_path / "theirs.h5", plan("thumb", size=SIZE), engine="openvino").file
    place = {path.rpartition(".")[0]: row for row, path in enumerate(theirs.paths)}
    same = [place[path.rpartition(".")[0]] for path in ours.paths]
    np.testing.assert_array_equal(ours.vectors("grey16"), theirs.vectors("grey16")[same])


def test_what_is_told(raw: Path) -> None:
    (raw / "loose.jpg").write_bytes(b"")
    made = cut(raw)
    assert (made.photographs, made.written, made.known, made.orphaned) == (7, 5, 0, ())
    assert [(row.source, row.faces) for row in made.several] == [("ada/both.jpg", 2)]
    assert paths(made.no_face) == ["bob/nobody.png"] and made.no_face[0].faces == 0
    assert [(row.source, row.code) for row in made.skipped] == [("bob/notes.txt", "not_a_picture")]
    assert made.dataset.loose == ("loose.jpg",)
    assert crop_table.read(made.table) == list(made.rows)
    assert [(row.source, row.output) for row in made.rows] == [
        ("ada/1.jpg", "ada/1.png"),
        ("ada/2020/2.png", "ada/2020/2.png"),
        ("ada/both.jpg", "ada/both.png"),
        ("bob/1.jpg", "bob/1.png"),
        ("bob/2.jpg", "bob/2.png"),
        ("bob/nobody.png", ""),
        ("bob/notes.txt", ""),
    ]
    assert {row.step for row in made.rows} == {made.step.name} and len(made.step.name) == 16


def test_a_photograph_that_lies_on_its_side_is_cut_upright(raw: Path) -> None:
    upright = np.asarray(Image.open(raw / "ada" / "2020" / "2.png"))
    (raw / "ada" / "turned.png").write_bytes(encoded(turned(upright, 6), exif=exif_of(6)))
    made = cut(raw)
    assert row_of(made, "ada/turned.png").face == row_of(made, "ada/2020/2.png").face
    assert (made.out / "ada" / "turned.png").read_bytes() == (made.out / "ada" / "2020" / "2.png").read_bytes()


def test_the_policy_decides_on_several_faces(raw: Path) -> None:
    made = cut(raw, policy="skip")
    assert made.several == () and made.written == 4
    row = row_of(made, "ada/both.jpg")
    assert (row.code, row.message) == ("several_faces", "It has 2 faces; the policy 'skip' takes one only.")
    strict = crop(raw, raw.parent / "strict", size=SIZE, policy="require-one")
    assert paths(strict.no_face) == ["bob/nobody.png"]
    assert paths(strict.skipped) == ["ada/both.jpg", "bob/notes.txt"]


def test_workers_and_their_order_change_nothing(raw: Path) -> None:
    one = crop(raw, raw.parent / "one", size=SIZE, workers=1)
    assert files_of(one.out) == files_of(cut(raw, workers=3).out)


# Files that are not its own


def test_a_file_of_the_users_own_is_not_overwritten(raw: Path) -> None:
    out = raw.parent / "out"
    (out / "ada").mkdir(parents=True)
    for name in ("1.png", "both.png"):
        (out / "ada" / name).write_text("my own")
    (out / "ada" / "other.png").write_text("another")
    ending = "not written by facefeat crop; crop into another folder, or replace {} with --overwrite."
    first = out / "ada" / "1.png"
    assert refused(raw) == f"{first} and 1 more are there and were {ending.format('them')}"
    (out / "ada" / "both.png").unlink()
    assert refused(raw) == f"{first} is there and was {ending.format('it')}"
    assert set(files_of(out)) == {"ada/1.png", "ada/other.png"}
    made = cut(raw, overwrite=True)
    assert made.written == 5 and (out / "ada" / "other.png").read_text() == "another" and made.orphaned == ()
    assert cut(raw).known == 5


def test_a_face_cut_by_hand_stays_where_none_was_found(raw: Path) -> None:
    made = cut(raw)
    mine = made.out / "bob" / "nobody.png"
    mine.write_text("by hand")
    again = cut(raw)
    assert mine.read_text() == "by hand" and again.rows == made.rows


def test_a_table_that_is_not_ones_own(raw: Path) -> None:
    out = raw.parent / "out"
    out.mkdir()
    (out / "faces.csv").write_text("name;age\n")
    with pytest.raises(ForeignFile) as foreign:
        cut(raw)
    assert str(foreign.value) == (
        f"{out / 'faces.csv'} is no table of facefeat crop; move it away, or crop into another folder."
    )
    (out / "faces.csv").write_bytes(crop_table.table([]) + b"ada/1.jpg,half")
    with pytest.raises(DamagedFile) as damaged:
        cut(raw)
    assert str(damaged.value) == (f"{out / 'faces.csv'} is damaged after line 1; mend it, or crop into another folder.")


def test_one_run_at_a_time(raw: Path) -> None:
    out = raw.parent / "out"
    with locked(out / ".faces.lock"), pytest.raises(LockedError) as caught:
        cut(raw)
    assert str(caught.value).startswith(f"{out} is being written by another run (process {os.getpid()} on ")


def test_mistakes(raw: Path) -> None:
    out = raw.parent / "out"
    assert refused(raw, size=31) == "The size must be from 32 to 1024 pixels; 31 was given."
    assert refused(raw, size=1025) == "The size must be from 32 to 1024 pixels; 1025 was given."
    none = "Faces must be found to be cut out, and 'none' finds none; use auto or yunet:FILE."
    assert refused(raw, faces_mode="none") == none
    assert refused(raw, policy="largst").startswith("There is no policy 'largst'; did you mean 'largest'?")
    out.write_text("")
    assert refused(raw) == f"{out} is a file; a folder for the faces is expected."
    for one in (raw, raw / "faces", raw.parent):
        with pytest.raises(UsageError) as caught:
            crop(raw, one)
        assert str(caught.value) == f"{raw} and {one} lie in each other; choose a folder for the faces that is apart."
    missing = raw.parent / "missing"
    with pytest.raises(InputError):
        crop(missing, raw.parent / "never")
    assert not (raw.parent / "never").exists()


def test_no_face_at_all(raw: Path, photographs: Path) -> None:
    shutil.rmtree(raw / "ada")
    for name in ("1.jpg", "2.jpg"):
        (raw / "bob" / name).unlink()
    with pytest.raises(InputError) as caught:
        cut(raw)
    table = raw.parent / "out" / "faces.csv"
    assert str(caught.value) == (f"None of the 2 files in {raw} shows a face that counts; {table} says why of each.")
    assert [row.code for row in crop_table.read(table)] == ["no_face", "not_a_picture"]
    shutil.copytree(photographs / "ada", raw / "ada")
    assert cut(raw, size=64).written == 3  # what was found in none way is no reason to refuse another


# Names


def test_names_of_any_bytes(raw: Path) -> None:
    picture = (raw / "bob" / "1.jpg").read_bytes()
    shutil.rmtree(raw)
    names = [b"caf\xe9.jpg", b"=1+1.jpg", b"two\r\nlines.jpg", b"100%.jpg", b"%41.jpg", b"x" * 240 + b".jpg"]
    folder = os.fsencode(raw / "+ada")
    os.makedirs(folder)
    for name in names:
        with open(folder + b"/" + name, "wb") as file:
            file.write(picture)
    made = cut(raw)
    assert sorted(paths(made.rows)) == sorted(f"+ada/{escaped(os.fsdecode(name))}" for name in names)
    written = set(os.listdir(os.fsencode(made.out / "+ada")))
    assert {name[:-4] + b".png" for name in names[:-1]} < written and len(written) == len(names)
    assert crop_table.read(made.table) == list(made.rows)
    assert cut(raw).known == len(names)


def test_sources_of_one_name_keep_their_suffix(raw: Path) -> None:
    for name in ("1.png", "1.jpg.png"):
        (raw / "bob" / name).write_bytes((raw / "ada" / "2020" / "2.png").read_bytes())
    out = cut(raw).out
    assert sorted(path.name for path in (out / "bob").iterdir()) == [
        "1.jpg.png", "1.jpg.png.png", "1.png.png", "2.png",
    ]  # fmt: skip
