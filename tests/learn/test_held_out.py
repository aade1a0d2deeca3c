"""Rows of a comparison on other pictures of the same people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from facefeat.errors import RecipeMismatch
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn.compare import compare
from facefeat.learn.comparison import Comparison
from facefeat.learn.metrics import wilson
from facefeat.learn.statistics import holm
from facefeat.report import compared, verdicts
from tests.making import write_people

PLAN = plan("thumb", faces_mode="none")


def features(folder: Path, counts: dict[str, int], seed: int = 0) -> FeatureFile:
    return extract(write_people(folder / "people", counts, noise=150.0, seed=seed), folder / "f.h5", PLAN).file


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[FeatureFile, FeatureFile]:
    """Give twelve training pictures, and a test set with three copies of them, an unreadable one and a stranger."""
    root = tmp_path_factory.mktemp("pair")
    train = features(root / "train", {"ada": 6, "bob": 6})
    data = write_people(root / "test" / "people", {"ada": 8, "bob": 8, "zoe": 2}, noise=150.0, seed=7)
    for number in (1, 2, 3):
        copy = root / "train" / "people" / "ada" / f"{number:02}.png"
        (data / "ada" / f"copy-{number}.png").write_bytes(copy.read_bytes())
    (data / "bob" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (data / "zoe" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return train, extract(data, root / "test" / "f.h5", PLAN).file


@pytest.fixture(scope="module")
def found(pair: tuple[FeatureFile, FeatureFile]) -> Comparison:
    train, test = pair
    return compare(train, heads_wanted=["lda", "knn", "svm"], n_folds=3, workers=1, test=test)


def named_right(train: FeatureFile, test: FeatureFile, head: str, layer: str) -> np.ndarray:  # type: ignore[type-arg]
    fitted = heads.build(head).fit(np.asarray(train.vectors(layer)), train.person)
    known = test.person < 2
    return fitted.predict(np.asarray(test.vectors(layer))[known]) == test.person[known]


def test_every_row_is_fitted_on_all_and_tested_on_the_others(
    pair: tuple[FeatureFile, FeatureFile], found: Comparison
) -> None:
    train, test = pair
    assert found.test is not None
    assert (found.test.n_images, found.test.n_people, found.test.n_others, found.test.n_failures) == (19, 2, 2, 1)
    assert (found.test.leaks, found.test.near_leaks) == (3, 0)
    known = test.person < 2
    fresh = np.array([not Path(path).name.startswith("copy") for path in test.paths])[known]
    for row in found.rows:
        right = named_right(train, test, row.head, row.layer)
        assert row.test is not None
        assert row.test.accuracy == wilson(right.sum() / 20, 20)  # the unreadable one is wrong
        assert row.test.without_leaks == wilson(right[fresh].sum() / 17, 17)


def test_mcnemar_against_the_best_adjusted_for_all(pair: tuple[FeatureFile, FeatureFile], found: Comparison) -> None:
    best, *others = (named_right(*pair, row.head, row.layer) for row in found.rows)
    p_values = []
    for one in others:
        only_best, only_one = int(np.sum(best & ~one)), int(np.sum(one & ~best))
        n = only_best + only_one
        p_values.append(float(binomtest(only_best, n).pvalue) if n else 1.0)
    assert [row.test.p_value for row in found.rows if row.test] == pytest.approx([1.0, *holm(p_values)])


def test_the_sentence_and_the_document(pair: tuple[FeatureFile, FeatureFile], found: Comparison) -> None:
    best = found.best.test
    assert found.test is not None and best is not None
    told = verdicts.test_set(found)
    assert told.startswith(
        f"19 pictures of 2 people in {found.test.path}; {found.best.head} on {found.best.layer} has "
    )
    assert "; without the 3 pictures that trained as well, or nearly, " in told
    assert "; 2 pictures of people who do not train left out; 1 picture could not be read and count" in told
    document = compared.document(found, pair[0])
    assert document["test"]["leaks"] == 3
    assert document["rows"][0]["test"]["accuracy"]["mean"] == best.accuracy.mean


def test_a_test_set_of_other_people_is_said_and_the_rest_is_there(
    pair: tuple[FeatureFile, FeatureFile], tmp_path: Path
) -> None:
    strangers = features(tmp_path / "s", {"yan": 2, "zoe": 2})
    found = compare(pair[0], heads_wanted=["lda"], layers=["grey8"], n_folds=3, workers=1, test=strangers)
    assert found.best.accuracy.mean > 0 and found.best.test is None
    assert verdicts.test_set(found) == (
        f"{strangers.path} has no person of these, as far as names tell; nothing was tested."
    )


def test_another_recipe_is_refused_before_any_work(pair: tuple[FeatureFile, FeatureFile]) -> None:
    train, test = pair
    other = replace(test, recipe=replace(test.recipe, input_size=48))
    with pytest.raises(RecipeMismatch, match="input_size is 48 instead of 32"):
        compare(train, heads_wanted=["lda"], test=other, progress=lambda *_: pytest.fail("work was begun"))
