"""What a person types to look at files and to rewrite them, and what comes back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from facefeat.data import picture
from facefeat.errors import PictureRefused
from facefeat.features.store.shards import Shard, WorkFolder, writing
from facefeat.learn.check import look
from facefeat.report import files
from tests.cli.test_commands import THUMB, document, refused, run
from tests.features.store.contents import MADE_BY, MADE_BY_JSON, recipe_of
from tests.features.store.test_check import whole_columns
from tests.features.store.test_file import crafted
from tests.making import encoded, person_pixels, write_people


def lines(*words: object, code: int = 0) -> list[str]:
    """Run a command; return what it printed, blanks folded."""
    found = run(*words)
    assert found.exit_code == code, (found.exit_code, found.stdout, found.stderr)
    return [" ".join(line.split()) for line in found.stdout.splitlines() if line.strip()]


def extracted(data: Path) -> Path:
    """Extract with the toy into a file beside the data set."""
    path = data.with_suffix(".h5")
    assert run("extract", data, "-o", path, *THUMB).exit_code == 0
    return path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, so that names are short."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data() -> Path:
    """Give a folder of three people, with a copy under another name and two bad files."""
    data = write_people(Path("people"), {"ada": 4, "bob": 6, "cleo": 5})
    shutil.copy(data / "ada" / "01.png", data / "bob" / "copy.png")
    (data / "ada" / "notes.txt").write_text("")
    (data / "cleo" / "x.jpg").write_text("no picture")
    return data


@pytest.fixture
def features(data: Path) -> Path:
    """Give its feature file."""
    return extracted(data)


@pytest.fixture
def model(features: Path) -> Path:
    """Give a model fitted on it."""
    path = features.with_name("model.facefeat")
    assert run("fit", features, "--head", "knn", "-o", path).exit_code == 0
    return path


@pytest.fixture
def work(features: Path) -> WorkFolder:
    """Give unfinished work beside it: five rows, and a shard that was set aside."""
    folder = WorkFolder(features, recipe_of())
    with folder.held():
        folder.add(Shard(whole_columns(5), (), MADE_BY_JSON))
    (folder.path / "shard-0.bad").write_bytes(b"")
    return folder


def test_info_of_a_feature_file_at_a_glance(features: Path) -> None:
    shown = lines("info", features)
    made_by = next(line for line in shown if line.startswith("made by"))
    size = f"{features.stat().st_size / 1000:.1f} kB"
    assert shown[:11] == [
        f"file people.h5, a feature file of {size}",
        "rows 16 of 3 people",
        "copies 1 picture with the bytes of an earlier one; under another person's name: 1",
        "no face not looked for; the whole picture was taken",
        "skipped 2: empty 1, not_a_picture 1",
        "ada/notes.txt: The file is empty.",
        "cleo/x.jpg: Not a picture of an accepted format (JPEG, MPO, PNG, WEBP, GIF, BMP, TIFF,",
        "PPM, AVIF).",
        "vectors grey8 64 x float32",
        "grey16 256 x float32",
        "recipe thumb (none), 32 px, avg, mirrored mean, faces: none",
    ]
    assert shown[11] == f"SHA-256 {look(features).contents.recipe.sha256}"
    assert made_by.startswith("made by openvino on ") and "facefeat 0" in shown[shown.index(made_by) + 1]
    assert [line.split()[:2] for line in shown[-3:]] == [["ada", "4"], ["bob", "7"], ["cleo", "5"]]
    assert shown[-3].split()[2] == "█" * round(24 * 4 / 7) and shown[-2].split()[2] == "█" * 24


def test_infos_document_of_a_feature_file(features: Path, work: WorkFolder) -> None:
    found = document("info", features)
    assert (found["kind"], found["bytes"], found["rows"]) == ("features", features.stat().st_size, 16)
    assert found["people"] == {"ada": 4, "bob": 7, "cleo": 5}
    assert found["copies"] == {"rows": 1, "of_other_people": 1}
    assert found["layers"]["grey16"] == {"width": 256, "dtype": "float32"}
    assert [one["code"] for one in found["skipped"]] == ["empty", "not_a_picture"]
    assert found["unfinished"] == {"rows": 5, "shards": 1, "set_aside": 1, "half_written": 0}
    assert found["recipe"]["backbone"] == "thumb" and len(found["recipe_sha256"]) == 64


def test_info_speaks_of_unfinished_work(features: Path, work: WorkFolder) -> None:
    told = "unfinished 1 shard and 1 damaged shard beside it; facefeat extract goes on from 5 rows in them"
    assert told in lines("info", features)


def test_info_names_all_that_made_its_rows(thumb_file: Path) -> None:
    first, second = ({**MADE_BY, "device": name, "versions": {"x": name}} for name in ("one", "two"))
    text = json.dumps({**second, "others": [first]})
    crafted(Path("f.h5"), thumb_file, lambda file: file.attrs.__setitem__("made_by", text))
    shown = lines("info", "f.h5")
    at = shown.index("made by none on two, float32")
    assert shown[at : at + 4] == ["made by none on two, float32", "x two", "and by none on one, float32", "x one"]


def test_info_of_a_model(model: Path) -> None:
    shown = " ".join(lines("info", model))
    assert shown.startswith("file model.facefeat, a model of ")
    assert "head knn on grey8, its defaults" in shown and "trained on 16 pictures of 3 people" in shown
    assert "unknown A face is unknown below 0." in shown and "recipe thumb (none), 32 px" in shown
    assert "made with facefeat 0." in shown and "skops" in shown and "bob 7 ███" in shown


def test_infos_document_of_a_model(model: Path) -> None:
    found = document("info", model)
    assert (found["kind"], found["head"], found["layer"], found["rows"]) == ("bundle", "knn", "grey8", 16)
    assert found["people"] == {"ada": 4, "bob": 7, "cleo": 5}
    assert {"value", "fpir", "how"} <= set(found["threshold"]) and "scikit-learn" in found["versions"]


def shown_at(width: int, path: Path, verbose: bool = False) -> list[str]:
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(files.info(look(path), verbose))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [60, 100])
def test_info_fits_into_a_terminal(features: Path, model: Path, work: WorkFolder, width: int) -> None:
    for path in (features, model):
        shown = shown_at(width, path)
        assert max(map(len, shown)) <= width and not any("…" in line for line in shown)


def test_many_people_are_shown_by_most_and_fewest() -> None:
    many = {f"p{number:02}": 1 + number % 9 for number in range(20)}
    path = extracted(write_people(Path("people"), many, size=16))
    table = lines("info", path)[-13:]
    assert [line.split()[1] for line in table[1:6]] == ["9", "9", "8", "8", "7"]
    assert (table[6], table[-1]) == ("... 10 others", "-v lists everybody.")
    assert [line.split()[1] for line in table[7:12]] == ["2", "2", "1", "1", "1"]
    everybody = lines("info", path, "-v")[-20:]
    assert [line.split()[:2] for line in everybody] == [[name, str(n)] for name, n in many.items()]


def test_many_people_with_as_many_pictures_are_one_line() -> None:
    path = extracted(write_people(Path("people"), {f"p{number:02}": 2 for number in range(13)}, size=16))
    assert lines("info", path)[-1] == "Each of them has 2 pictures; -v lists them."
    assert lines("info", path, "-v")[-1].startswith("p12 2 ")


def test_a_whole_file_and_a_whole_model_are_called_whole(features: Path, model: Path) -> None:
    for path, counted in (
        (features, "checked 16 rows of 3 people, 2 layers, 2 skipped"),
        (model, "checked 3 people; of the 16 pictures it was trained on, its head names 15 right"),  # the copy
    ):
        shown = lines("check", path)
        assert counted in shown and shown[-1] == "Everything is whole."
        assert document("check", path)["ok"] is True


def test_every_problem_has_its_line_and_the_exit_code_is_4(features: Path, work: WorkFolder) -> None:
    (path,) = work.path.glob("shard-*.h5")
    for damaged in (features, path):
        damaged.write_bytes(damaged.read_bytes()[:-1])
    found = run("check", features)
    assert found.exit_code == 4
    text = " ".join(found.stdout.split())
    for damaged in (features, path):
        assert f"problem {damaged} is damaged: its bytes do not match their checksum." in text
    assert "2 problems" in text and "note" in text and "Everything is whole" not in text
    assert found.stderr.splitlines() == [
        "facefeat extract --overwrite makes a feature file anew and sets damaged shards aside; facefeat fit, a model."
    ]
    assert run("check", features, "-q").stderr == ""


def test_work_of_a_file_that_is_not_there_yet_is_checked(features: Path, work: WorkFolder) -> None:
    features.unlink()
    assert lines("check", features)[:2] == [
        "file people.h5, not there yet",
        "checked 1 shard of unfinished work, 5 rows",
    ]


def test_checks_document(features: Path, work: WorkFolder) -> None:
    features.write_bytes(features.read_bytes()[:-1])
    found = run("check", features, "--json")
    assert found.exit_code == 4 and found.stderr == ""
    parsed: dict[str, Any] = json.loads(found.stdout)
    assert (parsed["schema"], parsed["path"], parsed["kind"], parsed["ok"]) == (
        "facefeat/check/1", str(features), "features", False,
    )  # fmt: skip
    message = f"{features} is damaged: its bytes do not match their checksum."
    assert parsed["problems"] == [{"file": str(features), "message": message}]
    assert [one["file"] for one in parsed["notes"]] == [str(work.path / "shard-0.bad")]
    assert set(parsed["checked"]) == {"bytes", "sha256", "shards", "shard_rows", "seconds"}


def test_merge_says_what_each_input_gave() -> None:
    extracted(write_people(Path("a"), {"ada": 2}))
    extracted(write_people(Path("b"), {"ada": 3, "bob": 1}))
    found = run("merge", "a.h5", "b.h5", "-o", "m.h5")
    shown = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert shown[:3] == [
        "input a.h5: 2 rows, all of them new",
        "input b.h5: 4 rows, 2 of them new",
        "rows 4 of 2 people",
    ]
    assert shown[-1] == "output m.h5" and found.stderr.splitlines() == ["Next: facefeat compare m.h5"]
    parsed = document("merge", "b.h5", "a.h5", "-o", "m.h5", "--overwrite")
    assert parsed["inputs"] == [{"path": "b.h5", "rows": 4, "new": 4}, {"path": "a.h5", "rows": 2, "new": 0}]
    assert (parsed["rows"], parsed["people"], parsed["output"], parsed["skipped"]) == (4, 2, "m.h5", [])


def test_prune_says_what_left_and_what_else_may_hold_it(features: Path, work: WorkFolder) -> None:
    found = run("prune", features, "--person", "ada", "--person", "cleo")
    shown = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert shown[:3] == [
        "taken out 9 rows and 2 skipped pictures",
        "nothing is left of ada, cleo",
        "stays 7 rows of 1 person",
    ]
    assert (
        shown[3] == "careful 1 shard and 1 damaged shard beside it may hold vectors of what left; --work deletes them"
    )
    assert found.stderr.splitlines() == [f"Models fitted before keep what left; next: facefeat fit {features}"]
    assert lines("prune", features, "--work")[0] == "deleted 2 files of unfinished work"
    assert lines("prune", features, "--work")[0] == "deleted nothing: no unfinished work lies beside it"


def test_prune_by_the_folder_says_what_is_left_to_extract(data: Path, features: Path) -> None:
    (data / "ada" / "01.png").unlink()
    (data / "bob" / "new.png").write_bytes(encoded(person_pixels("bob", 50)))
    found = run("prune", features, "--data", data, "-q")
    shown = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert shown[:3] == [
        "taken out 1 row",
        "stays 15 rows of 3 people",
        "missing 1 picture of the folder, left to facefeat extract",
    ]
    assert found.stderr == ""
    assert (
        run("prune", features, "--data", data).stderr.splitlines()[-1] == f"Next: facefeat extract {data} -o {features}"
    )
    assert lines("prune", features, "--data", data)[0] == "taken out nothing"


def test_prune_says_what_it_cannot_read(data: Path, features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = picture.read

    def failing(path: Path) -> bytes:
        if path.name == "02.png":
            raise PictureRefused("unreadable", "The file cannot be opened: Input/output error.")
        return real(path)

    monkeypatch.setattr(picture, "read", failing)
    monkeypatch.setenv("FACEFEAT_CACHE_DIR", "cache")  # what was hashed before is read again
    assert lines("prune", features, "--data", data)[:3] == [
        "taken out nothing",
        "stays 16 rows of 3 people",
        "in doubt 3 files cannot be read now; their rows stay",
    ]


def test_prunes_document(features: Path, work: WorkFolder) -> None:
    parsed = document("prune", features, "--person", "bob")
    assert parsed["taken_out"] == {"rows": 7, "skipped": 0, "people": ["bob"]}
    assert (parsed["rows"], parsed["people"], parsed["to_extract"], parsed["deleted"]) == (9, 2, None, 0)
    assert parsed["unfinished"] == {"shards": 1, "set_aside": 1, "half_written": 0}
    parsed = document("prune", features, "--work")
    assert (parsed["rows"], parsed["deleted"], parsed["unfinished"]["shards"]) == (None, 2, 0)


def test_mistakes_are_one_sentence_each(features: Path, model: Path, tmp_path: Path) -> None:
    missing, text = tmp_path / "no.h5", tmp_path / "text.h5"
    text.write_text("hello")
    for command in ("info", "check"):
        assert refused(3, command, missing) == (
            f"There is no file {missing}; facefeat extract makes a feature file, facefeat fit a model."
        )
        assert refused(3, command, tmp_path) == f"{tmp_path} is a folder; a feature file or a model is expected."
    assert refused(4, "info", text) == f"{text} is neither a feature file nor a model of facefeat."
    assert run("check", text).exit_code == 4
    there = tmp_path / "m.h5"
    assert (
        refused(4, "merge", features, model, "-o", there)
        == f"{model} is not a feature file; facefeat extract makes one."
    )
    assert refused(2, "merge", features, features, "-o", features) == (
        f"{features} exists; write to another file with -o, or replace it with --overwrite."
    )
    assert refused(2, "merge", features, "-o", there) == "At least two feature files are needed to merge; 1 was given."
    assert run("merge", features, features).exit_code == 2
    assert refused(2, "prune", features) == (
        "Say what is to leave: --data DATA, --person NAME, or --work for what unfinished runs left."
    )
    assert refused(2, "prune", features, "--person", "Bob") == (
        "There is no person 'Bob'; did you mean 'bob'? There are: ada, bob, cleo."
    )
    assert refused(3, "prune", features, *(word for name in ("ada", "bob", "cleo") for word in ("--person", name))) == (
        f"Nobody would be left in {features}; it stays as it is. If all is to go, delete the file."
    )
    with writing(features):
        for words in (["prune", features, "--work"], ["merge", features, features, "-o", features, "--overwrite"]):
            assert refused(5, *words).startswith(f"{features} is being written by another run (process {os.getpid()} ")
    assert list(tmp_path.glob("*.work")) == []


@pytest.mark.parametrize("command", [["merge", "--help"], ["check", "--help"], ["prune", "--help"], ["info", "--help"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    code = (
        f"import sys; from facefeat.cli.app import app; app({command!r}, standalone_mode=False); "
        "print([name for name in ('numpy', 'sklearn', 'h5py', 'PIL', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["info", "check"])
def test_looking_at_files_never_loads_a_network(features: Path, command: str) -> None:
    code = (
        f"import sys; from facefeat.cli.app import app; app([{command!r}, {str(features)!r}], standalone_mode=False); "
        "print([name for name in ('openvino', 'keras', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
