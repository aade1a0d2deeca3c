"""The nearest rows of a large table without looking at all of them: rows in lists, of which a few are looked into.

An inverted file (Sivic and Zisserman 2003), as FAISS has it (Douze et al. 2024, arXiv:2401.08281): k-means puts rows that
lie in one direction into one list. FAISS finds the lists, when a head is fitted. They are kept as plain arrays, and looked
into by NumPy: an index of FAISS' own format is raw memory to whoever reads it, and a model may come from anybody.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._fitted import check_array
from facefeat.heads._rows import blocks

TRUSTED = ("facefeat.heads._lists.InvertedLists",)

MANY = 100_000  # rows, from which on a few are looked at
WANTED = 0.99  # share of the nearest rows that are to be found
TRIED = 2000  # rows that say how many lists that takes, and then, the other half, how well it does

_TRAINING = 64, 2**18  # rows a list that k-means sees, and in all
_STEPS = 10  # of k-means
_NUMBERS = 2**24  # that are worked on together

Rows = Callable[[NDArray[np.int64] | slice], NDArray[Any]]


class Searched(NamedTuple):
    """What a fitted classifier looks for the nearest of.

    Attributes
    ----------
    directions : callable
        Gives those of some rows, unit vectors of shape (n, width).
    n_rows : int
    n_neighbors : int
    """

    directions: Rows
    n_rows: int
    n_neighbors: int = 1


class InvertedLists:
    """Rows by their direction, in lists.

    Attributes
    ----------
    centres_ : ndarray of shape (n_lists, width), float32
        Mean direction of each list: its product with a direction is the mean cosine to the list's rows.
    order_ : ndarray of shape (n_rows,), int32
        Row numbers, a list after the other.
    starts_ : ndarray of shape (n_lists + 1,), int64
        Where each list begins in them.
    n_probe_ : int
        Lists that are looked into.
    recall_ : float
        Share of the nearest rows that are found, of rows that say nothing of the lists.
    n_tried_ : int
        Rows by which that was measured.
    """

    centres_: NDArray[np.float32]
    order_: NDArray[np.int32]
    starts_: NDArray[np.int64]
    n_probe_: int
    recall_: float
    n_tried_: int

    @classmethod
    def of(cls, searched: Searched) -> Self | None:
        """Put rows into lists, and find how many have to be looked into.

        Parameters
        ----------
        searched : Searched

        Returns
        -------
        InvertedLists or None
            None without FAISS, and where nothing less than a quarter of all lists finds ``WANTED`` of the nearest.
        """
        faiss = _imported()
        if faiss is None:
            return None
        rows, n_rows, _ = searched
        drawn = np.random.default_rng(0).permutation(n_rows)
        tried, others = np.sort(drawn[:TRIED]), drawn[TRIED:]
        n_lists = round(4 * n_rows**0.5)  # as FAISS advises
        some = _single(rows(np.sort(others[: min(_TRAINING[0] * n_lists, _TRAINING[1])])))
        made, queries = cls(), _single(rows(tried))
        which = made._fill(faiss, some, searched, n_lists)
        nearest = _nearest(searched, queries, tried)
        return made if made._probe(_ranks(made.means(queries), which[nearest])) else None

    def _fill(self, faiss: Any, some: NDArray[np.float32], searched: Searched, n_lists: int) -> NDArray[np.int64]:
        """Find the lists by some rows, and put all into them; return the list of each."""
        n_rows, width = searched.n_rows, some.shape[1]
        means = faiss.Kmeans(width, n_lists, niter=_STEPS, spherical=True, seed=0, min_points_per_centroid=1)
        means.train(some)
        which, sums = np.empty(n_rows, np.int64), np.zeros((n_lists, width))
        for block in blocks(n_rows, n_lists + width, _NUMBERS):
            these = _single(searched.directions(block))
            which[block] = means.index.search(these, 1)[1][:, 0]
            _add(sums, which[block], these)
        counts = np.bincount(which, minlength=n_lists)
        self.centres_ = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
        self.order_ = np.argsort(which, kind="stable").astype(np.int32)
        self.starts_ = np.concatenate([[0], np.cumsum(counts)])
        return which

    def _probe(self, ranks: NDArray[np.int64]) -> bool:
        """Choose how many lists to look into by every other row that was tried; measure that on the rest."""
        n_lists, n_probe = len(self.centres_), 1
        while (ranks[::2] < n_probe).mean() < WANTED:
            n_probe *= 2
        self.n_probe_, self.n_tried_ = n_probe, len(ranks[1::2])
        self.recall_ = float((ranks[1::2] < n_probe).mean())
        return n_probe <= n_lists // 4

    def means(self, directions: NDArray[Any]) -> NDArray[np.float32]:
        """Return the mean cosine of each direction to each list's rows, shape (n, n_lists)."""
        found: NDArray[np.float32] = directions.astype(np.float32, copy=False) @ self.centres_.T
        return found

    def candidates(self, means: NDArray[Any], n_neighbors: int = 1) -> NDArray[np.int32]:
        """Return the rows to look at for one direction: those of the best lists, and of more where they are too few.

        Parameters
        ----------
        means : ndarray of shape (n_lists,)
            A row of ``means``.
        n_neighbors : int, default=1

        Returns
        -------
        ndarray of shape (n_candidates,), int32
        """
        best = np.argsort(-means, kind="stable")
        enough = np.cumsum(np.diff(self.starts_)[best]) >= n_neighbors
        n_probe = max(self.n_probe_, int(enough.argmax()) + 1)
        return np.concatenate([self.order_[self.starts_[one] : self.starts_[one + 1]] for one in best[:n_probe]])

    def spread(self, means: NDArray[Any]) -> NDArray[Any]:
        """Give each row the mean of its list, shape (n, n_rows) for means of shape (n, n_lists)."""
        found = np.empty((len(means), len(self.order_)), means.dtype)
        found[:, self.order_] = np.repeat(means, np.diff(self.starts_), axis=1)
        return found


