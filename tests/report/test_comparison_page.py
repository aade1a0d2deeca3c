"""The page of a comparison: the numbers of the record, names as text, faces of mistakes, the same bytes twice."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from facefeat.data.folder import printable
from facefeat.learn.comparison import Mistake
from facefeat.learn.metrics import Share
from facefeat.report import compared, comparison_page
from tests.cli.test_commands import THUMB, document, run
from tests.making import write_people
from tests.report.conftest import Compared
from tests.report.pages import NAMES, Page, harmless


@pytest.fixture(scope="module")
def page(compared_people: Compared) -> Page:
    return harmless(comparison_page.page(compared_people.found, compared_people.file))


@pytest.fixture(scope="module")
def told(compared_people: Compared) -> dict[str, Any]:
    return dict(json.loads(json.dumps(compared.document(compared_people.found, compared_people.file))))


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def ranged(share: dict[str, float]) -> str:
    return f"{percent(share['mean'])} {100 * share['low']:.1f} to {100 * share['high']:.1f}"


def test_the_table_has_the_numbers_of_the_document(page: Page, told: dict[str, Any]) -> None:
    head, *rows = page.rows(0)
    assert [name for name in head if name != "FNIR 1 %"] == [
        "head", "accuracy", "p", "same", "test", "balanced", "macro F1", "FNIR 10 %", "AUROC", "ECE", "Brier", "fit",
        "predict",
    ]  # fmt: skip
    assert len(rows) == len(told["rows"]) + 2
    for cells, row in zip(rows, told["rows"], strict=False):
        shown = dict(zip(head, cells, strict=True))
        assert shown["head"].lstrip("★≈ ") == f"{row['head']} {row['layer']}".replace("grey8+grey16", "grey8+16")
        assert shown["accuracy"] == ranged(row["accuracy"])
        assert shown["balanced"] == ranged(row["balanced_accuracy_interval"])
        assert shown["macro F1"] == ranged(row["macro_f1_interval"])
        assert shown["test"] == ranged(row["test"]["accuracy"])
        assert shown["FNIR 10 %"] == ranged(row["fnir"]["0.1"]["fnir"])
        assert shown["AUROC"].split()[0] == f"{row['auroc_unknown']['mean']:.4f}"
        assert (shown["ECE"], shown["Brier"]) == (f"{row['ece']:.3f}", f"{row['brier']:.3f}")
        assert shown["fit"] == f"{row['fit_seconds']:.2f} s"
        assert shown["predict"] == f"{row['predict_ms']:.2f} ms"
        assert shown["same"] == (percent(row["posterior"]["same"]) if row["posterior"] else "")
    assert [row[0] for row in rows[-2:]] == [one["name"] for one in told["baselines"]] == ["pixel PCA", "majority"]
    assert rows[-1][1] == ranged(told["baselines"][1]["accuracy"])


def test_the_page_says_what_the_text_says(page: Page, compared_people: Compared, told: dict[str, Any]) -> None:
    text = StringIO()
    Console(file=text, width=100).print(compared.table(compared_people.found))
    for row in told["rows"]:
        assert percent(row["accuracy"]["mean"]) in text.getvalue()
    assert told["verdict"] in page.text and told["protocol"]["text"] in page.text
    for line in told["protocol"]["strangers"].split("\n"):
        assert line in page.text
    assert told["recipe_sha256"] in page.having("title")
    for name, number in told["versions"].items():
        assert f"{name} {number}" in page.text
    assert told["machine"]["platform"] in page.text and f"{told['seconds']:.1f} s" in page.text


def test_best_and_ties_are_marked_and_baselines_stand_last(page: Page, compared_people: Compared) -> None:
    rows, found = page.rows(0)[1:], compared_people.found
    assert rows[0][0].startswith("★")
    assert [row[0].startswith("≈") for row in rows[1:-2]] == [row.tied for row in found.rows[1:]]
    kinds = [attrs["class"] for attrs in page.all("tr") if "class" in attrs]
    assert kinds[0] == "best" and kinds[-2:] == ["baseline"] * 2


def test_everybody_is_there_worst_first(page: Page, told: dict[str, Any]) -> None:
    _, *rows = page.rows(1)
    people = {printable(one["name"]): one for one in told["per_person"]}
    assert set(people) == {"one", *map(printable, NAMES)}
    assert {row[0] for row in rows} == set(people) - {"one"}
    for name, right, share, _, _ in rows:
        one = people[name]
        assert right == f"{one['right']} of {one['images']}" and share == percent(one["right"] / one["images"])
    shares = [float(row[2].removesuffix(" %")) for row in rows]
    assert shares == sorted(shares) and "Not tested: one." in page.text


def test_the_matrix_holds_every_tested_picture(page: Page, told: dict[str, Any]) -> None:
    (_, *names), *rows = page.rows(2)
    counts = {(row[0], name): int(n) for row in rows for name, n in zip(names, row[1:], strict=True) if n != "·"}
    wrong = {(printable(one["truth"]), printable(one["named"])): one["images"] for one in told["confusion"]}
    assert {pair: n for pair, n in counts.items() if pair[0] != pair[1]} == wrong
    right = {printable(one["name"]): one["right"] for one in told["per_person"] if one["right"]}
    assert {pair[0]: n for pair, n in counts.items() if pair[0] == pair[1]} == right
    assert sum(counts.values()) == told["protocol"]["tested"]


def test_mistakes_show_the_faces_of_the_file(page: Page, compared_people: Compared, told: dict[str, Any]) -> None:
    mistakes, file = compared_people.found.mistakes, compared_people.file
    assert 0 < len(mistakes) == len(told["mistakes"]) == len(page.all("article"))
    pictures = [np.asarray(Image.open(BytesIO(base64.b64decode(one.partition(",")[2])))) for one in page.having("src")]
    rows = [row for one in mistakes for row in (one.row, one.nearest_named, one.nearest_own)]
    assert all(
        np.array_equal(picture, file.columns["faces/pixels"][row]) for picture, row in zip(pictures, rows, strict=True)
    )
    first, one = mistakes[0], told["mistakes"][0]
    assert one == {
        "path": file.paths[first.row],
        "truth": file.people[file.person[first.row]],
        "named": file.people[first.named],
        "nearest_named": file.paths[first.nearest_named],
        "nearest_own": file.paths[first.nearest_own],
    }
    for path in (one["path"], one["nearest_named"], one["nearest_own"]):
        assert printable(path) in page.text


def test_names_are_text_and_nothing_else(page: Page) -> None:
    assert all(printable(name) in page.text for name in NAMES)
    assert "49" not in page.rows(1)[1:][0] and "a�gnp.exe" in page.text


def test_every_plot_says_what_it_shows(page: Page) -> None:
    plots = [attrs for attrs in page.all("svg") if "role" in attrs]
    assert [attrs["role"] for attrs in plots] == ["img"] * 5
    assert [attrs["id"] for attrs in page.all("figure") if "id" in attrs] == [
        "plot-accuracy", "plot-time", "plot-det", "plot-cmc", "plot-reliability",
    ]  # fmt: skip
    assert all(len(attrs["aria-label"]) > 30 for attrs in plots)


def test_the_same_record_makes_the_same_bytes_whatever_the_users_style(compared_people: Compared) -> None:
    import matplotlib

    first = comparison_page.page(compared_people.found, compared_people.file)
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
        assert comparison_page.page(compared_people.found, compared_people.file) == first
        assert matplotlib.rcParams["font.size"] == 30


def test_many_mistakes_stay_under_two_megabytes(compared_people: Compared) -> None:
    many = tuple(Mistake(row % 49, 1, (row + 1) % 49, -1) for row in range(500))
    text = comparison_page.page(replace(compared_people.found, mistakes=many), compared_people.file)
    page = harmless(text)
    assert len(text.encode()) < 2_000_000 and len(page.all("article")) == comparison_page.CARDS
    assert (
        page.text.count("no picture") == comparison_page.CARDS and "… and 440 more, in the JSON document." in page.text
    )


def test_a_record_without_strangers_ties_and_mistakes(tmp_path: Path) -> None:
    data, html = write_people(tmp_path / "people", {"ada": 4, "bob": 4}), tmp_path / "new" / "r.htm"
    assert run("extract", data, "-o", tmp_path / "f.h5", *THUMB).exit_code == 0
    words = ("compare", tmp_path / "f.h5", "--heads", "lda", "--layers", "grey8", "--strangers", 0, "--folds", 2)
    done = run(*words, "--html", html, "--workers", 1)
    assert done.exit_code == 0 and done.stderr.splitlines()[-2] == f"Wrote {html}"
    page = harmless(html.read_text(encoding="utf-8"))
    assert (
        "Every tested picture was named right." in page.text and "Nobody was taken for anybody else." not in page.text
    )
    assert "AUROC" not in page.text and len([one for one in page.all("svg") if "role" in one]) == 4
    told = document(*words, "--html", html, "--workers", 1)
    assert [one["right"] for one in told["per_person"]] == [4, 4] and told["confusion"] == told["mistakes"] == []


def test_a_test_set_that_trained_leaves_nothing_and_says_so(compared_people: Compared) -> None:
    found = compared_people.found
    assert found.test and found.best.test
    nothing = replace(found.best.test, without_leaks=Share(float("nan"), 0.0, 1.0))
    leaky = replace(
        found,
        rows=(replace(found.best, test=nothing), *found.rows[1:]),
        test=replace(found.test, leaks=11, near_leaks=1),
    )
    page = harmless(comparison_page.page(leaky, compared_people.file))
    assert "without the 12 pictures that trained as well, or nearly, none is left" in page.text


def test_a_head_that_misses_nobody_is_drawn_without_a_word(compared_people: Compared) -> None:
    found = compared_people.found
    rows = tuple(
        replace(row, open_set=replace(row.open_set, det=(0.0,) * len(row.open_set.det)))
        for row in found.rows
        if row.open_set
    )
    page = harmless(comparison_page.page(replace(found, rows=rows), compared_people.file))
    assert "At the lower edge nobody is missed." in page.text
