"""The page of an evaluation: the numbers of the document, and pictures of every mistake."""

from __future__ import annotations

import base64
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.data.folder import printable
from facefeat.report import evaluated, evaluation_page
from tests.cli.test_commands import run
from tests.report.conftest import Evaluated
from tests.report.pages import Page, harmless


@pytest.fixture(scope="module")
def page(evaluated_people: Evaluated) -> Page:
    one = evaluated_people
    return harmless(evaluation_page.page(one.found, one.bundle, one.data))


def test_the_page_has_the_numbers_of_the_document(page: Page, evaluated_people: Evaluated) -> None:
    told = evaluated.document(evaluated_people.found)
    for name in ("accuracy", "fnir", "fpir"):
        share = told[name]
        assert f"{100 * share['mean']:.1f} %" in page.text
        assert f"{100 * share['low']:.1f} to {100 * share['high']:.1f}" in page.text
    assert f"{told['auroc']:.3f}" in page.text
    _, *rows = page.rows(0)
    people = {printable(one["name"]): one for one in told["per_person"]}
    assert {row[0] for row in rows} == set(people)
    for name, right, _, _, rejected, _ in rows:
        one = people[name]
        assert right == f"{one['right']} of {one['images']}" and rejected == str(one["rejected"])
    assert "bob/<i>.jpg: " in page.text


def test_mistakes_show_the_photograph_and_the_models_faces(page: Page, evaluated_people: Evaluated) -> None:
    found, gallery = evaluated_people.found, evaluated_people.bundle.gallery
    assert found.mistakes and found.stranger_mistakes
    assert len(page.all("article")) == len(found.mistakes) + len(found.stranger_mistakes)
    sources = page.having("src")
    assert len(sources) == 3 * len(found.mistakes) + 2 * len(found.stranger_mistakes)
    photo, nearest, missed = (Image.open(BytesIO(base64.b64decode(one.partition(",")[2]))) for one in sources[:3])
    first = found.mistakes[0]
    assert photo.format == "JPEG" and photo.size == (24, 24) and first.missed
    for picture, path in ((nearest, first.naming.nearest[0].path), (missed, first.missed.path)):
        assert np.array_equal(np.asarray(picture), gallery.pixels[gallery.paths.index(path)])
        assert printable(path) in page.text


def test_photographs_and_faces_that_are_gone(evaluated_people: Evaluated) -> None:
    one = evaluated_people
    mistakes = tuple(replace(mistake, picture=None) for mistake in one.found.mistakes)
    gallery = replace(one.bundle.gallery, pixels=one.bundle.gallery.pixels[:0])
    found = replace(one.found, mistakes=mistakes, stranger_mistakes=())
    page = harmless(evaluation_page.page(found, replace(one.bundle, gallery=gallery), one.data))
    assert not page.having("src") and page.text.count("no picture") >= 3 * len(mistakes)


def test_strangers_alone(evaluated_people: Evaluated) -> None:
    one = evaluated_people
    nothing = replace(one.found.accuracy, mean=float("nan"), low=0.0, high=1.0)
    found = replace(
        one.found, images=0, accuracy=nothing, fnir=nothing, cmc=(nothing,) * 3, curve=None, per_person=(),
        confusion={}, mistakes=(), auroc=float("nan"),
    )  # fmt: skip
    page = harmless(evaluation_page.page(found, one.bundle, one.data))
    assert "nan" not in page.text and not [attrs for attrs in page.all("svg") if "role" in attrs]
    assert "not measurable: there is no picture of anybody whom the model knows" in page.text


def test_the_same_record_makes_the_same_bytes(evaluated_people: Evaluated) -> None:
    one = evaluated_people
    again = evaluation_page.page(one.found, one.bundle, one.data)
    assert again == evaluation_page.page(one.found, one.bundle, Path(one.data))


def test_the_command_writes_the_page_after_the_text(evaluated_people: Evaluated, tmp_path: Path) -> None:
    html = tmp_path / "page"
    done = run("evaluate", evaluated_people.model, evaluated_people.data, "--html", html, "--workers", 1)
    assert done.exit_code == 0 and done.stdout.startswith(" accuracy ")
    assert done.stderr.splitlines()[-1] == f"Wrote {html}"
    assert "facefeat evaluate" in harmless(html.read_text(encoding="utf-8")).text


def test_a_place_that_cannot_be_written_costs_no_result(evaluated_people: Evaluated, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("evaluate", evaluated_people.model, evaluated_people.data, "--html", tmp_path / "file" / "page.html")
    assert done.exit_code == 6 and done.stdout.startswith(" accuracy ") and "Traceback" not in done.stderr
