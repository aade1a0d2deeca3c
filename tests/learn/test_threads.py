"""Work side by side."""

from __future__ import annotations

import threading

import pytest
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from threadpoolctl import threadpool_info

from facefeat.learn.threads import cores, side_by_side


def blas() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_item_has_one_core_and_its_place(workers: int) -> None:
    before = blas(), _openmp_effective_n_threads()
    found = list(side_by_side(lambda item: (item, blas(), _openmp_effective_n_threads()), range(7), workers))
    assert found == [(item, {1}, 1) for item in range(7)]
    assert (blas(), _openmp_effective_n_threads()) == before


def test_so_many_work_at_a_time() -> None:
    both = threading.Barrier(2, timeout=30)
    assert list(side_by_side(lambda item: both.wait() in (0, 1), range(4), 2)) == [True] * 4


def test_a_mistake_in_a_thread_is_heard() -> None:
    with pytest.raises(ValueError, match=r"^two$"):
        list(side_by_side(lambda item: (_ for _ in ()).throw(ValueError("two")), [1], 2))


def test_cores_are_given_back() -> None:
    before = blas()
    with cores(1):
        assert blas() == {1}
    assert blas() == before
