"""Work side by side on as many cores as asked for.

Threads, not processes: they start at once and copy nothing, and what takes time here (NumPy, SciPy, libsvm) lets
others run meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_alone = threading.Lock()


def cores(n: int) -> AbstractContextManager[Any]:
    """Keep libraries to so many cores within a ``with``; those that are loaded later are not reached."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(n)
    return limits


@contextmanager
def still_afterwards() -> Iterator[None]:
    """Keep NumPy's products within a ``with`` to one core, for small ones between two runs of a network.

    OpenBLAS' threads wait for more work by spinning, on the cores that the network needs: naming a face for 1 ms then
    costs 50 ms of the next picture. The limit is the process's, so one thread at a time is let in.
    """
    with _alone, _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> Any:
    """Return NumPy's libraries; looking for them takes longer than a naming."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


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
