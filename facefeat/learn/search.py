"""Heads that look for the nearest of their rows: where these are very many, only at a few of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from facefeat.heads import _lists
from facefeat.heads._lists import InvertedLists, Searched
from facefeat.learn import head as heads
from facefeat.learn.head import Head


class SearchingHead(Head, Protocol):
    """A head that looks for the nearest of its rows.

    The classifier that it fits has an attribute ``index_``, ``None`` unless it is told otherwise, and reads it.
    """

    def searched(self, classifier: Any) -> Searched:
        """Return what the last step of a fitted pipeline looks for the nearest of."""


@dataclass(frozen=True)
class Search:
    """How a model looks for the nearest of very many rows.

    Attributes
    ----------
    n_rows : int
        The head's: pictures, or people.
    n_lists, n_probe : int
        Into which rows were put, and that are looked into; 0 where all rows are looked at.
    recall : float or None
        Share of the nearest rows that are found so, of ``n_tried`` rows that chose neither.
    n_tried : int
    """

    n_rows: int
    n_lists: int = 0
    n_probe: int = 0
    recall: float | None = None
    n_tried: int = 0


def give_index(head: str, estimator: Any) -> None:
    """Have a fitted head look at few of its rows, if they are very many and FAISS is there.

    Parameters
    ----------
    head : str
    estimator : Pipeline
        Fitted; changed in place.
    """
    searched = _searched(head, estimator)
    if searched is not None:
        estimator[-1].index_ = InvertedLists.of(searched)


def take_index(estimator: Any) -> None:
    """Have a fitted head look at all of its rows."""
    if getattr(estimator[-1], "index_", None) is not None:
        estimator[-1].index_ = None


def search_of(head: str, estimator: Any) -> Search | None:
    """Tell how a fitted head looks for the nearest of its rows; ``None`` where these are not very many, or nothing is looked for."""
    searched = _searched(head, estimator)
    if searched is None:
        return None
    index = getattr(estimator[-1], "index_", None)
    if index is None:
        return Search(searched.n_rows)
    return Search(searched.n_rows, len(index.centres_), index.n_probe_, index.recall_, index.n_tried_)


def _searched(head: str, estimator: Any) -> Searched | None:
    if not hasattr(heads.get(head), "searched"):
        return None
    searched = cast(SearchingHead, heads.get(head)).searched(estimator[-1])
    return searched if searched.n_rows > _lists.MANY else None
