"""facefeat match, as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.test_commands import THUMB, document, refused, run
from tests.making import person_pixels, run_python, write_people

PEOPLE = [f"p{number}" for number in range(10)]
FOLDS = (PEOPLE[:5], PEOPLE[5:])


def pairs_text() -> str:
    """Write two folds of five pairs of each kind, of people who are in one fold only."""
    lines = ["2\t5"]
    for people in FOLDS:
        lines += [f"{name}\t1\t2" for name in people]
        lines += [f"{one}\t1\t{other}\t2" for one, other in zip(people, people[1:] + people[:1], strict=True)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a folder with people, their feature file, a model, pairs and three photographs. Not to be changed."""
    folder = tmp_path_factory.mktemp("match")
    write_people(folder / "people", dict.fromkeys(PEOPLE, 8), noise=60)
    assert run("extract", folder / "people", "-o", folder / "f.h5", *THUMB).exit_code == 0
    assert run("fit", folder / "f.h5", "--head", "lda", "-o", folder / "model.facefeat").exit_code == 0
    (folder / "pairs.txt").write_text(pairs_text())
    for name, person, number in (("a", "p0", 50), ("b", "p0", 51), ("c", "p1", 50)):
        Image.fromarray(person_pixels(person, number, noise=60)).save(folder / f"{name}.png")
    return folder


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def unfolded(text: str) -> str:
    """Return a text without its line breaks, which long paths get anywhere."""
    return "".join(text.split())


def test_two_pictures(place: Path) -> None:
    found = run("match", place / "a.png", place / "b.png", "--model", place / "model.facefeat")
    assert found.exit_code == 0, found.stderr
    said = lines(found.stdout)
    assert said[0] == "verdict the same person"
    assert said[1].startswith("similarity 0.") and ", threshold 0." in said[1]
    text = unfolded(found.stdout)
    chosen = (
        "The threshold is chosen on 320 pairs of 10 people, each left out in turn, for an FMR of 1 % at most; it holds"
    )
    assert unfolded(f"{chosen} for photographs like the model's own.") in text
    assert unfolded("Of 280 pairs of one person, of people left out likewise,") in text and "(FNMR)" in text
    assert unfolded(f"{place / 'a.png'}, the whole of 0, 0, 48, 48") in text
    assert max(map(len, found.stdout.splitlines())) <= 100
    other = run("match", place / "a.png", place / "c.png", "--model", place / "model.facefeat", "-q")
    assert (other.exit_code, other.stderr, lines(other.stdout)[0]) == (0, "", "verdict two people")


