"""Augmented copies train where their picture does, and are never tested: folds, strangers, curves, comparisons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facefeat.errors import InputError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn import draws, openset
from facefeat.learn.baselines import without_copies
from facefeat.learn.compare import compare
from facefeat.learn.comparison import Benefit, Comparison
from facefeat.learn.copies import groups_of
from facefeat.learn.howmany import howmany
from facefeat.learn.metrics import Share
from facefeat.learn.splits import folds, with_copies
from facefeat.learn.statistics import Difference
from facefeat.report import compared, verdicts
from tests.making import write_people

THUMB = plan("thumb", size=32, faces_mode="none", flip=False)
OPTIONS = {"layers": ["grey8"], "n_folds": 3, "repeats": 2, "stranger_repeats": 2, "workers": 1}


class Table(NamedTuple):
    """Pictures of people, and the same with augmented copies behind each."""

    y: NDArray[np.int32]
    groups: NDArray[np.int64]
    own: NDArray[np.int64]

    @property
    def pictures(self) -> NDArray[np.int64]:
        """Rows that are no copies."""
        return np.flatnonzero(self.own == np.arange(len(self.own)))

    def plain(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Give people and groups of the pictures alone."""
        return self.y[self.pictures], self.groups[self.pictures]

    def names(self) -> tuple[str, ...]:
        return tuple("abcdefgh"[: int(self.y.max()) + 1])

    def check(self, train: NDArray[np.int64], test: NDArray[np.int64]) -> None:
        """Require that pictures alone are tested, and that copies train exactly with their pictures."""
        assert set(test) <= set(self.pictures)
        assert not set(self.own[train]) & set(test)
        pictures = set(train) & set(self.pictures)
        np.testing.assert_array_equal(train, [row for row in range(len(self.own)) if self.own[row] in pictures])

    def same(self, with_: NDArray[np.int64], without: NDArray[np.int64]) -> None:
        """Require that rows are, but for copies, those that were dealt without copies."""
        np.testing.assert_array_equal(with_[np.isin(with_, self.pictures)], self.pictures[without])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Draw people with some pictures each, some of which are copies of others, and any number of augmented copies."""
    counts = draw(st.lists(st.integers(1, 6), min_size=2, max_size=8))
    y = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    groups = np.arange(len(y))
    for one, other in draw(st.lists(st.tuples(*[st.integers(0, len(y) - 1)] * 2), max_size=4)):
        groups[groups == groups[other]] = groups[one]
    each = np.array(draw(st.lists(st.integers(0, 3), min_size=len(y), max_size=len(y)))) + 1
    first = np.cumsum(each) - each
    return Table(np.repeat(y, each), np.repeat(groups, each), np.repeat(first, each))


@given(tables(), st.integers(2, 6), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_folds_are_those_of_the_pictures_alone_and_copies_go_with_theirs(table: Table, n: int, seed: int) -> None:
    options = {"n_folds": n, "repeats": 2, "random_state": seed}
    y, groups = table.plain()
    try:
        plain = folds(y, groups, table.names(), **options)  # type: ignore[arg-type]
    except InputError as error:
        with pytest.raises(InputError) as caught:
            folds(table.y, table.groups, table.names(), own=table.own, **options)  # type: ignore[arg-type]
        assert str(caught.value) == str(error)
        return
    found = folds(table.y, table.groups, table.names(), own=table.own, **options)  # type: ignore[arg-type]
    assert (found.notes, found.repeat_of, found.n_folds) == (plain.notes, plain.repeat_of, plain.n_folds)
    table.same(found.always_train, plain.always_train)
    table.same(found.tested, plain.tested)
    for (train, test), (train_alone, test_alone) in zip(found.splits, plain.splits, strict=True):
        table.check(train, test)
        table.same(train, train_alone)
        table.same(test, test_alone)


@given(tables(), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_strangers_are_those_of_the_pictures_alone(table: Table, seed: int) -> None:
    plain = openset.deal(*table.plain(), 3, seed)
    found = openset.deal(table.y, table.groups, 3, seed, own=table.own)
    assert (found is None) == (plain is None)
    if found is None or plain is None:
        return
    assert replace(found, splits=(), parts=()) == replace(plain, splits=(), parts=())
    for (train, test), (train_alone, test_alone) in zip(found.splits, plain.splits, strict=True):
        table.check(train, test)
        table.same(train, train_alone)
        table.same(test, test_alone)
    for part, alone in zip(found.parts, plain.parts, strict=True):
        np.testing.assert_array_equal(part, alone)


@given(tables(), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_growing_training_sets_are_those_of_the_pictures_alone(table: Table, seed: int) -> None:
    try:
        plain = draws.deal(*table.plain(), repeats=5, random_state=seed)
    except InputError:
        return
    found = draws.deal(table.y, table.groups, repeats=5, random_state=seed, own=table.own)
    assert (found.counts, found.test_share) == (plain.counts, plain.test_share)
    np.testing.assert_array_equal(found.photographs, plain.photographs)
    for one, alone in zip(found.repeats, plain.repeats, strict=True):
        table.same(one.test, alone.test)
        table.same(one.strangers, alone.strangers)
        for train, train_alone in zip(one.train, alone.train, strict=True):
            table.check(train, np.concatenate([one.test, one.strangers]))
            table.same(train, train_alone)


def test_copies_train_with_their_pictures() -> None:
    own = np.array([0, 0, 2, 3, 3, 3])
    assert with_copies(np.array([0, 3]), own).tolist() == [0, 1, 3, 4, 5]
    assert with_copies(np.array([2]), own).tolist() == [2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data set of people who are hard to tell apart, one picture of it twice. Not to be changed."""
    people = {"ada": 5, "bob": 5, "cleo": 4, "dan": 4, "eve": 1}
    data = write_people(tmp_path_factory.mktemp("augmented") / "people", people, size=32, noise=500)
    (data / "ada" / "again.png").write_bytes((data / "ada" / "01.png").read_bytes())
    return data


