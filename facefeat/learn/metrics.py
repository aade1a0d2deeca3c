"""Figures of merit, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Share:
    """A share of pictures, with its 95 % interval.

    Attributes
    ----------
    mean, low, high : float
        From 0 to 1.
    """

    mean: float
    low: float
    high: float


def wilson(share: float, n: int, confidence: float = 0.95) -> Share:
    """Return a share with its score interval (E. B. Wilson, J. Amer. Statist. Assoc. 22, 1927).

    Parameters
    ----------
    share : float
        From 0 to 1; need not be a whole number of n, as for the mean of several runs over the same pictures.
    n : int
        Number of different pictures.
    confidence : float, default=0.95

    Returns
    -------
    Share

    Examples
    --------
    >>> wilson(1.0, 400)
    Share(mean=1.0, low=0.9904877, high=1.0)
    """
    if n == 0:
        return Share(float("nan"), 0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if share == 0 else round(max(0.0, middle - half), 7)
    high = 1.0 if share == 1 else round(min(1.0, middle + half), 7)
    return Share(float(share), low, high)


def balanced_accuracy(truth: NDArray[Any], named: NDArray[Any]) -> float:
    """Return the mean over people of the share of their pictures that were named right."""
    people, index = np.unique(truth, return_inverse=True)
    right = np.bincount(index, weights=truth == named, minlength=len(people))
    return float(np.mean(right / np.bincount(index)))


def macro_f1(truth: NDArray[Any], named: NDArray[Any]) -> float:
    """Return the mean over people of the harmonic mean of precision and recall."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, named, average="macro", labels=np.unique(truth), zero_division=0))
