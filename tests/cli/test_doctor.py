"""What facefeat doctor prints, writes, moves and refuses."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from facefeat.cli.app import app
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from tests.curate.cropping import files_of
from tests.making import write_people

KINDS = (
    "unusable", "leaks", "two_people", "suspects", "duplicates", "near_duplicates",
    "no_face", "several_faces", "tiny", "blurred", "dark", "few",
)  # fmt: skip


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["doctor", *map(str, words)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give three people with two copies, one picture of bob with cleo, an empty file and a test set that shares one."""
    root = write_people(tmp_path / "data", {"ada": 6, "bob": 6, "cleo": 6})
    shutil.copy(root / "ada" / "02.png", root / "ada" / "copy.png")
    shutil.copy(root / "ada" / "02.png", root / "ada" / "copy of a copy.png")
    shutil.move(root / "bob" / "04.png", root / "cleo" / "wrong.png")
    (root / "bob" / "empty.jpg").write_bytes(b"")
    write_people(tmp_path / "test", {"bob": 1})
    return root


@pytest.fixture
def features(data: Path) -> Path:
    path = data.with_name("features.h5")
    return extract(data, path, plan("thumb", faces_mode="none"), engine="openvino", workers=1).file.path


def document(*words: object) -> dict[str, Any]:
    found = run(*words, "--json")
    assert found.exit_code == 0, found.stderr
    parsed: dict[str, Any] = json.loads(found.stdout)
    assert parsed["schema"] == "facefeat/doctor/1"
    return parsed


def refused(code: int, *words: object) -> str:
    found = run(*words)
    assert (found.exit_code, found.stdout) == (code, ""), (found.exit_code, found.stdout, found.stderr)
    assert "Traceback" not in found.stderr
    return " ".join(found.stderr.split())


def test_the_document(data: Path, features: Path) -> None:
    found = document(data, "--features", features, "--against", data.with_name("test"))
    assert {"data", "against", "images", "people", "notes", "recipe_sha256", "seconds", *KINDS} == set(found) - {
        "schema"
    }
    assert (found["data"], found["against"]) == (str(data), str(data.with_name("test")))
    assert (found["images"], found["people"]) == (21, 3)
    assert [one["path"] for one in found["duplicates"]] == ["ada/copy of a copy.png", "ada/copy.png"]
    assert found["duplicates"][0] == {
        "path": "ada/copy of a copy.png", "reason": "It is the same, byte for byte, as another.",
        "other": "ada/02.png", "value": 1.0, "action": "remove", "to": None,
    }  # fmt: skip
    (leak,), (suspect,), (unusable,) = found["leaks"], found["suspects"], found["unusable"]
    assert (leak["path"], leak["other"], leak["action"]) == ("bob/01.png", "bob/01.png", "remove")
    assert (suspect["path"], suspect["to"], suspect["action"]) == ("cleo/wrong.png", "bob", None)
    assert (unusable["path"], unusable["value"]) == ("bob/empty.jpg", None)
    assert found["near_duplicates"] == [] and len(found["recipe_sha256"]) == 64


def test_without_another_data_set_the_document_says_null(data: Path, features: Path) -> None:
    found = document(data, "--features", features)
    assert found["against"] is None and found["leaks"] == []


def test_the_text(data: Path, features: Path) -> None:
    found = run(data, "--features", features, "--against", data.with_name("test"))
    assert found.exit_code == 0 and max(map(len, found.stdout.splitlines())) <= 100
    lines = [" ".join(line.split()) for line in found.stdout.splitlines() if line]
    assert lines[0] == "21 pictures of 3 people, and 1 picture of the other data set."
    heads = ("Cannot be used: 1", "Stands in the other data set too: 1", "Looks like somebody else: 1",
             "A copy, byte for byte: 2, of 1 picture")  # fmt: skip
    places = [lines.index(head) for head in heads]
    assert places == sorted(places)
    unusable, leaks, suspects, copies = (
        lines[start:end] for start, end in zip(places, [*places[1:], len(lines)], strict=True)
    )
    assert unusable[-1] == "bob/empty.jpg The file is empty." and leaks[-1] == "bob/01.png = bob/01.png"
    assert suspects[-1].startswith("cleo/wrong.png bob? nearer by ") and "; such as bob/" in suspects[-1]
    assert copies[2:4] == ["ada/copy of a copy.png = ada/02.png", "ada/copy.png = ada/02.png"]
    assert copies[-2] == "Faces were not looked for; the recipe takes whole pictures."
    assert lines[-1].endswith(" s") and found.stderr.strip().endswith(
        "Looking for copies and for faces under a wrong name."
    )


def test_long_names_stay_within_the_width(tmp_path: Path, thumb_file: Path) -> None:
    data = write_people(tmp_path / "data", {f"{'long ' * 20}{number}": 2 for number in range(3)})
    found = run(data, "--features", thumb_file, "-q")
    assert found.exit_code == 0 and max(map(len, found.stdout.splitlines())) <= 100
    assert "Too few pictures: 3" in found.stdout


def test_many_copies_are_cut_short_but_for_v(data: Path, features: Path) -> None:
    for number in range(30):
        shutil.copy(data / "bob" / "02.png", data / "bob" / f"copy {number:02}.png")
    short, long = (run(data, "--features", features, "-q", *words).stdout for words in ((), ("-v",)))
    assert "A copy, byte for byte: 32, of 2 pictures" in short and "... and 28 more; -v lists them." in short
    assert "bob/copy 29.png" in long and "bob/copy 29.png" not in short and " more; " not in long


