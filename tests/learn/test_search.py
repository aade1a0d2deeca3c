"""A model of very many rows looks at few of them, says so, and names as before."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefeat.features.encode import plan
from facefeat.heads import _lists
from facefeat.learn import bundle as bundles
from facefeat.learn import nearest
from facefeat.learn.assemble import Design, assembled, model_card
from facefeat.learn.bundle import Bundle
from facefeat.learn.gallery import Gallery
from facefeat.learn.naming import explained, namings, ranked
from facefeat.learn.nearest import TrainingPictures
from facefeat.learn.search import Search, search_of, take_index
from facefeat.learn.unknown import directions
from tests.cli.test_commands import document, run

PEOPLE, EACH, WIDTH = 200, 12, 16
N = PEOPLE * EACH


@pytest.fixture(scope="module")
def rows() -> Any:
    """Give vectors of the training pictures, and of others of the same people in the same order.

    People differ in three directions, so that a mean has near ones.
    """
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.normal(size=(PEOPLE, 3)) @ rng.normal(size=(3, WIDTH)), EACH, axis=0)
    return [(centres + 0.1 * rng.normal(size=(N, WIDTH))).astype(np.float16).astype(np.float32) for _ in range(2)]


def made(head: str, X: Any, **params: Any) -> Bundle:
    person = np.repeat(np.arange(PEOPLE), EACH).astype(np.int32)
    people = tuple(f"{who:03}" for who in range(PEOPLE))
    paths = tuple(f"{people[who]}/{i}.png" for i, who in enumerate(person))
    digests = np.random.default_rng(1).integers(0, 256, (N, 32), np.uint8)
    gallery = Gallery(X.astype(np.float16), person, paths, digests, np.empty((0, 64, 64), np.uint8))
    recipe = plan("thumb").recipe
    return assembled(Design(recipe, head, recipe.layers[0], params), people, gallery, X, np.arange(N))


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take so many rows, or people, for very many."""
    monkeypatch.setattr(_lists, "MANY", PEOPLE - 1)
    monkeypatch.setattr(_lists, "TRIED", 100)


@pytest.fixture(scope="module")
def models(rows: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give models that look at few of their rows."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_lists, "MANY", PEOPLE - 1)
        patch.setattr(_lists, "TRIED", 100)
        for head, params in (("knn", {"n_neighbors": 3}), ("prototype", {})):
            bundle = made(head, rows[0], **params)
            found[head] = tmp_path_factory.mktemp("searched") / f"{head}.facefeat"
            bundles.write(bundle, found[head], model_card(bundle))
    return found


@pytest.mark.parametrize("head", ["knn", "prototype"])
def test_a_model_with_an_index_is_read_back_and_names_as_without(
    models: dict[str, Path], rows: Any, head: str, many: None
) -> None:
    bundle = bundles.read(models[head])
    search = search_of(head, bundle.estimator)
    n_rows = N if head == "knn" else PEOPLE
    assert search is not None and (search.n_rows, search.n_lists) == (n_rows, round(4 * n_rows**0.5))
    assert 1 <= search.n_probe <= search.n_lists // 4 and search.n_tried == 50
    assert search.recall is not None and search.recall > 0.95
    assert bundle.unknown[-1].index_ is not None
    quick = [naming.best for naming in namings(bundle, rows[1], 1)]
    for estimator in (bundle.estimator, bundle.unknown):
        take_index(estimator)
    exact = [naming.best for naming in namings(bundle, rows[1], 1)]
    assert np.mean([one == other for one, other in zip(quick, exact, strict=True)]) > 0.98
    assert search_of(head, bundle.estimator) == Search(n_rows)


def test_it_is_said_how_many_are_looked_at_and_how_many_are_found(models: dict[str, Path], many: None) -> None:
    search = document("info", models["knn"])["search"]
    assert set(search) == {"n_rows", "n_lists", "n_probe", "recall", "n_tried"}
    printed = " ".join(run("info", models["knn"]).stdout.split())
    sentence = (
        f"{search['n_probe']} of 196 lists of the 2,400 rows are looked into, where {100 * search['recall']:.1f} % of the "
        "nearest are (recall, on 50 other rows)."
    )
    assert sentence in printed


def test_few_rows_have_no_index_and_nothing_is_said(rows: Any) -> None:
    bundle = made("knn", rows[0])
    assert search_of("knn", bundle.estimator) is None and bundle.unknown[-1].index_ is None
    assert not hasattr(bundle.estimator[-1], "index_")


def test_without_faiss_all_rows_are_looked_at_and_it_is_said(
    rows: Any, many: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    bundle = made("knn", rows[0])
    bundles.write(bundle, tmp_path / "m", model_card(bundle))
    assert search_of("knn", bundles.read(tmp_path / "m").estimator) == Search(N)
    printed = " ".join(run("info", tmp_path / "m").stdout.split())
    assert (
        "All 2,400 rows are looked at; fitted where pip install 'facefeat[cluster]' was run, few would be." in printed
    )


def test_heads_that_look_for_nothing_have_no_search(rows: Any, many: None) -> None:
    assert search_of("lda", made("lda", rows[0]).estimator) is None


# The nearest training pictures.


def test_of_very_many_pictures_those_of_the_nearest_people_are_looked_at(
    models: dict[str, Path], rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = bundles.read(models["prototype"])
    towards = directions(bundle.unknown, rows[1][::7])
    every = TrainingPictures(bundle)
    exact = every.nearest(towards)
    monkeypatch.setattr(nearest, "MANY", N - 1)
    monkeypatch.setattr(nearest, "NEAR_PEOPLE", 8)
    few = TrainingPictures(bundle)
    assert few._held is None
    found = few.nearest(towards)
    same = [
        one.path == other.path
        for mine, theirs in zip(found, exact, strict=True)
        for one, other in zip(mine, theirs, strict=True)
    ]
    assert np.mean(same) > 0.97
    for mine, theirs in zip(found, exact, strict=True):
        assert mine[0].similarity <= theirs[0].similarity + 1e-6
        assert [one.similarity for one in mine] == sorted((one.similarity for one in mine), reverse=True)
    mine, theirs = (pictures.of_person(towards[0], 5) for pictures in (few, every))
    assert mine and theirs and mine.path == theirs.path and few.of_person(towards[0], -1) is None
    assert mine.similarity == pytest.approx(theirs.similarity, abs=1e-6)


def test_a_mistake_is_explained_by_the_right_persons_own_picture(models: dict[str, Path], rows: Any) -> None:
    bundle = bundles.read(models["prototype"])
    truth = np.array([3, -1])
    named, _ = ranked(bundle, rows[1][:2], truth, 1)
    (one, missed), (_, nobody) = explained(bundle, rows[1][:2], named, truth)
    assert nobody is None and missed is not None and missed.name == "003"
    alone = TrainingPictures(bundle).nearest(directions(bundle.unknown, rows[1][:1]))[0]
    assert [each.path for each in one.nearest] == [each.path for each in alone] and len(alone) == nearest.N_NEAREST
    pictures = directions(bundle.unknown, rows[0])
    theirs = pictures[3 * EACH : 4 * EACH] @ directions(bundle.unknown, rows[1][:1])[0]
    assert missed.similarity == pytest.approx(theirs.max())
    assert missed.path == bundle.gallery.paths[3 * EACH + int(theirs.argmax())]
