"""Error rates at a threshold, by the words of ISO/IEC 19795-1.

Scores are similarities: a comparison at or over the threshold is a match. *Mated* scores are of one person, *non-mated* ones
of two; in identification, non-mated scores are those of strangers against the person that they are most like. No score is
NaN or plus infinity. A rate of no scores at all is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefeat.errors import InputError, UsageError
from facefeat.learn.metrics import Share, wilson


@dataclass(frozen=True)
class Curve:
    """The trade-off between the two kinds of errors (DET).

    Attributes
    ----------
    thresholds : ndarray of shape (n,), float64
        Falling; the first is above every score.
    false_positive : ndarray of shape (n,), float64
        Share of non-mated scores at or over each threshold: FMR, or FPIR in identification.
    false_negative : ndarray of shape (n,), float64
        Share of mated scores under it: FNMR, or FNIR.
    """

    thresholds: NDArray[np.float64]
    false_positive: NDArray[np.float64]
    false_negative: NDArray[np.float64]


def measurable(n: int, rate: float) -> bool:
    """Tell whether a rate can be told from none by n trials.

    By the rule of three (J. A. Hanley, A. Lippman-Hand, JAMA 249, 1983): with no error in n trials the rate is, with
    95 % confidence, at most 3 / n.

    Examples
    --------
    >>> measurable(300, 0.01), measurable(299, 0.01)
    (True, False)
    """
    return n * rate >= 3 - 1e-9


def threshold_for(nonmated: ArrayLike, rate: float) -> float:
    """Return the lowest threshold that at most a share of the non-mated scores reaches.

    Parameters
    ----------
    nonmated : array-like of shape (n,)
        At least one.
    rate : float
        From 0 to 1.

    Returns
    -------
    float
        Right above a score, or, where all may reach it, right under all of them.

    Raises
    ------
    UsageError
        If the rate is not from 0 to 1.
    InputError
        Without any score.

    Examples
    --------
    >>> round(threshold_for([0.1, 0.2, 0.3, 0.4], 0.25), 6)
    0.3
    """
    if not 0 <= rate <= 1:
        raise UsageError(f"A rate is a share from 0 to 1; this is {rate}.")
    scores = np.sort(np.asarray(nonmated, np.float64))[::-1]
    if not len(scores):
        raise InputError("A threshold for a rate needs non-mated scores, at least one; there is none.")
    allowed = int(np.floor(rate * len(scores) + 1e-9))
    if allowed >= len(scores):
        return float(np.nextafter(scores[-1], -np.inf))
    return float(np.nextafter(scores[allowed], np.inf))


def best_threshold(scores: NDArray[np.float64], mated: NDArray[np.bool_]) -> float:
    """Return the threshold by which most pairs are decided right; of several the middle one.

    Parameters
    ----------
    scores : ndarray of shape (n_pairs,)
    mated : ndarray of shape (n_pairs,), bool

    Returns
    -------
    float
        Midway between two scores, or at the lowest, or right above the highest.

    Examples
    --------
    >>> float(best_threshold(np.array([0.1, 0.2, 0.6, 0.8]), np.array([False, False, True, True])))
    0.4
    """
    order = np.argsort(scores, kind="stable")
    ordered, yes = scores[order], mated[order]
    before = np.concatenate([[0], np.cumsum(~yes)])  # right under a cut before each score, and after the last
    right = before + np.concatenate([np.cumsum(yes[::-1])[::-1], [0]])
    allowed = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    best = np.flatnonzero(allowed & (right == right[allowed].max()))
    cut = int(best[(len(best) - 1) // 2])
    if cut == 0:
        return float(ordered[0])
    above = float(np.nextafter(ordered[cut - 1], np.inf))
    return max(float(ordered[cut - 1] + ordered[cut]) / 2, above) if cut < len(ordered) else above


def reached(scores: ArrayLike, threshold: float) -> float:
    """Return the share of scores at or over a threshold; NaN for none."""
    found = np.asarray(scores, np.float64)
    return float(np.mean(found >= threshold)) if len(found) else float("nan")


def det(nonmated: ArrayLike, mated: ArrayLike) -> Curve:
    """Return both error rates at every threshold that changes one of them.

    Parameters
    ----------
    nonmated : array-like of shape (n_nonmated,)
    mated : array-like of shape (n_mated,)
        Of a known face that is given another's name: minus infinity, since no threshold makes that right.

    Returns
    -------
    Curve
    """
    no, yes = np.sort(np.asarray(nonmated, np.float64)), np.sort(np.asarray(mated, np.float64))
    steps = np.unique(np.concatenate([no, yes]))[::-1]
    thresholds = np.concatenate([[np.inf], steps[np.isfinite(steps)]])
    under = np.searchsorted(no, thresholds, side="left")
    missed = np.searchsorted(yes, thresholds, side="left")
    return Curve(thresholds, _shares(len(no) - under, len(no)), _shares(missed, len(yes)))


def _shares(counts: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    return counts / n if n else np.full(len(counts), np.nan)


def false_negative_at(curve: Curve, rate: float) -> float:
    """Return the lowest false negative rate at which the false positive rate is at most ``rate``."""
    allowed = curve.false_positive <= rate + 1e-12
    return float(curve.false_negative[allowed].min()) if np.any(allowed) else float("nan")


def equal_error_rate(curve: Curve) -> float:
    """Return the rate at which both kinds of errors are as frequent; between two thresholds, by a straight line."""
    gap = curve.false_positive - curve.false_negative  # rises, from -1 above every score
    if not np.any(gap >= 0):
        return float(np.maximum(curve.false_positive[-1], curve.false_negative[-1]))
    after = int(np.argmax(gap >= 0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    low, high = curve.false_negative[after - 1], curve.false_negative[after]
    return float(low + share * (high - low))


def auroc(nonmated: ArrayLike, mated: ArrayLike) -> float:
    """Return the share of pairs of a mated and a non-mated score of which the mated one is higher; ties count half."""
    from scipy.stats import rankdata

    no, yes = np.asarray(nonmated, np.float64), np.asarray(mated, np.float64)
    if not len(no) or not len(yes):
        return float("nan")
    ranks = rankdata(np.concatenate([no, yes]))
    return float((ranks[len(no) :].sum() - len(yes) * (len(yes) + 1) / 2) / (len(no) * len(yes)))


def cmc(ranks: ArrayLike, most: int = 10) -> NDArray[np.float64]:
    """Return the cumulative match characteristic: the share of probes whose own person is among the first k.

    Parameters
    ----------
    ranks : array-like of shape (n,), int
        Of each probe's own person, from 1; 0 where it was not ranked at all.
    most : int, default=10
        The largest k.

    Returns
    -------
    ndarray of shape (most,), float64
        For k from 1; the first is rank-1, the accuracy of naming.
    """
    found = np.asarray(ranks, np.int64)
    first = np.array([np.sum((found >= 1) & (found <= k)) for k in range(1, most + 1)])
    return _shares(first, len(found))


def expected_threshold(nonmated: ArrayLike, rate: float) -> float:
    """Return the threshold that the next non-mated score is expected to reach with a probability of ``rate``.

    The quantile of W. Weibull's plotting positions (E. J. Gumbel, "Statistics of Extremes", 1958): of n scores that can
    be exchanged with the next one, it exceeds the k-th largest with a probability of k / (n + 1). Where even
    the largest is exceeded more often than that, it is right above the largest.

    Examples
    --------
    >>> round(expected_threshold([0.1, 0.2, 0.3], 0.25), 6), round(expected_threshold([0.1, 0.2, 0.3], 0.5), 6)
    (0.3, 0.2)
    """
    return float(np.nextafter(np.quantile(np.asarray(nonmated, np.float64), 1 - rate, method="weibull"), np.inf))


def design_effect(scores: NDArray[np.float64], person: NDArray[np.integer]) -> float:
    """Return how many times as many pictures are needed since those of one person are alike.

    1 + (m - 1) times the intraclass correlation of the scores by analysis of variance, m being the mean number of
    pictures weighted by itself (L. Kish, "Survey Sampling", 1965, chapter 5).

    Parameters
    ----------
    scores : ndarray of shape (n,), float64
    person : ndarray of shape (n,), int

    Returns
    -------
    float
        At least 1; the number of pictures a person where all of theirs score the same.
    """
    _, index, counts = np.unique(person, return_inverse=True, return_counts=True)
    n, n_people = len(scores), len(counts)
    if n_people < 2 or n == n_people:
        return 1.0 if n_people > 1 else float(max(n, 1))
    means = np.bincount(index, scores) / counts
    between = float(counts @ (means - scores.mean()) ** 2) / (n_people - 1)
    inside = float(np.sum((scores - means[index]) ** 2)) / (n - n_people)
    usual = (n - float(counts @ counts) / n) / (n_people - 1)
    if not between + inside > 0:
        return 1.0
    correlation = max(0.0, (between - inside) / (between + (usual - 1) * inside))
    return 1 + (float(counts @ counts) / n - 1) * correlation


def clustered(share: float, scores: NDArray[np.float64], person: NDArray[np.integer]) -> Share:
    """Return a share of pictures with Wilson's interval for as many as there would be if those of a person were not alike.

    Parameters
    ----------
    share : float
    scores : ndarray of shape (n,), float64
        Of the pictures, by which it is seen how alike those of one person are; see ``design_effect``.
    person : ndarray of shape (n,), int

    Returns
    -------
    Share
    """
    return wilson(share, max(1, round(len(scores) / design_effect(scores, person))))
