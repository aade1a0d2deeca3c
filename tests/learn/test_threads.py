"""Work side by side."""

from __future__ import annotations

import threading

import pytest
import sklearn.neighbors  # noqa: F401  (brings OpenMP)
from threadpoolctl import threadpool_info

from facefeat.learn.threads import cores, side_by_side


def limits() -> set[tuple[str, int]]:
    """Tell how many cores each kind of library takes in this thread."""
    return {(library["user_api"], library["num_threads"]) for library in threadpool_info()}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_item_has_one_core_and_its_place(workers: int) -> None:
    before = limits()
    found = list(side_by_side(lambda item: (item, limits()), range(7), workers))
    assert found == [(item, {("blas", 1), ("openmp", 1)}) for item in range(7)]
    assert limits() == before


def test_so_many_work_at_a_time() -> None:
    both = threading.Barrier(2, timeout=30)
    assert list(side_by_side(lambda item: both.wait() in (0, 1), range(4), 2)) == [True] * 4


def test_a_mistake_in_a_thread_is_heard() -> None:
    def refuse(item: int) -> None:
        raise ValueError(f"{item} is refused")

    with pytest.raises(ValueError, match=r"^3 is refused$"):
        list(side_by_side(refuse, [3], 2))


def test_cores_are_given_back() -> None:
    before = limits()
    with cores(1):
        assert limits() == {("blas", 1), ("openmp", 1)}
    assert limits() == before
