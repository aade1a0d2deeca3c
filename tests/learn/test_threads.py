"""Work side by side."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import sklearn.neighbors  # noqa: F401  (brings OpenMP)
from threadpoolctl import threadpool_info

from facefeat.learn import predict
from facefeat.learn.threads import cores, side_by_side, still_afterwards
from tests.learn.membership import ready


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


def blas() -> set[int]:
    """Tell how many cores NumPy's products take."""
    libraries = (one for one in threadpool_info() if one["user_api"] == "blas")
    return {one["num_threads"] for one in libraries if Path(one["filepath"]).parent.name.startswith("numpy")}


def test_naming_faces_keeps_products_to_one_core(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser, before, seen = ready(models["prototype"]), limits(), []
    monkeypatch.setattr(predict, "namings", lambda *given: seen.append(blas()))
    recogniser.name(np.empty((1, 0), np.float32))
    assert seen == [{1}]
    assert limits() == before


def test_threads_that_name_at_once_give_all_cores_back() -> None:
    before = limits()

    def hold(seconds: float) -> set[int]:
        with still_afterwards():
            time.sleep(seconds)
            return blas()

    with ThreadPoolExecutor(3) as threads:  # the first to begin is not the last to end
        assert list(threads.map(hold, (0.05, 0.01, 0.03))) == [{1}] * 3
    assert limits() == before