def check_lists(lists: Any, n_rows: int, width: int) -> None:
    """Check lists that come from a file; ``None`` is none.

    Raises
    ------
    ValueError
    """
    if lists is None:
        return
    if type(lists) is not InvertedLists or set(vars(lists)) != set(InvertedLists.__annotations__):
        raise ValueError("its index is none")
    n_lists = len(lists.starts_) - 1 if isinstance(lists.starts_, np.ndarray) and lists.starts_.ndim else 0
    check_array(lists.centres_, (n_lists, width), "centres_")
    starts = check_array(lists.starts_, (n_lists + 1,), "starts_", np.signedinteger)
    order = check_array(lists.order_, (n_rows,), "order_", np.signedinteger)
    if starts[0] != 0 or starts[-1] != n_rows or (np.diff(starts) < 0).any():
        raise ValueError("its lists do not hold all rows")
    if order.min() < 0 or order.max() >= n_rows or not (np.bincount(order, minlength=n_rows) == 1).all():
        raise ValueError("its lists do not hold each row once")
    for name, most in (("n_probe_", n_lists), ("n_tried_", n_rows)):
        if type(getattr(lists, name)) is not int or not 1 <= getattr(lists, name) <= most:
            raise ValueError(f"its {name} is not from 1 to {most}")
    if type(lists.recall_) is not float or not 0 <= lists.recall_ <= 1:
        raise ValueError("its recall_ is no share")


def _imported() -> Any:
    """Import FAISS, if it is there."""
    try:
        with warnings.catch_warnings():  # of what wraps it
            warnings.simplefilter("ignore", DeprecationWarning)
            import faiss
    except ImportError:
        return None
    return faiss


def _single(directions: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(directions, np.float32)


def _add(sums: NDArray[np.float64], which: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
    """Add rows to the sums of their lists."""
    order = np.argsort(which, kind="stable")
    found, starts = np.unique(which[order], return_index=True)
    sums[found] += np.add.reduceat(rows[order], starts, axis=0, dtype=np.float64)


def _nearest(searched: Searched, queries: NDArray[np.float32], own: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the nearest rows of some of them, themselves left out, by looking at all: shape (n_queries, n_neighbors)."""
    found = np.zeros((len(queries), 0), np.int64)
    cosines = np.zeros((len(queries), 0), np.float32)
    for block in blocks(searched.n_rows, len(queries), _NUMBERS):
        here = queries @ _single(searched.directions(block)).T
        inside = np.flatnonzero((own >= block.start) & (own < block.stop))
        here[inside, own[inside] - block.start] = -np.inf
        best = _largest(here, searched.n_neighbors)
        cosines = np.hstack([cosines, np.take_along_axis(here, best, 1)])
        found = np.hstack([found, best + block.start])
        best = _largest(cosines, searched.n_neighbors)
        cosines, found = np.take_along_axis(cosines, best, 1), np.take_along_axis(found, best, 1)
    return found


def _largest(numbers: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    """Return where the n largest of each row are, or all."""
    n = min(n, numbers.shape[1])
    return np.argpartition(numbers, -n, axis=1)[:, -n:]


def _ranks(means: NDArray[np.float32], lists: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many lists come before some, for each query: shape (n_queries, n_neighbors)."""
    theirs = np.take_along_axis(means, lists, 1)
    return np.stack([(means > one[:, None]).sum(axis=1) for one in theirs.T], axis=1)
