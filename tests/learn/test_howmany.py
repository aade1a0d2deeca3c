"""How many photographs a person are needed: what trains, what is tested, and what is told from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facefeat.errors import DamagedFile, InputError, UsageError
from facefeat.features.encode import plan
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn import howmany as module
from facefeat.learn.crossval import Outcome, cross_validate
from facefeat.learn.curves import Curves
from facefeat.learn.draws import Draws, deal, parse_counts
from facefeat.learn.howmany import howmany
from facefeat.learn.openset import Trials, pooled_rates
from facefeat.report.howmany import document, failures

LAYER = "grey8"


def file_of(
    counts: Sequence[int], seed: int = 0, spread: float = 1.0, copies: Sequence[tuple[int, int]] = ()
) -> FeatureFile:
    """Make a feature file in memory; of each pair of ``copies`` the second picture has the bytes of the first."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    people = tuple(f"p{who:02}" for who in range(len(counts)))
    paths = tuple(f"{people[who]}/{number}.png" for number, who in enumerate(person))
    digests = np.array([list(hashlib.sha256(path.encode()).digest()) for path in paths], np.uint8)
    vectors = (rng.normal(size=(len(counts), 6))[person] + spread * rng.normal(size=(len(person), 6))).astype(
        np.float32
    )
    pixels = rng.integers(0, 256, (len(person), 64, 64), dtype=np.uint8)
    for first, second in copies:
        digests[second], vectors[second], pixels[second] = digests[first], vectors[first], pixels[first]
    columns: dict[str, NDArray[Any]] = {
        "images/sha256": digests,
        "images/copy": np.zeros(len(paths), np.int16),
        "faces/found": np.zeros(len(paths), bool),
        "faces/pixels": pixels,
        "features/grey8": vectors,
        "features/grey16": vectors[:, ::-1].copy(),
    }
    maker = {"engine": "none", "device": "none", "precision": "float32", "versions": {}}
    recipe = plan("thumb", faces_mode="none").recipe
    return FeatureFile(Path("features.h5"), recipe, maker, people, paths, person, columns, ())


def measured(file: FeatureFile, **options: Any) -> Curves:
    return howmany(file, **{"layer": LAYER, "heads_wanted": ["lda", "knn"], "repeats": 5, "workers": 1, **options})


@pytest.fixture(scope="module")
def found() -> Curves:
    """Give the curves of six people of whom two have few photographs. Not to be changed."""
    return measured(file_of([10, 10, 10, 10, 4, 2]))