def test_nothing_found(tmp_path: Path) -> None:
    data = write_people(tmp_path / "data", {"ada": 6, "bob": 6})
    features = extract(data, tmp_path / "f.h5", plan("thumb", faces_mode="none"), workers=1).file.path
    found = run(data, "--features", features, "-q")
    assert "Nothing is wrong with them, as far as this can be seen." in found.stdout and found.stderr == ""


def test_there_and_back(data: Path, features: Path) -> None:
    before, table = files_of(data), data.with_name("list.csv")
    looked = run(data, "--features", features, "--fix", table, "--against", data.with_name("test"))
    assert looked.stderr.splitlines()[-1] == (
        f"Wrote {table}, which would move 4 pictures. Look at it; then: facefeat doctor {data} --apply {table}"
    )
    assert files_of(data) == before
    rows = list(csv.reader(table.read_text().splitlines()))
    (row,) = (row for row in rows if row[3] == "suspect")
    assert row[:3] == ["", "cleo/wrong.png", "bob"]
    row[0] = "move"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)

    applied = run(data, "--apply", table)
    folder = data.with_name("data-removed")
    lines = [" ".join(line.split()) for line in applied.stdout.splitlines()]
    assert applied.exit_code == 0 and " ".join(lines).replace(" ", "") == (
        f"removed 4 pictures, which now lie in {folder} moved 1 picture to other people".replace(" ", "")
    )
    assert applied.stderr == f"To take it back: facefeat doctor {data} --undo\n"
    assert (data / "bob" / "wrong.png").exists() and not (data / "ada" / "copy.png").exists()
    assert sorted(files_of(folder)) == [
        ".moves.csv", "ada/copy of a copy.png", "ada/copy.png", "bob/01.png", "bob/empty.jpg",
    ]  # fmt: skip
    again = document(data, "--features", features, "--against", data.with_name("test"))
    assert [kind for kind in KINDS if again[kind]] == []

    undone = run(data, "--undo")
    assert undone.exit_code == 0 and undone.stdout.split() == ["put", "back", "5", "pictures"] and undone.stderr == ""
    assert files_of(data) == before and not folder.exists()
    assert refused(3, data, "--undo") == f"Nothing was moved out of {data}: there is no {folder / '.moves.csv'}."


def test_what_was_moved_as_a_document(data: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("action,path,to\nremove,ada/01.png,\nmove,ada/02.png,dan\n")
    folder = str(data.with_name("data-removed"))
    expected = {"schema": "facefeat/doctor/1", "removed": 1, "moved": 1, "restored": 0, "folder": folder, "left": []}
    assert document(data, "--apply", table) == expected
    (data / "ada" / "01.png").write_bytes(b"another")
    left = f"{folder}/ada/01.png: there is another {data}/ada/01.png"
    assert document(data, "--undo") == {**expected, "removed": 0, "moved": 0, "restored": 1, "left": [left]}
    assert left.replace(" ", "") in "".join(run(data, "--undo").stdout.split())


def test_a_list_without_anything_to_do(data: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("action,path\n,ada/01.png\n")
    found = run(data, "--apply", tmp_path / "list.csv")
    assert found.stdout.split() == ["done", "there", "was", "nothing", "to", "move"] and found.stderr == ""


def test_the_page_is_written(data: Path, features: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    found = run(data, "--features", features, "--html", page)
    assert found.exit_code == 0 and found.stderr.splitlines()[-1] == f"Wrote {page}"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and text.count("<article") == 4 and "ada/copy of a copy.png" in text


def test_quiet_says_the_result_only(data: Path, features: Path, tmp_path: Path) -> None:
    words = (data, "--features", features, "-q", "--fix", tmp_path / "l.csv", "--html", tmp_path / "p.html")
    found = run(*words)
    assert found.stderr == "" and found.stdout.lstrip().startswith("21 pictures of 3 people.")
    assert run(data, "--apply", tmp_path / "l.csv", "-q").stderr == ""
    assert (tmp_path / "p.html").exists()


def test_looking_and_mending_at_once_are_refused(data: Path, features: Path) -> None:
    before = files_of(data.parent)
    both = "--apply moves pictures and --undo moves them back; give one of the two."
    assert refused(2, data, "--apply", "l.csv", "--undo") == both
    only = "--apply and --undo only move pictures; --against, --fix and --html belong to looking at them."
    for words in (
        ("--apply", "l.csv", "--html", "p.html"),
        ("--undo", "--fix", "l.csv"),
        ("--undo", "--against", data),
    ):
        assert refused(2, data, *words) == only
    assert files_of(data.parent) == before


def test_what_is_not_there(data: Path, features: Path, tmp_path: Path) -> None:
    no = tmp_path / "no"
    assert refused(3, no, "--features", features) == f"There is no folder {no}."
    assert refused(3, no, "--apply", "l.csv") == f"There is no folder {no}."
    assert refused(3, data, "--features", features, "--against", no, "-q") == f"There is no folder {no}."
    assert refused(3, data, "--apply", no) == f"The list {no} cannot be read: No such file or directory."
    (tmp_path / "f.h5").write_text("no HDF5")
    assert refused(4, data, "--features", tmp_path / "f.h5") == (
        f"{tmp_path / 'f.h5'} is not a feature file; facefeat extract makes one."
    )


def test_an_error_is_one_document_too(data: Path, features: Path) -> None:
    found = run(data, "--undo", "--json")
    parsed = json.loads(found.stdout)
    assert found.exit_code == 3 and (parsed["schema"], parsed["exit_code"]) == ("facefeat/error/1", 3)