def test_the_default_model_lies_here(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(place)
    assert run("match", "a.png", "b.png").exit_code == 0
    monkeypatch.chdir(tmp_path)
    assert refused(2, "match", place / "a.png", place / "b.png") == (
        "There is no model model.facefeat; make it with: facefeat fit -o model.facefeat, or give another as --model."
    )


def test_the_document_of_two_pictures(place: Path) -> None:
    found = document("match", place / "a.png", place / "a.png", "--model", place / "model.facefeat", "--fmr", 0.1)
    assert (found["kind"], found["same"], found["similarity"]) == ("pictures", True, pytest.approx(1.0))
    threshold = found["threshold"]
    assert set(threshold) == {"value", "fmr", "fnmr", "n_mated", "n_nonmated", "how"}
    assert (threshold["fmr"], threshold["n_mated"], threshold["n_nonmated"]) == (0.1, 280, 320)
    whole = {"path": str(place / "a.png"), "box": [0, 0, 48, 48], "found": False, "faces": None}
    assert found["pictures"] == [whole, whole]
    assert found["notes"] == ["The two files are the same, byte for byte."]


def test_without_a_threshold_nothing_is_decided(place: Path) -> None:
    words = ["match", place / "a.png", place / "b.png", "--model", place / "model.facefeat", "--fmr", 0.001]
    said = lines(run(*words).stdout)
    assert said[0] == "verdict cannot be said" and "threshold" not in said[1]
    assert said[2] == "threshold The threshold is not measurable with 320 pairs of two people."
    found = document(*words)
    assert (found["same"], found["threshold"]["value"]) == (None, None)


def test_pairs(place: Path) -> None:
    found = run("match", "--pairs", place / "pairs.txt", place / "f.h5")
    assert found.exit_code == 0, found.stderr
    said = lines(found.stdout)
    assert said[:5] == [
        "pairs 20 in 2 folds of 10; scored 10 of one person, 10 of two",
        "score cosine of the square roots of grey8, less the mean of the other folds' pictures;",
        "nothing is learned from names",
        "accuracy 100.0 % (95 % interval 83.9 to 100.0, Wilson's over 20 pairs)",
        said[4],
    ]
    assert said[4].startswith("Each fold by a threshold that is best on the others: ")
    assert said[5:9] == [
        "AUROC 1.0000",
        "EER 0.0 %",
        "FNMR at FMR 1 % not measurable with 10 pairs of two people",
        "FNMR at FMR 0.1 % not measurable with 10 pairs of two people",
    ]
    assert said[9].startswith("made by openvino") and found.stderr == ""


def test_pairs_of_a_folder_with_a_model(place: Path) -> None:
    words = ["match", "--pairs", place / "pairs.txt", "--model", place / "model.facefeat", "--fmr", 0.9]
    by_folder = run(*words, place / "people", "--workers", 1)
    said = lines(by_folder.stdout)
    assert by_folder.exit_code == 0 and "score cosine in the model's space, on grey8" in said
    assert "note The model knows 10 of these people; for strangers the figures are too good." in said
    assert "note 20 pictures trained the model too, so the figures are too good." in said
    assert "FNMR at FMR 90 % 0.0 %" in said
    assert by_folder.stderr.splitlines()[-1] == (
        "To score pairs again without computing vectors again, give a feature file."
    )
    assert lines(run(*words, place / "f.h5").stdout) == said


def test_the_document_of_pairs(place: Path) -> None:
    (pairs := place / "more.txt").write_text(pairs_text().replace("p3\t1\t2", "p3\t1\t99"))
    found = document("match", "--pairs", pairs, place / "f.h5", "--layer", "grey16")
    assert found["kind"] == "pairs"
    assert found["pairs"] == {"total": 20, "folds": 2, "mated": 9, "nonmated": 10, "failed": 1}
    assert found["accuracy"]["mean"] == pytest.approx(0.95) and found["interval"] == "t over folds"
    assert [fold["accuracy"] for fold in found["folds"]] == [0.9, 1.0]
    assert found["score"]["layer"] == "grey16" and found["threshold_chosen_on_same_pairs"] is False
    assert (found["auroc"], found["eer"]) == (1.0, 0.0)
    assert found["rates"] == [{"fmr": 0.01, "fnmr": None}, {"fmr": 0.001, "fnmr": None}]
    assert found["det"]["thresholds"][0] is None and found["det"]["fmr"][-1] == 1.0 == found["det"]["fnmr"][0]
    assert found["failures"] == [{"name": "p3", "picture": "99", "message": "There is no such picture."}]
    text = unfolded(run("match", "--pairs", pairs, place / "f.h5").stdout)
    lost = "1 picture of 1 pair, which count as wrong in accuracy and not in the other figures"
    assert unfolded(f"failed {lost} p3's 99: There is no such picture.") in text


def test_one_fold_says_that_its_threshold_is_its_own(place: Path) -> None:
    (pairs := place / "one.txt").write_text("1\np0\t1\t2\np0\t1\tp1\t1\n")
    text = unfolded(run("match", "--pairs", pairs, place / "f.h5").stdout)
    assert unfolded("2 in 1 fold; scored 1 of one person, 1 of two") in text
    assert unfolded("was chosen on these same pairs, so this is too high.") in text
    assert document("match", "--pairs", pairs, place / "f.h5")["threshold_chosen_on_same_pairs"] is True


def test_mistakes_are_one_sentence_each(place: Path, tmp_path: Path) -> None:
    model, pairs, a, missing = place / "model.facefeat", place / "pairs.txt", place / "a.png", tmp_path / "missing"
    end = "given; to score many pairs give --pairs FILE and their folder."
    assert refused(2, "match") == f"Two photographs are expected, and nothing was {end}"
    assert refused(2, "match", a) == f"Two photographs are expected, and only {a} was {end}"
    assert refused(2, "match", a, a, a) == f"Two photographs are expected, and 3 files were {end}"
    one = "With --pairs one folder of people or feature file is expected;"
    assert refused(2, "match", "--pairs", pairs) == f"{one} none was given."
    assert refused(2, "match", "--pairs", pairs, a, a) == f"{one} 2 were given."
    gone = f"There is no model {missing}; make it with: facefeat fit -o {missing}, or give another as --model."
    assert refused(2, "match", a, a, "--model", missing) == gone
    assert refused(2, "match", "--pairs", pairs, place / "f.h5", "--model", missing) == gone
    assert refused(2, "match", a, a, "--model", model, "--layer", "grey8") == (
        "--layer goes with --pairs; two photographs are compared on the model's own layer."
    )
    assert refused(2, "match", a, a, "--model", model, "--fmr", 2) == (
        "--fmr is a share between 0 and 1, such as 0.01; 2.0 was given."
    )
    assert refused(3, "match", "--pairs", missing, place / "f.h5") == f"There is no file of pairs {missing}."
    assert refused(3, "match", "--pairs", pairs, missing) == (
        f"There is no feature file {missing}; make it with: facefeat extract DATA -o {missing}"
    )
    assert refused(4, "match", a, a, "--model", place / "f.h5") == (
        f"{place / 'f.h5'} is not a facefeat model; facefeat fit makes one."
    )
    assert refused(3, "match", a, missing, "--model", model) == (
        f"{missing} cannot be compared (unreadable): The file cannot be opened: No such file or directory."
    )
    (tmp_path / "bad.txt").write_text("1\np0\t1\n")
    assert refused(3, "match", "--pairs", tmp_path / "bad.txt", place / "f.h5") == (
        f"Line 2 of {tmp_path / 'bad.txt'} has 2 fields, but pair 1 of 1 of one person in fold 1 is expected there, "
        "with 3: name, picture, picture."
    )


def test_help_has_an_example_of_each_form_and_loads_nothing_heavy() -> None:
    text = run("match", "--help").stdout
    assert "Example: facefeat match A.jpg B.jpg --model model.facefeat" in text
    assert "Example: facefeat match --pairs pairs.txt features.h5" in text
    heavy = ("numpy", "scipy", "sklearn", "tensorflow", "keras", "h5py", "openvino", "PIL", "skops")
    code = f"import sys; from facefeat.cli.app import app; app(['match', '--help'], standalone_mode=False); print(sorted(name for name in {heavy!r} if name in sys.modules))"
    assert run_python(code).splitlines()[-1] == "[]"
