"""Whether two heads differ: tests for figures that come from the same folds, and from the same pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROPE = 0.01  # accuracies that lie nearer to each other are practically the same


@dataclass(frozen=True)
class Difference:
    """A mean difference over folds.

    Attributes
    ----------
    mean, low, high : float
        With its 95 % interval.
    p_value : float
        Two-sided.
    """

    mean: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Posterior:
    """How likely it is that the first of two heads is worse, practically the same, or better.

    Attributes
    ----------
    worse, same, better : float
        They add up to 1.
    """

    worse: float
    same: float
    better: float


def corrected_variance(differences: NDArray[np.float64], test_share: float) -> float:
    """Return the variance of a mean over folds that share training pictures.

    The plain variance is too small, since training sets overlap: C. Nadeau, Y. Bengio, "Inference for the
    Generalization Error", Machine Learning 52, 2003, add the ratio of test to training pictures.

    Parameters
    ----------
    differences : ndarray of shape (n_folds,), float64
    test_share : float
        Of tested pictures in each fold; a tenth for ten folds.

    Returns
    -------
    float
    """
    n = len(differences)
    return float((1 / n + test_share / (1 - test_share)) * np.var(differences, ddof=1)) if n > 1 else math.nan


def corrected_t(differences: ArrayLike, test_share: float) -> Difference:
    """Test whether a mean difference over folds is none, by the corrected resampled t-test.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Of the figures of two heads, fold by fold, all repeats together.
    test_share : float
        Of tested pictures in each fold.

    Returns
    -------
    Difference
        Without any variance: p is 1 where the mean is 0, else 0.
    """
    from scipy.stats import t

    found = np.asarray(differences, np.float64)
    mean, variance = float(found.mean()), corrected_variance(found, test_share)
    if not variance > 0:
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    error, freedom = math.sqrt(variance), len(found) - 1
    width = float(t.ppf(0.975, freedom)) * error
    return Difference(mean, mean - width, mean + width, float(2 * t.sf(abs(mean) / error, freedom)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of several tests, so that one false alarm among all is as rare as one alone would be.

    S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def posterior(differences: ArrayLike, test_share: float, rope: float = ROPE) -> Posterior:
    """Say how likely two heads are practically the same, by the Bayesian correlated t-test.

    G. Corani, A. Benavoli, "A Bayesian approach for comparing cross-validated algorithms on multiple data sets", Machine
    Learning 100, 2015: the posterior of the mean is Student's t around the observed one, with the corrected variance.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
    test_share : float
    rope : float, default=0.01
        Half the width of the region of practical equivalence.

    Returns
    -------
    Posterior
    """
    from scipy.stats import t

    found = np.asarray(differences, np.float64)
    mean, variance = float(found.mean()), corrected_variance(found, test_share)
    if not variance > 0:
        return Posterior(float(mean < -rope), float(abs(mean) <= rope), float(mean > rope))
    below, above = (float(t.cdf(edge, len(found) - 1, mean, math.sqrt(variance))) for edge in (-rope, rope))
    return Posterior(below, above - below, 1 - above)


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> float:
    """Test whether two heads are right equally often on the same pictures, exactly.

    Q. McNemar, Psychometrika 12, 1947; of the pictures on which only one is right, each is so for half by chance.

    Parameters
    ----------
    first_right, second_right : array-like of shape (n_images,), bool

    Returns
    -------
    float
        Two-sided p-value; 1 where they never differ.
    """
    from scipy.stats import binomtest

    one, other = np.asarray(first_right, bool), np.asarray(second_right, bool)
    only_one, only_other = int(np.sum(one & ~other)), int(np.sum(other & ~one))
    return float(binomtest(only_one, only_one + only_other).pvalue) if only_one + only_other else 1.0
