"""What add, forget, rename and people print, and their documents."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from facefeat.features.store.shards import writing
from facefeat.learn import bundle
from tests.cli.test_commands import THUMB, document, refused, run
from tests.making import person_pixels, write_people


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a folder with a model of four people, its feature file, and pictures of two others. Not to be changed."""
    folder = tmp_path_factory.mktemp("people")
    write_people(folder / "people", dict.fromkeys(("ada", "bob", "cleo", "dan"), 4))
    write_people(folder / "new", {"eva": 3, "ada": 9})
    assert run("extract", folder / "people", "-o", folder / "f.h5", *THUMB).exit_code == 0
    assert run("fit", folder / "f.h5", "--head", "prototype", "-o", folder / "m.facefeat").exit_code == 0
    return folder


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """Give a copy of the model, to be changed at will; the feature file lies beside it."""
    shutil.copy(made / "f.h5", tmp_path)
    return Path(shutil.copy(made / "m.facefeat", tmp_path))


def lines_of(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_add_says_what_it_took_and_why_not_the_rest(model: Path, made: Path) -> None:
    (model.parent / "x.txt").write_text("no picture")
    found = run("add", model, "eva", made / "new" / "eva", model.parent / "x.txt", "-q")
    assert found.exit_code == 0 and found.stderr == "" and max(map(len, found.stdout.splitlines())) <= 100
    lines = lines_of(found.stdout)
    assert lines[0] == "added 3 pictures of eva, who is new" and lines[1].startswith("sharpness 0.")
    assert lines[2] == "refused 1 picture" and "now 5 people; eva with 3 pictures" in lines
    assert lines[-2].startswith("time ") and "".join(lines[-1:]).startswith("model ")
    assert bundle.read(model).people == ("ada", "bob", "cleo", "dan", "eva")


def test_adds_document(model: Path, made: Path) -> None:
    told = document("add", model, "eva", made / "new" / "eva")
    assert [(one["path"], set(one)) for one in told["taken"]] == [
        (str(made / "new" / "eva" / f"{number:02}.png"), {"path", "quality"}) for number in range(1, 4)
    ]
    assert (told["name"], told["is_new"], told["pictures"], told["refused"]) == ("eva", True, 3, [])
    assert told["stored"] == ["eva/01.png", "eva/02.png", "eva/03.png"] and told["output"] == str(model)
    assert told["people"] == ["ada", "bob", "cleo", "dan", "eva"] and 0 < told["threshold"]["value"] < 1


def test_nothing_taken_is_exit_code_3_and_changes_nothing(model: Path, made: Path) -> None:
    before = model.read_bytes()
    found = run("add", model, "ada", made / "new" / "ada" / "01.png", "--json")
    told = json.loads(found.stdout)
    assert (found.exit_code, told["taken"]) == (3, [])
    assert told["refused"] == [
        {
            "path": str(made / "new" / "ada" / "01.png"),
            "code": "copy",
            "sentence": "It is in the model already, byte for byte, as ada/01.png.",
        }
    ]
    assert found.stderr.splitlines()[-1] == f"No picture was taken; {model} stays as it is."
    assert model.read_bytes() == before


def test_somebody_else_is_taken_by_force_only(model: Path, made: Path) -> None:
    Image.fromarray(person_pixels("ada", 77)).save(model.parent / "twin.png")
    found = run("add", model, "eva", model.parent / "twin.png")
    said = " ".join(found.stdout.split())
    assert found.exit_code == 3 and "It looks like ada: score 0.9" in said and "--force takes it." in said
    assert run("add", model, "eva", model.parent / "twin.png", "--force").exit_code == 0


def test_forget_prints_a_receipt(model: Path) -> None:
    found = run("forget", model, "dan", "--features", model.parent / "f.h5", "-q")
    text, lines = "".join(found.stdout.split()), lines_of(found.stdout)  # long paths are broken anywhere
    assert found.exit_code == 0 and found.stderr == "" and lines[0] == "forgotten dan"
    assert "m.facefeat:4vectorswithpathandhashand4greyfacesfrom" in text
    assert "f.h5:4vectorswithpathandhashand4greyfaces" in text and "fittedanewon3people" in text
    assert "notreachedthephotographsthemselvesotherfiles:copiesofthese,backups,reports," in text
    assert bundle.read(model).people == ("ada", "bob", "cleo")


def test_forgets_document(model: Path) -> None:
    told = document("forget", model, "dan", "--features", model.parent / "f.h5")
    assert told["removed"] == [
        {"file": str(path), "kind": kind, "vectors": 4, "faces": 4, "skipped": 0, "unfinished": 0, "shared": 0}
        for path, kind in ((model, "model"), (model.parent / "f.h5", "features"))
    ]
    assert told["people"] == ["ada", "bob", "cleo"] and len(told["not_looked_at"]) == 3
    assert {"name", "noted", "threshold", "output", "seconds"} < set(told)


def test_rename_and_its_document(model: Path) -> None:
    assert (
        lines_of(run("rename", model, "dan", "Zoë").stdout)[0] == "renamed dan is Zoë now, with the paths of 4 pictures"
    )
    told = document("rename", model, "Zoë", "dan")
    assert (told["old"], told["new"], told["pictures"]) == ("Zoë", "dan", 4)
    assert told["people"] == ["ada", "bob", "cleo", "dan"]


def test_people_and_its_document(model: Path) -> None:
    found, told = run("people", model), document("people", model)
    assert [one["name"] for one in told["people"]] == ["ada", "bob", "cleo", "dan"]
    lines, first = lines_of(found.stdout), told["people"][0]
    assert lines[0] == "person pictures sharpness least most like score"
    sharp = first["sharpness"]
    assert lines[2] == (
        f"ada 4 {sharp['median']:.3f} {sharp['least']:.3f} {first['nearest']} {first['similarity']:.3f}"
    )
    assert lines[-1] == f"Score: the mean of their pictures' own. A face is unknown below {told['threshold']:.3f}."
    assert "ada/01.png" in run("people", model, "-v").stdout and first["paths"][0] == "ada/01.png"


def test_mistakes_are_one_sentence(model: Path, made: Path) -> None:
    missing, eva = model.with_name("no.facefeat"), made / "new" / "eva"
    nobody = "There is no person 'dam'; did you mean 'dan'? There are: ada, bob, cleo, dan."
    for words in (
        ("add", missing, "eva", eva),
        ("forget", missing, "ada"),
        ("rename", missing, "ada", "x"),
        ("people", missing),
    ):
        sentence = f"There is no model {missing}; make one with: facefeat fit -o {missing}"
        assert refused(3, *words).splitlines()[-1] == sentence
    assert refused(2, "forget", model, "dam") == nobody == refused(2, "rename", model, "dam", "x")
    assert refused(2, "add", model, "a/b", eva) == (
        "The name must be that of a folder, without a slash and not beginning with a dot; 'a/b' was given."
    )
    with writing(model):
        assert refused(5, "add", model, "eva", eva).startswith(f"{model} is being written by another run (process ")
    assert not missing.with_name("no.facefeat.work").exists()
