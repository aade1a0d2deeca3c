"""Lists of rows find nearly all of the nearest at a fraction of the work, and measure how many."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facefeat.heads import _applied, _lists, knn, prototype
from facefeat.heads._lists import InvertedLists, Searched, check_lists
from facefeat.learn import head as heads

N, PEOPLE, WIDTH = 6000, 300, 16


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def table() -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Give rows, whose they are, and other rows of the same people."""
    rng = np.random.default_rng(0)
    y = (np.arange(N) % PEOPLE).astype(np.int32)
    centres = rng.normal(size=(PEOPLE, WIDTH))[y]
    rows, others = ((centres + 0.4 * rng.normal(size=(N, WIDTH))).astype(np.float32) for _ in range(2))
    return rows, y, others


@pytest.fixture(scope="module")
def lists(table: Any) -> InvertedLists:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_lists, "TRIED", 600)
        patch.setattr(_lists, "_NUMBERS", 2**16)  # several blocks
        made = InvertedLists.of(Searched(lambda rows: unit(table[0][rows]), N, 3))
    assert made is not None
    return made


def test_each_row_is_in_one_list_that_lies_its_way(table: Any, lists: InvertedLists) -> None:
    assert np.array_equal(np.sort(lists.order_), np.arange(N)) and len(lists.centres_) == round(4 * N**0.5)
    rows = unit(table[0])
    for number in np.flatnonzero(np.diff(lists.starts_)):
        own = rows[lists.order_[lists.starts_[number] : lists.starts_[number + 1]]]
        assert lists.centres_[number] == pytest.approx(own.mean(axis=0), abs=1e-6)


def test_the_recall_is_that_of_rows_that_chose_nothing(table: Any, lists: InvertedLists) -> None:
    rows = unit(table[0])
    tried = np.sort(np.random.default_rng(0).permutation(N)[:600])[1::2]
    cosines = rows[tried] @ rows.T
    cosines[np.arange(len(tried)), tried] = -1
    nearest = np.argsort(-cosines, axis=1)[:, :3]
    found = [
        np.isin(own, lists.candidates(means)).mean()
        for own, means in zip(nearest, lists.means(rows[tried]), strict=True)
    ]
    assert lists.recall_ == pytest.approx(np.mean(found)) and lists.recall_ > 0.97 and lists.n_tried_ == 300
    assert np.mean([len(lists.candidates(means)) for means in lists.means(rows[tried])]) < N / 4


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 12), st.integers(0, 5))
def test_candidates_are_enough_and_rows_without_them_have_their_lists_mean(
    n: int, n_lists: int, n_probe: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    which = rng.integers(0, n_lists, n)
    lists = InvertedLists()
    lists.order_ = np.argsort(which, kind="stable").astype(np.int32)
    lists.starts_ = np.searchsorted(np.sort(which), np.arange(n_lists + 1))
    lists.n_probe_ = min(n_probe, n_lists)
    means = rng.normal(size=n_lists)
    best = np.argsort(-means)
    for n_neighbors in (1, n):
        found = lists.candidates(means, n_neighbors)
        assert len(set(found.tolist())) == len(found) >= n_neighbors
        assert set(np.flatnonzero(np.isin(which, best[: lists.n_probe_]))) <= set(found.tolist())
    assert np.array_equal(lists.spread(means[None])[0], means[which])


@pytest.mark.parametrize("params", [{}, {"n_neighbors": 5}, {"n_neighbors": 3, "weights": "uniform"}])
def test_neighbours_that_are_looked_up_vote_as_all_do(table: Any, params: dict[str, Any]) -> None:
    rows, y, others = table
    fitted = heads.build("knn", params).fit(rows, y)
    plain = _applied.KNeighborsClassifier(**{"n_neighbors": 1, "weights": "distance", **params})
    vars(plain).update({name: vars(fitted[-1])[name] for name in ("_fit_X", "_y", "classes_", "n_features_in_")})
    indexed = copy.copy(plain)
    indexed.index_ = InvertedLists.of(knn.searched(plain))
    some = fitted[:-1].transform(others[::20])
    theirs, mine = plain.predict_proba(some), indexed.predict_proba(some)
    assert mine.shape == theirs.shape and mine.sum(axis=1) == pytest.approx(1)
    assert (np.abs(mine - theirs).max(axis=1) < 1e-5).mean() > 0.95
    assert (mine.argmax(axis=1) == theirs.argmax(axis=1)).mean() > 0.98


def test_means_that_are_looked_up_are_exact_and_others_are_those_of_their_list() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(5000, 8)).astype(np.float32)
    fitted = prototype.PrototypeClassifier(whiten=False).fit(rows, np.arange(len(rows)))
    some = rows[::25] + 0.05 * rng.normal(size=(200, 8))
    exact = fitted.similarities(some)
    fitted.index_ = InvertedLists.of(prototype.searched(fitted))
    assert fitted.index_ is not None and fitted.index_.recall_ > 0.97
    found = fitted.similarities(some)
    same = np.abs(found - exact) < 1e-9
    assert (found.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.98 and 0.01 < same.mean() < 0.3
    assert (found.max(axis=1) <= exact.max(axis=1) + 1e-9).all()
    assert np.abs(found - exact).mean() < 0.25  # a list's rows lie one way
    fitted.fit(rows, np.arange(len(rows)))
    assert fitted.index_ is None


def test_without_faiss_there_are_no_lists(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert InvertedLists.of(Searched(lambda rows: unit(table[0][rows]), N)) is None


def test_rows_that_lie_anyhow_are_put_into_no_lists() -> None:
    rows = unit(np.random.default_rng(0).normal(size=(3000, 200)))
    assert InvertedLists.of(Searched(lambda which: rows[which], len(rows), 5)) is None


BAD: list[tuple[str, Any, str]] = [
    ("centres_", np.zeros((2, WIDTH), np.float32), "its centres_ is no array of shape (310, 16)"),
    ("order_", np.zeros(N, np.int32), "its lists do not hold each row once"),
    ("order_", np.full(N, -1, np.int32), "its lists do not hold each row once"),
    ("order_", np.arange(N) + 1, "its lists do not hold each row once"),
    ("order_", np.arange(N, dtype=np.float32), f"its order_ is no array of shape ({N},)"),
    ("starts_", np.zeros(311, np.int64), "its lists do not hold all rows"),
    ("starts_", np.linspace(1, N, 311).astype(np.int64), "its lists do not hold all rows"),
    ("starts_", 5, "its centres_ is no array of shape (0, 16)"),
    ("n_probe_", 0, "its n_probe_ is not from 1 to 310"),
    ("n_probe_", 311, "its n_probe_ is not from 1 to 310"),
    ("n_probe_", 1.0, "its n_probe_ is not from 1 to 310"),
    ("n_tried_", True, f"its n_tried_ is not from 1 to {N}"),
    ("recall_", 1.5, "its recall_ is no share"),
    ("recall_", float("nan"), "its recall_ is no share"),
    ("candidates", 1, "its index is none"),
]


@pytest.mark.parametrize(("name", "value", "reason"), BAD)
def test_lists_from_a_file_are_whole(lists: InvertedLists, name: str, value: Any, reason: str) -> None:
    check_lists(lists, N, WIDTH)
    check_lists(None, N, WIDTH)
    bad = copy.copy(lists)
    vars(bad)[name] = value
    with pytest.raises(ValueError) as raised:
        check_lists(bad, N, WIDTH)
    assert str(raised.value) == reason
    with pytest.raises(ValueError, match=r"^its index is none$"):
        check_lists([lists], N, WIDTH)
