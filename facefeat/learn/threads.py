"""Work side by side on as many cores as asked for.

Threads, not processes: they start at once and copy nothing, and what takes time here (NumPy, SciPy, libsvm) lets
others run meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores(n: int) -> AbstractContextManager[Any]:
    """Keep libraries to so many cores within a ``with``; those that are loaded later are not reached."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(n)
    return limits


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Call a function with each item, several at a time, and yield what it returns in their order.

    Libraries keep to one core for each item, so results do not depend on the number of workers. Those that are
    loaded later are not reached.

    Parameters
    ----------
    work : callable
    items : iterable
    workers : int

    Yields
    ------
    object
    """
    from joblib import Parallel, delayed
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController()

    def on_one_core(item: Item) -> Result:
        with libraries.limit(limits=1, user_api="openmp"):  # every thread has a limit of its own there
            return work(item)

    with libraries.limit(limits=1, user_api="blas"):
        calls = (delayed(on_one_core)(item) for item in items)
        yield from Parallel(workers, backend="threading", return_as="generator")(calls)