@pytest.fixture(scope="module")
def plain(data: Path) -> FeatureFile:
    """Give its feature file without copies."""
    return extract(data, data.with_name("plain.h5"), THUMB, engine="openvino").file


@pytest.fixture(scope="module")
def file(data: Path) -> FeatureFile:
    """Give its feature file with three copies of each picture."""
    return extract(data, data.with_name("copies.h5"), THUMB, augment=3, engine="openvino").file


@pytest.fixture(scope="module")
def found(file: FeatureFile, plain: FeatureFile) -> Comparison:
    """Give a comparison with copies, tested on itself. Not to be changed."""
    return compare(file, heads_wanted=["lda", "knn"], test=file, **OPTIONS)  # type: ignore[arg-type]


def test_without_its_copies_a_file_is_that_of_an_extraction_without_them(file: FeatureFile, plain: FeatureFile) -> None:
    ragged = file.columns["images/copy"].copy()
    ragged[[1, 2]] = 0  # as if two more were pictures, so that they do not lie at even distances
    for one, rows in (
        (file, slice(None, None, 4)),
        (replace(file, columns={**file.columns, "images/copy": ragged}), None),
    ):
        alone = one.originals()
        rows = np.flatnonzero(one.original) if rows is None else rows
        assert alone.n_each == 0
        assert alone.paths == tuple(np.array(file.paths)[rows])
        for name, column in alone.numbers.items():
            np.testing.assert_array_equal(column, one.columns[name][rows], err_msg=name)
    alone = file.originals()
    assert (alone.people, alone.paths, alone.skipped, alone.augmentation) == (plain.people, plain.paths, (), "")
    np.testing.assert_array_equal(alone.person, plain.person)
    for name, column in plain.numbers.items():
        np.testing.assert_array_equal(alone.numbers[name], column, err_msg=name)
    assert plain.originals() is plain
    assert np.shares_memory(alone.vectors("grey8"), file.vectors("grey8"))
    assert file.copies() == plain.copies() == (1, 0)
    np.testing.assert_array_equal(groups_of(file)[file.original], groups_of(plain))


