"""What evaluate and predict print, and their documents."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from facefeat.errors import PictureRefused
from facefeat.learn.naming import Candidate, Naming
from facefeat.learn.nearest import Nearest
from facefeat.learn.predict import Photo
from facefeat.report import predicted
from tests.cli.test_commands import THUMB, document, refused, run
from tests.making import person_pixels, write_people


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a model of six people. Not to be changed."""
    folder = tmp_path_factory.mktemp("model")
    write_people(folder / "people", dict.fromkeys(("ada", "bob", "cleo", "dan", "eva", "fay"), 5))
    assert run("extract", folder / "people", "-o", folder / "f.h5", *THUMB).exit_code == 0
    assert run("fit", folder / "f.h5", "--head", "lda", "-o", folder / "m.facefeat").exit_code == 0
    return folder / "m.facefeat"


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    """Give two pictures of ada, a picture of bob under her name, two of a stranger, and one of bob as if he were one."""
    for folder, name, number in (
        ("probe/ada", "ada", 101),
        ("probe/ada", "ada", 102),
        ("probe/ada", "bob", 101),
        ("unknown/zoe", "zoe", 101),
        ("unknown", "zoe", 102),
        ("unknown", "bob", 102),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(person_pixels(name, number)).save(tmp_path / folder / f"{name}{number}.png")
    return tmp_path


def lines_of(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_evaluate_prints_every_figure_and_every_mistake_with_its_reasons(model: Path, held_out: Path) -> None:
    found = run("evaluate", model, held_out)
    assert found.exit_code == 0 and max(map(len, found.stdout.splitlines())) <= 100
    told = document("evaluate", model, held_out)
    threshold = told["threshold"]["value"]
    lines = lines_of(found.stdout)
    assert lines[:4] == [
        "accuracy 66.7 % of 3 pictures (95 % interval 20.8 to 93.9)",
        "balanced 66.7 %, where every person counts alike",
        lines[2],
        f"unknown 0 of them are under the threshold of {threshold:.3f}; named and right: 66.7 %",
    ]
    assert lines[2].startswith("rank up to 2: ") and lines[2].count("(") == 2
    assert lines[4:10] == [
        "FNIR 33.3 % are not given their own name (95 % interval 6.1 to 79.2)",
        "missing in the model, but not here: bob, cleo, dan, eva and fay",
        "strangers 1 of 3 pictures were given a name; not in the model: zoe",
        "FPIR 33.3 % are given a name (95 % interval 6.1 to 79.2)",
        "an FPIR of 1.0 %, as chosen, is not measurable with 3 pictures of strangers",
        f"AUROC {told['auroc']:.3f}: how often a known face scores over a stranger, whatever the threshold",
    ]
    mistakes = lines[lines.index("Mistakes") + 1 :]
    one = told["mistakes"][0]
    assert mistakes[0] == "probe/ada/bob101.png is ada, named bob"
    assert mistakes[1] == (
        f"score {one['score']:.3f}, {one['over_threshold']:.3f} over the threshold of {threshold:.3f}; then "
        f"{one['runner_up']['name']} {one['runner_up']['score']:.3f} ({one['margin']:.3f} behind)"
    )
    assert mistakes[2].startswith("nearest pictures bob/") and mistakes[2].endswith(
        f"nearest of the right person {one['missed']['path']} {one['missed']['similarity']:.2f}"
    )
    assert mistakes[3:5] == ["Strangers given a name", "unknown/bob102.png is a stranger, named bob"]


def test_evaluates_document(model: Path, held_out: Path) -> None:
    told = document("evaluate", model, held_out)
    assert [one["rank"] for one in told["cmc"]] == [1, 2, 3, 4, 5, 6]
    assert told["cmc"][0] == {"rank": 1, **told["accuracy"]} and told["cmc"][5]["mean"] == 1.0
    assert told["top5"] == told["cmc"][4]["mean"]
    assert told["top5_interval"] == [told["cmc"][4]["low"], told["cmc"][4]["high"]]
    assert told["fnir"]["mean"] == pytest.approx(1 / 3) and told["balanced_accuracy"] == pytest.approx(2 / 3)
    assert told["fpir"] == {"mean": pytest.approx(1 / 3), "low": 0.0614919, "high": 0.7923404, "measurable": False}
    assert told["enrolled"] is None and told["notes"] == []
    (one,) = told["mistakes"]
    assert (one["path"], one["truth"], one["best"]) == ("probe/ada/bob101.png", "ada", "bob")
    assert one["over_threshold"] == pytest.approx(one["score"] - one["threshold"]) and one["rank"] >= 2
    assert one["missed"]["name"] == "ada" and one["runner_up"]["name"] != "bob"
    (taken,) = told["strangers"].pop("mistakes")
    assert (taken["path"], taken["truth"], taken["missed"], taken["rank"]) == ("unknown/bob102.png", "", None, 0)
    assert told["strangers"] == {"people": ["zoe"], "images": 3, "named": 1, "failures": []}


def test_a_gallery_is_said_to_be_enrolled(model: Path, tmp_path: Path) -> None:
    write_people(tmp_path / "gallery", {"gus": 4, "hal": 4})
    for name in ("gus", "hal"):
        (tmp_path / "probe" / name).mkdir(parents=True)
        Image.fromarray(person_pixels(name, 101)).save(tmp_path / "probe" / name / "1.png")
    (tmp_path / "gallery" / "gus" / "broken.jpg").write_text("no picture")
    lines = lines_of(run("evaluate", model, tmp_path).stdout)
    assert lines[0] == (
        "enrolled anew from gallery/: 2 people, 8 pictures (1 more not read), in place of the model's own"
    )
    told = document("evaluate", model, tmp_path)
    assert told["enrolled"] == {"folder": str(tmp_path / "gallery"), "people": 2, "images": 8, "skipped": 1}
    assert (told["accuracy"]["mean"], told["missing_people"], told["threshold"]["n_pictures"]) == (1.0, [], 0)


def test_nobody_known_is_said_and_the_strangers_are_counted(model: Path, tmp_path: Path) -> None:
    (tmp_path / "zoe").mkdir()
    Image.fromarray(person_pixels("zoe", 1)).save(tmp_path / "zoe" / "1.png")
    lines = lines_of(run("evaluate", model, tmp_path).stdout)
    assert lines[:3] == [
        "accuracy not measurable: there is no picture of anybody whom the model knows",
        "strangers 0 of 1 picture were given a name; not in the model: zoe",
        "FPIR 0.0 % are given a name (95 % interval 0.0 to 79.3)",
    ]
    told = document("evaluate", model, tmp_path)
    nothing = {"mean": None, "low": 0.0, "high": 1.0}
    assert (told["accuracy"], told["fnir"], told["auroc"], told["cmc"], told["top5"]) == (
        nothing,
        nothing,
        None,
        [],
        None,
    )


def test_test_sets_that_are_of_no_use_exit_with_3(model: Path, held_out: Path, tmp_path: Path) -> None:
    unknown = tmp_path / "nobody"
    assert refused(3, "evaluate", model, held_out / "probe", "--unknown", unknown, "-q") == (
        f"There is no folder {unknown}."
    )
    unknown.mkdir()
    assert refused(3, "evaluate", model, held_out / "probe", "--unknown", unknown, "-q") == (
        f"{unknown} holds no picture; folders of strangers are expected there, or pictures of them."
    )


def naming(**changes: object) -> Naming:
    values: dict[str, object] = {
        "name": "Ada Lovelace",
        "best": "Ada Lovelace",
        "score": 0.612,
        "margin": 0.379,
        "threshold": 0.4,
        "candidates": (Candidate("Ada Lovelace", 0.612), Candidate("Bob", 0.233)),
        "nearest": (Nearest("ada/3.jpg", "Ada Lovelace", 0.708), Nearest("ada/1.jpg", "Ada Lovelace", 0.66)),
        "runner_up": Candidate("Bob", 0.233),
    }
    return Naming(**{**values, **changes})  # type: ignore[arg-type]


def printed(one: Naming) -> list[str]:
    """Return the lines on a face."""
    face = type("Face", (), {"box": np.array([10, 20, 90, 110.2]), "found": True})
    console = Console(file=StringIO(), width=100, record=True)
    console.print(predicted.table([Photo("a.jpg", ((face, one),))], "x"))  # type: ignore[arg-type]
    return [line.rstrip() for line in console.export_text().splitlines()[1:-1]]


def test_a_face_has_its_score_and_its_reasons() -> None:
    assert printed(naming()) == [
        "   Ada Lovelace  score 0.612, 0.212 over the threshold of 0.400  at 10, 20, 90, 110",
        "     then Bob 0.233 (0.379 behind); nearest pictures ada/3.jpg 0.71, ada/1.jpg 0.66",
    ]


def test_who_is_unknown_is_most_like_somebody() -> None:
    assert printed(naming(name=None, score=0.37, margin=0.137)) == [
        "   unknown  score 0.370, 0.030 under the threshold of 0.400  at 10, 20, 90, 110",
        "     most like Ada Lovelace 0.370, then Bob 0.233 (0.137 behind)",
        "     nearest pictures ada/3.jpg 0.71, ada/1.jpg 0.66",
    ]


def test_a_runner_up_with_a_higher_score_is_said_to_be_ahead() -> None:
    ahead = naming(margin=-0.028, runner_up=Candidate("Bob", 0.64), threshold=-1.0, nearest=())
    assert printed(ahead) == [
        "   Ada Lovelace  score 0.612, no threshold  at 10, 20, 90, 110",
        "     though Bob 0.640 is 0.028 ahead",
    ]


def test_further_candidates_stand_on_the_line_too() -> None:
    third = Candidate("Cleo", 0.101)
    assert printed(naming(candidates=(Candidate("Ada Lovelace", 0.612), third, Candidate("Bob", 0.233))))[1] == (
        "     then Bob 0.233 (0.379 behind), Cleo 0.101; nearest pictures ada/3.jpg 0.71, ada/1.jpg 0.66"
    )


def test_a_faces_document() -> None:
    assert json.loads(json.dumps(predicted.naming_document(naming(probability=0.968)))) == {
        "name": "Ada Lovelace",
        "best": "Ada Lovelace",
        "score": 0.612,
        "probability": 0.968,
        "margin": 0.379,
        "runner_up": {"name": "Bob", "score": 0.233},
        "threshold": 0.4,
        "over_threshold": pytest.approx(0.212),
        "candidates": [{"name": "Ada Lovelace", "score": 0.612}, {"name": "Bob", "score": 0.233}],
        "nearest": [
            {"path": "ada/3.jpg", "name": "Ada Lovelace", "similarity": 0.708},
            {"path": "ada/1.jpg", "name": "Ada Lovelace", "similarity": 0.66},
        ],
    }
    assert predicted.naming_document(naming(threshold=-1.0))["over_threshold"] is None


def test_what_is_not_read_has_its_line() -> None:
    refusal = PictureRefused("empty", "The file is empty.")
    assert predicted.document([Photo("a.jpg", (), refusal)], "x")["photos"] == [
        {"path": "a.jpg", "faces": [], "error": {"code": "empty", "message": "The file is empty."}}
    ]
