"""Whether two heads differ: tests for figures that come from the same folds, and from the same pictures.

Figures are shares, from 0 to 1. A difference that is NaN makes all that follows from it NaN, never a finding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

ROPE = 0.01  # accuracies that lie nearer to each other are practically the same
Z_95 = NormalDist().inv_cdf(0.975)
DIGITS = 12  # of a figure; what lies beyond comes from the order in which numbers are added up


@dataclass(frozen=True)
class Difference:
    """A mean difference over folds.

    Attributes
    ----------
    mean, low, high : float
        With its 95 % interval, within -1 and 1.
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


def corrected_variance(differences: ArrayLike, test_share: float) -> float:
    """Return the variance of a mean over folds that share training pictures.

    The plain variance is too small, since training sets overlap: C. Nadeau, Y. Bengio, "Inference for the
    Generalization Error", Machine Learning 52, 2003, add the ratio of test to training pictures.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        At least one.
    test_share : float
        Of tested pictures in each fold; a tenth for ten folds.

    Returns
    -------
    float
        0 where all folds agree; infinite where that says nothing: with one fold, or with two, which often agree by
        chance.
    """
    found = np.round(np.asarray(differences, np.float64), DIGITS)
    n = len(found)
    if n == 1 or np.ptp(found) == 0:
        return 0.0 if n > 2 else math.inf
    return float((1 / n + test_share / (1 - test_share)) * np.var(found, ddof=1))


def _student(differences: ArrayLike, test_share: float) -> tuple[float, float, int]:
    """Return mean, standard error and degrees of freedom of the mean over folds."""
    mean = round(float(np.mean(np.asarray(differences, np.float64))), DIGITS)
    return mean, math.sqrt(corrected_variance(differences, test_share)), max(np.size(differences) - 1, 1)


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
        Without any variance: p is 1 where the mean is 0, else 0. With one fold, or two that agree, nothing can be
        told: p is 1, and the interval reaches from -1 to 1.
    """
    from scipy.stats import t

    mean, error, freedom = _student(differences, test_share)
    if error == 0:
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    width = float(t.ppf(0.975, freedom)) * error
    low, high = (float(np.clip(edge, -1, 1)) for edge in (mean - width, mean + width))
    return Difference(mean, low, high, float(2 * t.sf(abs(mean) / error, freedom)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of several tests, so that one false alarm among all is as rare as one alone would be.

    S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979. A
    p-value that is NaN stays so and does not count.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    found = np.asarray(p_values, np.float64)
    order = np.argsort(found, kind="stable")[: int(np.sum(~np.isnan(found)))]  # NaN sorts last
    raised = np.maximum.accumulate(found[order] * np.arange(len(order), 0, -1))
    adjusted = np.full(len(found), np.nan)
    adjusted[order] = np.minimum(raised, 1)
    return [float(p) for p in adjusted]


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
        With one fold, or two that agree, nothing can be told: worse and better are even.
    """
    from scipy.stats import t

    mean, error, freedom = _student(differences, test_share)
    if error == 0:
        return Posterior(float(mean < -rope), float(abs(mean) <= rope), float(mean > rope))
    worse = float(t.cdf((-rope - mean) / error, freedom))
    better = float(t.sf((rope - mean) / error, freedom))
    return Posterior(worse, float(np.clip(1 - worse - better, 0, 1)), better)


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


def matched_difference(first_right: ArrayLike, second_right: ArrayLike) -> Difference:
    """Return how much oftener one is right than another on the same pictures.

    The interval is that of A. Agresti, Y. Min, "Simple improved confidence intervals for comparing matched proportions",
    Statistics in Medicine 24, 2005: Wald's, with half a picture more in each cell of the table.

    Parameters
    ----------
    first_right, second_right : array-like of shape (n_images,), bool

    Returns
    -------
    Difference
        First less second; the p-value is that of ``mcnemar``.
    """
    one, other = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if not len(one):
        return Difference(math.nan, -1.0, 1.0, 1.0)
    n, b, c = len(one) + 2, np.sum(one & ~other) + 0.5, np.sum(other & ~one) + 0.5
    middle = (b - c) / n
    half = Z_95 / n * math.sqrt(b + c - (b - c) ** 2 / n)
    low, high = (float(np.clip(edge, -1, 1)) for edge in (middle - half, middle + half))
    return Difference(float(np.mean(one)) - float(np.mean(other)), low, high, mcnemar(one, other))