def test_a_comparison_with_copies_is_on_the_same_tests_and_says_what_it_would_be_without(
    file: FeatureFile, plain: FeatureFile, found: Comparison
) -> None:
    alone = compare(plain, heads_wanted=["lda", "knn"], test=plain, **OPTIONS)  # type: ignore[arg-type]
    before = {(row.head, row.layer): row for row in alone.rows}
    np.testing.assert_array_equal(file.own[found.folds.tested] // 4, alone.folds.tested)
    for row in found.rows:
        other = before[row.head, row.layer]
        assert row.benefit is not None and other.benefit is None
        assert row.benefit.without == other.accuracy
        assert row.benefit.difference.mean == pytest.approx(np.mean(row.by_fold - other.by_fold))
        assert row.named.shape == other.named.shape
    assert [one.accuracy for one in found.baselines] == [one.accuracy for one in alone.baselines]
    counted = ("n_people", "n_images", "n_tested", "copies", "near_copies")
    assert [getattr(found, name) for name in counted] == [getattr(alone, name) for name in counted]
    assert (found.n_augmented, found.n_each, alone.n_augmented, alone.n_each) == (60, 3, 0, 0)
    assert found.test and alone.test and replace(found.test, path="") == replace(alone.test, path="")
    assert found.trials and alone.trials and found.trials.n_known_pictures == alone.trials.n_known_pictures
    assert any(row.accuracy != before[row.head, row.layer].accuracy for row in found.rows)  # copies do something


def test_mistakes_and_their_neighbours_are_pictures(found: Comparison, file: FeatureFile) -> None:
    rows = [row for one in found.mistakes for row in (one.row, one.nearest_named, one.nearest_own) if row >= 0]
    assert rows and file.original[rows].all()


def test_no_copy_trains_a_baseline(file: FeatureFile, found: Comparison) -> None:
    for (train, test), (plain_train, same) in zip(
        found.folds.splits, without_copies(found.folds.splits, file), strict=True
    ):
        np.testing.assert_array_equal(plain_train, train[file.copy[train] == 0])
        np.testing.assert_array_equal(test, same)


def benefit_of(mean: float, low: float, high: float, without: float) -> Benefit:
    return Benefit(Share(without, without - 0.01, without + 0.01), Difference(mean, low, high, 0.5))


@pytest.mark.parametrize(
    ("benefit", "said"),
    [
        (
            benefit_of(0.005, -0.002, 0.011, 0.957),
            "95.7 % without, 96.2 % with (+0.5 points, 95 % interval -0.2 to +1.1): that cannot be told from chance.",
        ),
        (
            benefit_of(0.02, 0.001, 0.039, 0.942),
            "94.2 % without, 96.2 % with (+2.0 points, 95 % interval +0.1 to +3.9): they pay.",
        ),
        (
            benefit_of(-0.0201, -0.03, -0.01, 0.982),
            "98.2 % without, 96.2 % with (-2.0 points, 95 % interval -3.0 to -1.0): they cost. "
            "Without copies lda on grey8 has 98.2 %, more than any row with them.",
        ),
    ],
)
def test_it_is_said_what_copies_bring(found: Comparison, benefit: Benefit, said: str) -> None:
    best = replace(found.best, head="lda", accuracy=Share(0.962, 0.95, 0.97), benefit=benefit)
    told = replace(found, rows=(best,))
    assert verdicts.benefit(told) == f"3 copies of each picture: lda on grey8 has {said}"
    assert verdicts.benefit(replace(told, n_augmented=59)).startswith("Up to 3 copies of each picture: ")
    assert verdicts.benefit(replace(told, rows=(replace(best, benefit=None),))) == ""
    assert ("augmented", verdicts.benefit(told)) in verdicts.remarks(told)


def test_the_document_has_every_row_without_copies(found: Comparison, file: FeatureFile) -> None:
    document = compared.document(found, file)
    assert document["augmentation"] == {"copies": 60, "each": 3, "verdict": verdicts.benefit(found)}
    for row, one in zip(document["rows"], found.rows, strict=True):
        assert one.benefit is not None
        assert row["without_copies"]["accuracy"]["mean"] == one.benefit.without.mean
        assert row["without_copies"]["difference"]["low"] == one.benefit.difference.low
    assert document["protocol"]["text"].startswith(
        "20 pictures of 5 people, 60 augmented copies of them that only train, "
    )


def test_curves_count_and_test_pictures(file: FeatureFile, plain: FeatureFile) -> None:
    options = {"heads_wanted": ["lda"], "layer": "grey8", "counts": [1, 2], "repeats": 5, "workers": 1}
    found, alone = howmany(file, **options), howmany(plain, **options)  # type: ignore[arg-type]
    assert (
        (found.n_images, found.copies, found.single)
        == (alone.n_images, alone.copies, alone.single)
        == (20, 1, ("eve",))
    )
    assert {one.person: one.pictures for one in found.people} == {one.person: one.pictures for one in alone.people}
    assert found.draws.n_tested == alone.draws.n_tested
