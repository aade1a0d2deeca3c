"""What a person types, and what comes back: every line, every exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from facefeat.cli.app import app
from tests.making import person_pixels, write_people

THUMB = ["--backbone", "thumb", "--faces", "none"]


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def document(*words: object) -> dict[str, Any]:
    """Run a command with --json; its stdout must be exactly one document."""
    found = run(*words, "--json")
    assert found.exit_code == 0, found.stderr
    parsed: dict[str, Any] = json.loads(found.stdout)
    assert parsed["schema"] == f"facefeat/{words[0]}/1"
    return parsed


def refused(code: int, *words: object) -> str:
    """Run a command that must fail: one sentence on stderr, nothing on stdout."""
    found = run(*words)
    assert found.exit_code == code, (found.exit_code, found.stdout, found.stderr)
    assert found.stdout == "" and "Traceback" not in found.stderr
    return found.stderr.strip()


@pytest.fixture
def features(tmp_path: Path) -> Path:
    data = write_people(tmp_path / "people", {"ada": 6, "bob": 6, "cleo": 6})
    path = tmp_path / "features.h5"
    assert run("extract", data, "-o", path, *THUMB).exit_code == 0
    return path


@pytest.fixture
def model(features: Path) -> Path:
    path = features.with_name("model.facefeat")
    assert run("fit", features, "--head", "lda", "-o", path).exit_code == 0
    return path


def test_every_command_has_help_with_an_example() -> None:
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert {"extract", "fit", "compare", "evaluate", "predict", "demo", "info", "heads", "backbones"} <= set(names)
    for name in names:
        found = run(name, "--help")
        assert found.exit_code == 0 and f"Example: facefeat {name}" in found.stdout


def test_extract_says_what_it_did(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 2, "bob": 3})
    (data / "ada" / "notes.txt").write_text("")
    (data / "empty").mkdir()
    found = run("extract", data, "-o", tmp_path / "f.h5", *THUMB)
    assert found.exit_code == 0
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert lines[:5] == [
        "pictures 6 found, of 2 people",
        "rows 5: 5 computed, 0 known already, 0 copies",
        "skipped 1: empty 1",
        "ada/notes.txt: The file is empty.",
        "empty folders without a picture: empty",
    ]
    assert "".join(lines).endswith(str(tmp_path / "f.h5"))
    assert "Vectors are computed by openvino on " in found.stderr
    assert found.stderr.splitlines()[-1] == f"Next: facefeat compare {tmp_path / 'f.h5'}"


def test_a_second_extract_computes_nothing_and_says_so(features: Path) -> None:
    before = features.read_bytes(), features.stat().st_mtime_ns
    found = run("extract", features.parent / "people", "-o", features, *THUMB)
    assert "rows 18: 0 computed, 18 known already, 0 copies" in " ".join(found.stdout.split())
    assert "nothing had to be computed" in found.stdout and "made by" in found.stdout
    assert (features.read_bytes(), features.stat().st_mtime_ns) == before


def test_extracts_document(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 2, "bob": 2})
    (data / "bob" / "b.jpg").write_bytes(b"")
    found = document("extract", data, "-o", tmp_path / "f.h5", *THUMB)
    assert (found["images"], found["rows"], found["computed"], found["reused"], found["duplicates"]) == (5, 4, 4, 0, 0)
    assert found["skipped"] == [{"path": "bob/b.jpg", "code": "empty", "message": "The file is empty."}]
    assert set(found["seconds"]) == {"total", "decode", "faces", "network", "write"}
    assert found["recipe"]["backbone"] == "thumb" and len(found["recipe_sha256"]) == 64
    assert {"output", "engine", "device", "precision", "images_per_second"} <= set(found)


def test_strict_exits_with_3_and_keeps_the_file(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people")
    (data / "ada" / "x.jpg").write_text("no picture")
    found = run("extract", data, "-o", tmp_path / "f.h5", *THUMB, "--strict")
    assert found.exit_code == 3 and (tmp_path / "f.h5").exists()
    assert found.stderr.splitlines()[-1] == "--strict was given, and 1 of 7 files was skipped."


def test_compare_prints_a_table_of_at_most_100_columns(features: Path) -> None:
    found = run("compare", features, "--heads", "lda,knn", "--folds", 3, "--workers", 1)
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert max(map(len, lines)) <= 100 and not any(line != line.rstrip() for line in lines)
    assert "…" not in found.stdout
    for word in ("head", "layer", "accuracy", "95 % interval", "★", "pixel PCA", "majority", "18 pictures of 3 people"):
        assert word in found.stdout
    assert found.stderr.splitlines()[-1].startswith(f"Next: facefeat fit {features} --head ")


def test_compares_document_and_report_say_the_same(features: Path) -> None:
    report = features.with_name("report.json")
    found = document("compare", features, "--heads", "lda", "--folds", 3, "--workers", 1, "--report", report)
    assert json.loads(report.read_text()) == found
    assert found["best"] == {"head": "lda", "layer": found["rows"][0]["layer"]}
    assert set(found["rows"][0]["accuracy"]) == {"mean", "low", "high"}
    assert [one["name"] for one in found["baselines"]] == ["pixel PCA", "majority"]
    assert found["verdict"].startswith(f"lda on {found['best']['layer']} names ")
    assert found["leaks"] == {"copies": 0, "near_copies": 0, "accuracy_with": None}


def test_fit_says_where_unknown_begins(features: Path) -> None:
    found = run("fit", features, "--head", "svm", "--set", "C=10", "-o", features.with_name("m.facefeat"))
    assert found.exit_code == 0 and "svm on grey8, C=10" in found.stdout and "A face is unknown below" in found.stdout


def test_fits_document(features: Path) -> None:
    found = document("fit", features, "--head", "svm", "--set", "C=10", "-o", features.with_name("m.facefeat"))
    assert (found["head"], found["layer"], found["params"], found["people"], found["rows"]) == (
        "svm", "grey8", {"C": 10}, 3, 18,
    )  # fmt: skip
    assert set(found["threshold"]) == {
        "value",
        "fpir",
        "fnir",
        "n_people",
        "n_pictures",
        "how",
        "reached",
        "reached_low",
        "reached_high",
    }


def test_evaluate_and_predict_agree(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for name in ("ada", "bob"):
        (other / name).mkdir(parents=True)
        Image.fromarray(person_pixels(name, 99)).save(other / name / "new.png")
    found = document("evaluate", model, other)
    assert (found["images"], found["accuracy"]["mean"], found["missing_people"]) == (2, 1.0, ["cleo"])
    photos = document("predict", model, other / "ada" / "new.png", other / "bob" / "new.png")["photos"]
    assert [photo["faces"][0]["best"] for photo in photos] == ["ada", "bob"]
    assert {"box", "name", "score", "margin", "threshold", "candidates", "nearest"} <= set(photos[0]["faces"][0])


def test_predict_annotates(model: Path, tmp_path: Path) -> None:
    picture = min((model.parent / "people").rglob("*.png"))
    out = tmp_path / "out"
    assert run("predict", model, picture, picture, "--annotate", out).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["01-2.png", "01.png"]
    with Image.open(out / "01.png") as drawn, Image.open(picture) as original:
        assert drawn.size == original.size


def test_predict_goes_on_past_what_cannot_be_read(model: Path, tmp_path: Path) -> None:
    picture = min((model.parent / "people").rglob("*.png"))
    bad = tmp_path / "bad.png"
    bad.write_text("x")
    found = run("predict", model, bad, picture)
    assert (
        found.exit_code == 0
        and "not read (not_a_picture)" in found.stdout
        and re.search(r" ada, [\w ]+ % sure  score ", found.stdout)
    )
    assert run("predict", model, bad).exit_code == 3


def test_info_heads_and_backbones(features: Path) -> None:
    assert document("info", features)["people"] == {"ada": 6, "bob": 6, "cleo": 6}
    assert [one["name"] for one in document("heads")["heads"]] == ["dense", "knn", "lda", "logreg", "prototype", "svm"]
    named = {one["name"] for one in document("backbones")["backbones"]}
    assert {"efficientnet", "mobilenet", "resnet50", "thumb", "vgg16", "vgg19"} <= named
    assert "18 of 3 people" in run("info", features).stdout
    assert "n_neighbors=1" in run("heads").stdout and "block4_pool" in run("backbones").stdout


def test_quiet_leaves_only_the_result(features: Path) -> None:
    assert run("extract", features.parent / "people", "-o", features, *THUMB, "-q").stderr == ""


def test_mistakes_are_one_sentence_each(tmp_path: Path, features: Path, model: Path) -> None:
    empty = tmp_path / "nothing"
    empty.mkdir()
    missing = tmp_path / "missing"
    assert refused(3, "extract", missing) == f"There is no folder {missing}."
    assert refused(3, "extract", empty) == (
        f"{empty} has no subfolders; one subfolder a person is expected, such as {empty / 'Anna' / '1.jpg'}."
    )
    assert refused(3, "extract", features) == f"{features} is a file; a folder with one subfolder a person is expected."
    assert refused(3, "compare", missing) == (
        f"There is no feature file {missing}; make it with: facefeat extract DATA -o {missing}"
    )
    assert refused(4, "compare", model) == f"{model} is not a feature file; facefeat extract makes one."
    assert refused(4, "predict", features, "x.png") == f"{features} is not a facefeat model; facefeat fit makes one."
    assert refused(2, "fit", features, "--head", "smv").startswith("There is no head 'smv'; did you mean 'svm'?")
    assert (
        refused(2, "fit", features, "--head", "svm", "--set", "C")
        == "--set takes name=value, such as C=10; 'C' was given."
    )
    assert refused(2, "extract", tmp_path / "people", "--backbone", "vg16").startswith(
        "There is no backbone 'vg16'; did you mean 'vgg16'?"
    )
    assert refused(2, "extract", tmp_path / "people", *THUMB, "--size", "20") == (
        "The size must be from 32 to 512 pixels; 20 was given."
    )
    assert refused(4, "extract", tmp_path / "people", "-o", features, *THUMB, "--size", "48") == (
        f"{features} holds vectors of another recipe: input_size is 32 instead of 48. "
        "Write to another file with -o, or replace it with --overwrite."
    )


def test_an_error_with_json_is_a_document_too(tmp_path: Path) -> None:
    found = run("extract", tmp_path / "missing", "--json")
    assert found.exit_code == 3
    assert json.loads(found.stdout) == {
        "schema": "facefeat/error/1",
        "error": "InputError",
        "message": f"There is no folder {tmp_path / 'missing'}.",
        "exit_code": 3,
    }


def test_usage_mistakes_exit_with_2() -> None:
    assert run("extract").exit_code == 2
    assert run("extrakt", "x").exit_code == 2
    assert run("extract", "x", "--no-such-option").exit_code == 2


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in run("extract", tmp_path / "missing", "--debug").stderr


def test_a_bug_is_called_one(monkeypatch: pytest.MonkeyPatch, features: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr("facefeat.features.store.file.read", broken)
    found = run("info", features)
    assert found.exit_code == 1 and "facefeat has a bug: RuntimeError." in found.stderr


def test_names_that_would_steer_a_terminal_are_made_harmless(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people")
    (data / "ada").rename(data / "a\x1b[31mda")
    found = run("extract", data, "-o", tmp_path / "f.h5", *THUMB)
    listed = run("info", tmp_path / "f.h5", "-v")
    assert found.exit_code == 0 and "\x1b" not in found.stdout + listed.stdout and "a\ufffd[31mda" in listed.stdout


def test_progress_shows_the_time_left_of_each_stretch_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    from facefeat.cli import frame

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with frame.progress(quiet=False) as tell:
        tell("reading", 4, 4)
        tell("faces and vectors", 1, 4)  # as many again: another stretch, not one that has ended
        shown = frame_text(screen)
    assert "faces and vectors" in shown and "1/4" in shown and "-:--:--" in shown.rpartition("1/4")[2]


def frame_text(screen: Any) -> str:
    """Return what is on a terminal after the next refresh."""
    import re
    import time

    time.sleep(0.3)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())


def test_ways_to_find_faces_that_are_wrong(people: Path, tmp_path: Path) -> None:
    words = ["extract", people, "-o", tmp_path / "f.h5", "--backbone", "thumb"]
    ways = "There are: auto, mtcnn, none, yunet:FILE."
    assert refused(2, *words, "--faces", "yunet") == (
        f"There is no way to handle faces 'yunet'; did you mean 'yunet:FILE'? {ways}"
    )
    assert refused(3, *words, "--faces", "yunet:none.onnx") == (
        "The detector's file none.onnx cannot be read: No such file or directory."
    )
    assert refused(2, *words, "--policy", "biggest") == (
        "There is no policy 'biggest'; did you mean 'largest'? There are: central, largest, require-one, skip."
    )
    assert refused(2, *words, "--min-score", "2") == "The lowest score must be from 0 to 1; 2.0 was given."
    assert refused(2, *words, "--min-face", "-1") == "The smallest face must be from 0 to 1; -1.0 was given."
    assert run(*words, "--min-face", "small").exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people"]


def test_what_decides_about_faces_is_in_the_recipe(people: Path, tmp_path: Path) -> None:
    words = ["--policy", "central", "--min-score", 0.8, "--min-face", 0.1, "--template", "arcface"]
    made = document("extract", people, "-o", tmp_path / "f.h5", "--backbone", "thumb", *words)
    step = made["recipe"]["faces"]
    chosen = {"policy": "central", "min_score": 0.8, "min_face": 0.1, "template": "arcface", "detector": "mtcnn"}
    assert {name: step[name] for name in chosen} == chosen
    assert refused(4, "extract", people, "-o", tmp_path / "f.h5", "--backbone", "thumb").startswith(
        f"{tmp_path / 'f.h5'} holds vectors of another recipe: faces."
    )
