"""facefeat crop, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.features.store.lock import locked
from tests.cli.test_commands import document, refused, run
from tests.curate.cropping import scene
from tests.making import Pixels, encoded


@pytest.fixture
def raw(tmp_path: Path, orl_pixels: list[Pixels]) -> Path:
    """Give photographs: one of a face, one of two, one of nobody, and a file that is none."""
    root = tmp_path / "raw"
    for name in ("ada", "bob"):
        (root / name).mkdir(parents=True)
    (root / "ada" / "1.png").write_bytes(encoded(scene(orl_pixels[0])))
    (root / "ada" / "both.png").write_bytes(encoded(scene(orl_pixels[0], orl_pixels[1])))
    (root / "bob" / "nobody.png").write_bytes(encoded(scene()))
    (root / "bob" / "empty.jpg").write_bytes(b"")
    return root


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def lines(text: str) -> list[str]:
    """Return the lines with single blanks, without the one that says how long it took."""
    return [" ".join(line.split()) for line in text.splitlines() if not line.startswith(" time ")]


def unfolded(text: str) -> str:
    """Return a text without its line breaks, which long paths get anywhere."""
    return "".join(text.split())


def test_crop_says_what_it_did(raw: Path, out: Path) -> None:
    (raw / "loose.jpg").write_bytes(b"")
    found = run("crop", raw, out, "--size", 64)
    assert found.exit_code == 0, found.stderr
    assert lines(found.stdout)[:9] == [
        "photographs 4 found, of 2 people",
        "faces 2 written, 0 known already",
        "several faces in 1; one of each by the policy 'largest'",
        "ada/both.png: 2",
        "no face in 1",
        "bob/nobody.png",
        "skipped 1: empty 1",
        "bob/empty.jpg: The file is empty.",
        "left out 1 picture beside the folders, of nobody",
    ]
    assert unfolded(found.stdout).count(str(out / "faces.csv")) == 1 and unfolded(found.stdout).endswith(str(out))
    assert found.stderr.startswith("Faces are found by mtcnn, run by openvino on ")
    assert found.stderr.splitlines()[-1] == f"Next: facefeat extract {out} --faces none --size 64"
    with Image.open(out / "ada" / "1.png") as face:
        assert face.size == (64, 64)


def test_a_second_crop_says_what_is_known_and_what_was_left_behind(raw: Path, out: Path) -> None:
    run("crop", raw, out, "--size", 64)
    (raw / "ada" / "1.png").unlink()
    found = run("crop", raw, out, "--size", 64)
    assert lines(found.stdout)[1] == "faces 0 written, 1 known already"
    assert lines(found.stdout)[8:10] == ["orphaned 1 face without a photograph now", "ada/1.png"]
    assert (out / "ada" / "1.png").exists()
    assert "Faces are found by" not in found.stderr


def test_crops_document(raw: Path, out: Path) -> None:
    found = document("crop", raw, out, "--size", 64, "--min-face", 0.1)
    assert 0 <= found.pop("seconds") < 600
    step = found.pop("step")
    assert found == {
        "schema": "facefeat/crop/1",
        "photographs": 4,
        "people": 2,
        "written": 2,
        "known": 0,
        "several": [{"path": "ada/both.png", "faces": 2}],
        "no_face": ["bob/nobody.png"],
        "skipped": [{"path": "bob/empty.jpg", "code": "empty", "message": "The file is empty."}],
        "orphaned": [],
        "output": str(out),
        "table": str(out / "faces.csv"),
    }
    assert (step["size"], step["resize"], step["faces"]["min_face"]) == (64, "area-dct", 0.1)
    assert (out / "faces.csv").read_text().splitlines()[1].endswith("," + step["name"])
    assert document("crop", raw, out, "--size", 64, "--min-face", 0.1)["known"] == 2


def test_long_lists_are_cut_unless_all_is_asked_for(raw: Path, out: Path) -> None:
    for number in range(14):
        (raw / "bob" / f"{number:02}.png").write_bytes(encoded(np.full((40, 40, 3), number, np.uint8)))
    few = lines(run("crop", raw, out, "--size", 64).stdout)
    start = few.index("no face in 15")
    assert few[start + 12 : start + 14] == ["bob/11.png", "... and 3 more; -v lists them"]
    everything = lines(run("crop", raw, out, "--size", 64, "-v").stdout)
    assert everything[start + 13 : start + 16] == ["bob/12.png", "bob/13.png", "bob/nobody.png"]


def test_what_comes_next_is_a_size_that_extract_takes(raw: Path, out: Path) -> None:
    found = run("crop", raw, out, "--size", 1024)
    assert found.stderr.splitlines()[-1] == f"Next: facefeat extract {out} --faces none --size 512"
    assert run("crop", raw, out, "--size", 1024, "-q").stderr == ""


def test_mistakes_are_one_sentence_each(raw: Path, out: Path, tmp_path: Path) -> None:
    assert refused(2, "crop", raw, out, "--size", 20) == "The size must be from 32 to 1024 pixels; 20 was given."
    assert refused(2, "crop", raw, out, "--faces", "none") == (
        "Faces must be found to be cut out, and 'none' finds none; use auto or yunet:FILE."
    )
    inside = raw / "out"
    assert refused(2, "crop", raw, inside) == (
        f"{raw} and {inside} lie in each other; choose a folder for the faces that is apart."
    )
    missing = tmp_path / "missing"
    assert refused(3, "crop", missing, out) == f"There is no folder {missing}."
    assert not out.exists()
    too_long = tmp_path / ("x" * 300)
    assert refused(6, "crop", raw, too_long) == f"{too_long} cannot be written: File name too long."


def test_what_is_there_is_not_replaced_unless_asked(raw: Path, out: Path) -> None:
    (out / "ada").mkdir(parents=True)
    mine = out / "ada" / "1.png"
    mine.write_text("mine")
    ending = "crop into another folder, or replace it with --overwrite."
    assert refused(2, "crop", raw, out, "-q") == f"{mine} is there and was not written by facefeat crop; {ending}"
    assert mine.read_text() == "mine" and sorted(out.rglob("*")) == [out / "ada", mine]
    assert run("crop", raw, out, "--overwrite", "--size", 64).exit_code == 0
    assert refused(2, "crop", raw, out, "--size", 80, "--policy", "skip", "-q") == (
        f"{out} holds faces that were cut otherwise: policy is largest instead of skip, size is 64 instead of 80. "
        "Crop into another folder, or cut all of them anew with --overwrite."
    )
    (out / "faces.csv").write_text("mine")
    assert refused(4, "crop", raw, out, "-q") == (
        f"{out / 'faces.csv'} is no table of facefeat crop; move it away, or crop into another folder."
    )


def test_photographs_of_nobody_exit_with_3(raw: Path, out: Path) -> None:
    for name in ("1.png", "both.png"):
        (raw / "ada" / name).unlink()
    found = run("crop", raw, out, "--json", "-q")
    message = f"None of the 2 files in {raw} shows a face that counts; {out / 'faces.csv'} says why of each."
    assert found.exit_code == 3
    assert json.loads(found.stdout) == {
        "schema": "facefeat/error/1", "error": "InputError", "message": message, "exit_code": 3,
    }  # fmt: skip
    assert (out / "faces.csv").exists()


def test_the_second_of_two_runs_exits_with_5(raw: Path, out: Path) -> None:
    with locked(out / ".faces.lock"):
        assert refused(5, "crop", raw, out).startswith(f"{out} is being written by another run (process ")


def test_a_stopped_run_exits_with_130_and_goes_on(raw: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("facefeat.curate.crop_cut.Cutter.group", stop)
        found = run("crop", raw, out, "--size", 64, "-q")
    assert found.exit_code == 130 and found.stderr.startswith("Stopped")
    assert (out / "faces.csv.part").exists()
    assert document("crop", raw, out, "--size", 64)["written"] == 2
    assert sorted(path.name for path in out.iterdir()) == [".faces.json", "ada", "faces.csv"]