@st.composite
def tables(draw: st.DrawFn) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Draw people with some photographs each, some of them copies of others, even of other people."""
    counts = draw(st.lists(st.integers(1, 9), min_size=2, max_size=8))
    y = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    groups = np.arange(len(y))
    for one, other in draw(st.lists(st.tuples(*[st.integers(0, len(y) - 1)] * 2), max_size=4)):
        groups[groups == groups[other]] = groups[one]
    return y, groups.astype(np.int64)


def dealt(y: NDArray[np.int32], groups: NDArray[np.int64], **options: Any) -> Draws | None:
    """Deal; ``None`` where nobody can be tested."""
    try:
        return deal(y, groups, **options)
    except InputError:
        return None


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(0, 3))
def test_what_trains_grows_and_never_meets_what_is_tested(
    drawn: tuple[NDArray[np.int32], NDArray[np.int64]], seed: int
) -> None:
    y, groups = drawn
    draws = dealt(y, groups, repeats=5, random_state=seed)
    for one in draws.repeats if draws else ():
        for smaller, larger in zip(one.train, one.train[1:], strict=False):
            assert set(smaller) <= set(larger)
        assert not set(groups[one.train[-1]]) & set(groups[np.concatenate([one.test, one.strangers])])
        assert not set(y[one.strangers]) & set(y[np.concatenate([one.train[-1], one.test])])
        assert set(y[one.test]) <= set(y[one.train[0]]) and len(set(y[one.train[0]])) > 1


@given(st.lists(st.integers(1, 30), min_size=5, max_size=12), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_everybody_trains_with_n_photographs_or_all_and_is_a_stranger_once_in_five(
    counts: list[int], seed: int
) -> None:
    y = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    draws = dealt(y, np.arange(len(y)), repeats=5, random_state=seed)
    if draws is None or len(draws.repeats) < 5:
        return
    has = np.array(counts)
    tested = np.where(has > 1, np.maximum(has // 5, 1), 0)
    times = np.zeros(len(has), int)
    for one in draws.repeats:
        known = np.bincount(y[one.strangers], minlength=len(has)) == 0
        times += ~known
        assert np.array_equal(np.bincount(y[one.test], minlength=len(has)), np.where(known, tested, 0))
        for n, train in zip(draws.counts, one.train, strict=True):
            wanted = np.where(known, np.minimum(n, has - tested), 0)
            assert np.array_equal(np.bincount(y[train], minlength=len(has)), wanted)
    assert times.tolist() == [1] * len(has)
    assert (draws.n_strangers, draws.n_stranger_pictures) == (len(has), len(y))
    assert draws.few == tuple(int(np.sum(has - tested < n)) for n in draws.counts)


def test_counts_go_up_to_what_half_of_the_people_have() -> None:
    def counts(*has: int) -> tuple[int, ...]:
        y = np.repeat(np.arange(len(has), dtype=np.int32), has)
        return deal(y, np.arange(len(y))).counts

    assert counts(2, 2) == (1,)
    assert counts(10, 10, 10) == (1, 2, 3, 5, 8)
    assert counts(2, 2, 50, 50) == (1, 2, 3, 5, 8, 13, 21, 34)
    assert counts(2, 2, 2, 50) == (1,)


def test_copies_count_as_one_photograph() -> None:
    file = file_of([4, 4], copies=[(0, 1), (0, 2), (4, 7)])
    found = measured(file, repeats=2)
    assert found.draws.photographs.tolist() == [2, 3] and found.draws.counts == (1, 2)
    assert found.copies == 3 and found.draws.few == (0, 1)
    assert document(found)["notes"] == [
        "With 2 photographs, 1 of 2 people train with all they have, which is fewer.",
        "3 pictures are copies or near copies of another; a photograph and its copies count as one.",
    ]


@pytest.mark.parametrize("head", ["lda", "knn"])
def test_accuracies_are_those_of_heads_fitted_one_by_one(found: Curves, head: str) -> None:
    file = file_of([10, 10, 10, 10, 4, 2])
    X, y = file.vectors(LAYER), file.person
    curve = next(one for one in found.curves if one.head == head)
    assert [point.n for point in curve.points] == [1, 2, 3, 5, 8]
    for number, point in enumerate(curve.points):
        expected = []
        for one in found.draws.repeats:
            fitted = heads.build(head).fit(X[one.train[number]], y[one.train[number]])
            expected.append(np.mean(fitted.predict(X[one.test]) == y[one.test]))
        assert point.by_repeat.tolist() == pytest.approx(expected)
        assert point.accuracy.mean == pytest.approx(np.mean(expected))


def test_strangers_are_judged_by_the_threshold_of_others_whatever_the_repeat() -> None:
    """Of 15 pictures each, person 2 scores 0.5 and person 3 scores 0.3; each is a stranger once."""
    y = np.array([0, 0, 1, 1, *[2] * 15, *[3] * 15], np.int32)
    known, second, third = np.array([0, 2]), np.arange(4, 19), np.arange(19, 34)
    nobody = np.empty(0, np.int64)
    trials = Trials(
        splits=((nobody, np.concatenate([known, second])), (nobody, np.concatenate([known, third]))),
        n_known=(2, 2),
        parts=(np.zeros(15, np.int64), np.ones(15, np.int64)),
        n_known_people=3,
        n_stranger_people=2,
        n_known_pictures=2,
        n_stranger_pictures=30,
    )

    def outcome(*named: int) -> Outcome:
        return Outcome(np.array([*named, *[0] * 15], np.int32), np.ones(17, np.int32), np.empty((0, 2)), 0.0, 0.0)

    scores = [np.array([0.6, 0.4, *[0.5] * 15]), np.array([0.2, 0.9, *[0.3] * 15])]
    rates = pooled_rates(
        y, trials, [outcome(0, 1), outcome(0, 0)], scores
    )  # the last known one, of 0.9, is named wrong
    # over 0.3, which person 3 chooses: 0.6 and 0.4, and all of person 2; over 0.5: 0.6 alone, and none of person 3
    assert rates[0.01] is None and rates[0.1] is not None
    assert rates[0.1].fnir.mean == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert rates[0.1].fpir.mean == pytest.approx(0.5)


def test_more_photographs_leave_fewer_known_faces_unnamed() -> None:
    found = measured(file_of([10] * 12, spread=0.2), heads_wanted=["lda"])
    rates = [point.rates[0.1] for point in found.best.points]
    fnir = [its.fnir.mean for its in rates if its]
    assert len(fnir) == 5 and fnir[-1] < fnir[0] / 2
    assert all(its and 0.05 <= its.fpir.mean <= 0.2 for its in rates)
    assert found.best.points[0].rates[0.01] is None
    assert document(found)["protocol"]["strangers"].splitlines()[1] == (
        "An FPIR of 1 % is not measurable with 120 pictures of strangers."
    )


def test_workers_and_seeds(found: Curves) -> None:
    def without_seconds(curves: Curves) -> dict[str, Any]:
        return {name: value for name, value in document(curves).items() if name != "seconds"}

    again = measured(file_of([10, 10, 10, 10, 4, 2]), workers=2)
    assert without_seconds(again) == without_seconds(found)
    other = measured(file_of([10, 10, 10, 10, 4, 2]), random_state=1)
    assert without_seconds(other)["curve"] != without_seconds(found)["curve"]


def test_recall_is_that_of_folds(found: Curves) -> None:
    assert found.n_folds == 5 and {one.person for one in found.people} == {f"p{who:02}" for who in range(6)}
    recalls = [one.recall for one in found.people]
    assert recalls == sorted(recalls, key=lambda recall: recall or 0.0)
    assert [one.photographs for one in sorted(found.people, key=lambda one: one.person)] == [10, 10, 10, 10, 4, 2]


def test_fewer_than_five_people_have_no_strangers() -> None:
    found = measured(file_of([6, 6, 6, 1]))
    assert found.draws.n_strangers == 0 and all(one is None for one in found.best.points[0].rates.values())
    shown = document(found)
    assert shown["protocol"]["strangers"] == (
        "FNIR is not measurable with 4 people: nobody was held out, for which 5 are needed."
    )
    assert shown["notes"][-1] == "One photograph only, so it trains and is never tested: p03."
    assert found.people[-1].person == "p03" and found.people[-1].recall is None
    assert measured(file_of([4] * 6), strangers=False).draws.n_strangers == 0


def test_a_head_that_fails_at_one_number_costs_that_number_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(X: Any, y: Any, splits: Any, trials: Any, *rest: Any) -> Any:
        found = cross_validate(X, y, splits, trials, *rest)
        for trial, results in zip(trials, found, strict=True):
            results[:2] = ["too few"] * 2 if trial.head == "knn" else results[:2]
        return found

    monkeypatch.setattr(module, "cross_validate", failing)
    found = measured(file_of([10] * 3), repeats=2)
    by_head = {curve.head: [point.n for point in curve.points] for curve in found.curves}
    assert by_head == {"lda": [1, 2, 3, 5, 8], "knn": [2, 3, 5, 8]}
    assert failures(found) == [
        "knn could not be fitted with 1 photograph a person: too few",
        "knn could not be fitted on the folds: too few",
    ]
    assert found.best.head == "knn" and all(one.recall is None and one.at_most for one in found.people)


def test_where_no_head_can_be_fitted_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cross_validate", lambda X, y, splits, trials, *_: [["no"] * len(splits)] * len(trials))
    with pytest.raises(InputError) as error:
        measured(file_of([4, 4]))
    assert str(error.value) == "No head could be fitted; the first, lda, said: no"


def test_heads_that_would_take_too_long_are_left_out_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOO_LONG", -1.0)
    assert refusal(InputError, file_of([4, 4]), heads_wanted=None) == (
        "Every head would take too long on so many pictures; name one with --heads."
    )
    assert [curve.head for curve in measured(file_of([4, 4]), heads_wanted=["svm"], repeats=2).curves] == ["svm"]


def refusal(kind: type[Exception], file: FeatureFile, **options: Any) -> str:
    with pytest.raises(kind) as error:
        measured(file, **options)
    return str(error.value)


def test_what_cannot_be_measured_is_one_sentence() -> None:
    assert refusal(InputError, file_of([5])) == (
        "There is only one person, p00; at least two are needed to tell apart."
    )
    assert refusal(InputError, file_of([1, 1, 1])) == (
        "Every person has a single picture; testing needs at least two of somebody."
    )
    assert refusal(UsageError, file_of([10, 6]), counts=[1, 9]) == (
        "Nobody has 9 photographs to train with: once some are kept for testing, 8 are left at most; give counts up to "
        "that."
    )
    assert refusal(UsageError, file_of([4, 4]), counts=[0]) == (
        "Counts of photographs are whole numbers from 1; [0] was given."
    )
    assert refusal(UsageError, file_of([4, 4]), repeats=1) == (
        "At least 2 repeats are needed to tell how far figures vary; 1 was given."
    )
    assert refusal(UsageError, file_of([4, 4]), layer="grey9") == (
        "There is no layer 'grey9'; did you mean 'grey8'? There are: grey16, grey8."
    )
    damaged = file_of([4, 4])
    damaged.columns["features/grey8"][3, 2] = np.nan
    assert refusal(DamagedFile, damaged) == "features.h5 is damaged: its vectors of grey8 are not all finite numbers."


def test_people_who_share_their_photographs_may_leave_nobody_to_test() -> None:
    """Each photograph bears both names: where the two are tested on different ones, nothing is left to train with."""
    with pytest.raises(InputError) as error:
        deal(np.array([0, 0, 1, 1], np.int32), np.array([0, 1, 0, 1]), repeats=2, random_state=2)
    assert str(error.value) == (
        "Only 0 of 2 draws leave two people to tell apart and a photograph to test them on; more photographs of more people "
        "are needed."
    )


@pytest.mark.parametrize("text", ["0", "two", "1,,2", "-1", "1.5", "", "9" * 5000])
def test_counts_that_are_no_whole_numbers(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_counts(text)
    assert str(error.value) == f"--counts takes whole numbers from 1, such as 1,2,5; '{text}' was given."
