"""What a person types who wants to know how many photographs are needed, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from tests.cli.test_commands import document, refused, run
from tests.making import write_people

QUICK = ["--repeats", 3, "--workers", 1]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a feature file of six people, noisy enough to be mistaken. Not to be changed."""
    folder = tmp_path_factory.mktemp("howmany")
    people = {"ada": 10, "bob": 10, "cleo": 10, "dan": 10, "eve": 5, "fay": 2}
    data = write_people(folder / "people", people, noise=400.0)
    return extract(data, folder / "features.h5", plan("thumb", faces_mode="none")).file.path


def test_the_table_is_at_most_100_columns_wide(features: Path) -> None:
    found = run("howmany", features, *QUICK, "-v")
    assert found.exit_code == 0, found.stderr
    lines = found.stdout.splitlines()
    assert max(map(len, lines)) <= 100 and not any(line != line.rstrip() for line in lines)
    assert "…" not in found.stdout
    assert lines[1].split() == ["photographs", "a", "person", "1", "2", "3", "5", "8"]
    for word in ("★", "knn", "lda", "logreg", "prototype", "svm", "FNIR 10 %", "Who would gain most", "fay"):
        assert word in found.stdout
    assert found.stderr.splitlines()[-1].startswith("Next: ")


def test_many_numbers_stand_below_each_other(features: Path) -> None:
    found = run("howmany", features, *QUICK, "--heads", "lda", "--counts", "1,2,3,4,5,6,7,8", "-q")
    heads = [line.split()[-1] for line in found.stdout.splitlines() if line.strip().startswith("photographs a person ")]
    assert (found.exit_code, found.stderr, heads) == (0, "", ["7", "8"])


def test_the_document_and_the_report_say_the_same(features: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = ["--heads", "lda", "--counts", "1,5", *QUICK]
    found = document("howmany", features, *words, "--report", report)
    assert json.loads(report.read_text()) == found
    assert [(point["head"], point["n"]) for point in found["curve"]] == [("lda", 1), ("lda", 5)]
    assert set(found["curve"][0]["accuracy"]) == {"mean", "low", "high"}
    assert set(found["curve"][0]["fnir"]) == {"0.01", "0.1"} and found["curve"][0]["fnir"]["0.01"] is None
    assert found["sentences"][0].startswith(f"lda on {found['best']['layer']} names ")
    assert found["protocol"]["counts"] == [1, 5] and found["protocol"]["few"] == [0, 2]
    assert {one["person"]: one["photographs"] for one in found["people"]} == {
        "ada": 10, "bob": 10, "cleo": 10, "dan": 10, "eve": 5, "fay": 2,
    }  # fmt: skip
    text = tmp_path / "report.txt"
    assert run("howmany", features, *words, "--report", text, "--no-strangers").exit_code == 0
    assert "FNIR is not measurable with 6 people" in text.read_text()


def test_mistakes_are_one_sentence_each(features: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert refused(3, "howmany", missing) == (
        f"There is no feature file {missing}; make it with: facefeat extract DATA -o {missing}"
    )
    assert refused(2, "howmany", features, "--counts", "some") == (
        "--counts takes whole numbers from 1, such as 1,2,5; 'some' was given."
    )
    assert refused(2, "howmany", features, "--counts", "1,9") == (
        "Nobody has 9 photographs to train with: once some are kept for testing, 8 are left at most; give counts up to that."
    )
    assert refused(2, "howmany", features, "--heads", "smv").startswith("There is no head 'smv'; did you mean 'svm'?")
