"""Shards at an address, where the nodes of a cluster put them and the driver fetches them."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from facefeat.data.objects import AT_ONCE, Store
from facefeat.errors import DamagedFile, FacefeatError, FileFormatError, StorageError
from facefeat.features.recipe import Recipe
from facefeat.features.store.shards import SHARD_NAME, WorkFolder

SOON = 0.05  # s: what comes sooner than this has more behind it

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Taken:
    """What became of the shards that an earlier run left at an address.

    Attributes
    ----------
    ours : tuple of str
        Names of those that are in the work folder now.
    damaged : tuple of str
    others : int
        Of another recipe, or of a newer facefeat.
    """

    ours: tuple[str, ...]
    damaged: tuple[str, ...]
    others: int


class Scratch:
    """The shards of one recipe at an address; pickled as ``facefeat.data.objects.Store`` is.

    They lie under ``ADDRESS/<first 16 digits of the recipe's SHA-256>/``, so runs of several recipes may share one.

    Parameters
    ----------
    address : str
    recipe : Recipe

    Attributes
    ----------
    address : str
        Without what is secret.

    Raises
    ------
    UsageError, MissingExtra, MissingPackage, InputError, Unreachable
        See ``facefeat.data.objects.Store``.
    """

    def __init__(self, address: str, recipe: Recipe) -> None:
        self._store = Store(address)
        self.address = self._store.address
        self._folder = f"{self._store.root.rstrip('/')}/{recipe.sha256[:16]}"

    def put(self, name: str, data: bytes) -> None:
        """Write a file; see ``facefeat.data.objects.Store.write``."""
        self._store.write(f"{self._folder}/{name}", data)

    def holds(self, name: str, data: bytes) -> bool:
        """Tell whether a file of these bytes is there.

        Raises
        ------
        InputError
            If it may not be read.
        Unreachable
        """
        return self._store.content(f"{self._folder}/{name}") == data

    def names(self) -> list[str]:
        """List the shards that are there, sorted.

        Raises
        ------
        InputError, Unreachable
        """
        return [name for name in self._store.names(self._folder) if SHARD_NAME.fullmatch(name)]

    def fetch(self, name: str, digest: str, node: str) -> bytes:
        """Return the file of a shard that a node has written.

        Parameters
        ----------
        name : str
        digest : str
            Its SHA-256 in hex, as the node says.
        node : str
            Its name, for the sentence.

        Returns
        -------
        bytes

        Raises
        ------
        StorageError
            If something else is there.
        InputError, Unreachable
        """
        data = self._store.content(f"{self._folder}/{name}")
        if data is None or hashlib.sha256(data).hexdigest() != digest:
            raise StorageError(f"{self.address} has not what the node {node} wrote, {name}; run the same again.")
        return data

    def take_over(self, folder: WorkFolder) -> Taken:
        """Take what an earlier run of the recipe left there into the work folder, as far as it is not in it.

        Raises
        ------
        StorageError, InputError, Unreachable
        """
        there = self.names()
        ours = [name for name in there if (folder.path / name).exists()]
        damaged, others = list[str](), 0
        for name, data in self._each(self._store.content, sorted({*there} - {*ours})):
            if data is None:  # another run took it over
                continue
            try:
                folder.take(name, data)
                ours.append(name)
            except DamagedFile:
                damaged.append(name)
            except FileFormatError:
                others += 1
        return Taken(tuple(ours), tuple(damaged), others)

    def remove(self, names: Sequence[str]) -> None:
        """Delete files; one that is not there is no error.

        Raises
        ------
        StorageError, InputError, Unreachable
        """
        for _ in self._each(self._store.remove, names):
            pass

    def forget(self, names: Sequence[str]) -> None:
        """Delete files that nobody needs; where that cannot be, they are in nobody's way."""
        with suppress(FacefeatError):
            self.remove(names)

    def _each(self, do: Callable[[str], Result], names: Sequence[str]) -> Iterator[tuple[str, Result]]:
        """Do something with each file, a few side by side: it is mostly waiting. After a failure no more are begun."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for start in range(0, len(names), AT_ONCE):
                some = names[start : start + AT_ONCE]
                yield from zip(some, pool.map(lambda name: do(f"{self._folder}/{name}"), some), strict=True)


def ahead(items: Iterable[Item], fetch: Callable[[Item], Result]) -> Generator[Result, None, None]:
    """Yield what is fetched for each of some items, in their order; for those that come at once, several side by side.

    One that had to be waited for is fetched before the next is waited for: what is there is handed over soon.

    Parameters
    ----------
    items : iterable
        That takes its time.
    fetch : callable
        Called in other threads.

    Raises
    ------
    FacefeatError
        Whatever ``fetch`` raised, when its item's turn has come.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        began = time.monotonic()
        for item in items:
            left = AT_ONCE - 1 if time.monotonic() - began < SOON else 0
            waiting.append(pool.submit(fetch, item))
            while len(waiting) > left:
                yield waiting.popleft().result()
            began = time.monotonic()
        while waiting:
            yield waiting.popleft().result()
