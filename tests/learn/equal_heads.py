"""Pairs of heads that are equally right in truth, each on a table of its own: what a test finds there is a false alarm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.learn.splits import folds

PEOPLE, PICTURES, HALF = 40, 10, 10  # people, pictures of each, and features that each head reads
APART = (
    1.6  # standard deviation of people's means, in that of a person's pictures: both heads are right for nine in ten
)


@dataclass(frozen=True)
class Pair:
    """Which pictures two heads named right.

    Attributes
    ----------
    first, second : ndarray of shape (repeats, n_images), bool
    shares : ndarray of shape (n_folds * repeats, 2), float64
        Accuracy of both in each fold.
    """

    first: NDArray[np.bool_]
    second: NDArray[np.bool_]
    shares: NDArray[np.float64]

    @property
    def differences(self) -> NDArray[np.float64]:
        """Accuracy of the first less that of the second, fold by fold."""
        return self.shares[:, 0] - self.shares[:, 1]


def equal_pair(seed: int, n_folds: int, repeats: int = 1, only_on_average: bool = False) -> Pair:
    """Cross-validate two heads that are different but equal: the nearest mean of a person, on one half of the features each.

    People are Gaussian clusters. In the second half they stand where they stand in the first, with their places dealt anew:
    the two heads see other numbers and confuse other people, and are right as often.

    Parameters
    ----------
    seed : int
        Of the table and of the folds.
    n_folds, repeats : int
    only_on_average : bool, default=False
        Place people anew in the second half. Then one head is better for these people, and the other for others.

    Returns
    -------
    Pair
    """
    X, y = _table(np.random.default_rng(seed), only_on_average)
    names = tuple(f"p{person}" for person in range(PEOPLE))
    cut = folds(y, np.arange(len(y)), names, n_folds=n_folds, repeats=repeats, random_state=seed)
    right = np.zeros((2, repeats, len(y)), bool)
    shares = []
    for repeat, (train, test) in zip(cut.repeat_of, cut.splits, strict=True):
        for head, half in enumerate((X[:, :HALF], X[:, HALF:])):
            right[head, repeat, test] = _nearest_mean(half[train], y[train], half[test]) == y[test]
        shares.append(right[:, repeat, test].mean(axis=1))
    return Pair(right[0], right[1], np.array(shares))


def _table(rng: np.random.Generator, only_on_average: bool) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    means = rng.normal(0, APART, (PEOPLE, HALF))
    others = rng.normal(0, APART, (PEOPLE, HALF)) if only_on_average else rng.permutation(means)
    y = np.repeat(np.arange(PEOPLE, dtype=np.int32), PICTURES)
    return np.hstack([means, others])[y] + rng.normal(0, 1, (len(y), 2 * HALF)), y


def _nearest_mean(X: NDArray[np.float64], y: NDArray[np.int32], queries: NDArray[np.float64]) -> NDArray[np.intp]:
    members = y == np.arange(PEOPLE)[:, None]
    means = members @ X / members.sum(axis=1, keepdims=True)
    named: NDArray[np.intp] = np.argmin(np.sum(means**2, axis=1) - 2 * queries @ means.T, axis=1)
    return named
