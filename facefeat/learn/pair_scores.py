"""Scores of pairs of faces, decisions by a threshold of other folds, and the trade-off between the two kinds of errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import DamagedFile, InputError, RecipeMismatch
from facefeat.heads._rows import blocks
from facefeat.heads._scaling import SignedRoot
from facefeat.learn import rates
from facefeat.learn.bundle import Bundle
from facefeat.learn.metrics import Share, wilson
from facefeat.learn.rates import Curve
from facefeat.learn.statistics import corrected_t
from facefeat.learn.unknown import directions


@dataclass(frozen=True)
class Decisions:
    """How many pairs are decided right.

    Attributes
    ----------
    accuracy : Share
        Mean over the folds; pairs that lack a picture are wrong.
    over_folds : bool
        Whether the interval is Student's t over the folds; else it is Wilson's over the pairs, since there is one fold,
        or all folds are equal.
    fold_accuracies, thresholds : tuple of float, length n_folds
        With one fold its threshold was chosen on the same pairs.
    """

    accuracy: Share
    over_folds: bool
    fold_accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class Rate:
    """How many pairs of one person are missed at a rate of false matches.

    Attributes
    ----------
    fmr : float
        Share of pairs of two people that may match (false match rate).
    fnmr : float or None
        Share of pairs of one person that do not (false non-match rate); ``None`` where too few pairs of two people
        can tell ``fmr`` from none.
    """

    fmr: float
    fnmr: float | None


@dataclass(frozen=True)
class TradeOff:
    """The two kinds of errors, over all pairs that were scored.

    Attributes
    ----------
    mated, nonmated : int
        Pairs of one person and of two.
    auroc, eer : float or None
        Area under the curve of both rates, and the rate at which they are equal; ``None`` where all pairs are of one kind.
    rates : tuple of Rate
        By falling false match rate.
    curve : Curve or None
        Both rates at every threshold.
    """

    mated: int
    nonmated: int
    auroc: float | None
    eer: float | None
    rates: tuple[Rate, ...]
    curve: Curve | None


def fold_scores(
    X: NDArray[np.float32], index: NDArray[np.int64], fold: NDArray[np.int64], n_folds: int, bundle: Bundle | None
) -> NDArray[np.float64]:
    """Score pairs as each fold sees them.

    Parameters
    ----------
    X : ndarray of shape (n_images, n_features), float32
    index : ndarray of shape (n_pairs, 2), int
        Rows of each pair.
    fold : ndarray of shape (n_pairs,), int
        From 0.
    n_folds : int
    bundle : Bundle or None
        A model in whose space faces are compared. Without one square roots are, less their mean over the pictures of the
        other folds.

    Returns
    -------
    ndarray of shape (n_folds, n_pairs), float64
        Cosines.
    """
    if bundle:
        return np.tile(_cosines(directions_of(bundle, X), index), (n_folds, 1))
    roots = SignedRoot().transform(X.astype(np.float64))
    return np.stack([_cosines(_centred(roots, index, fold, k, n_folds), index) for k in range(n_folds)])


def directions_of(bundle: Bundle, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return unit vectors whose products are the cosines of a model, which may come from anybody.

    Parameters
    ----------
    bundle : Bundle
    X : ndarray of shape (n_images, n_features), float32

    Returns
    -------
    ndarray of shape (n_images, n_features), float64

    Raises
    ------
    RecipeMismatch
        If the vectors are of another width than the model's.
    DamagedFile
        If the model has no finite number for a picture.
    """
    width = bundle.gallery.vectors.shape[1]
    if X.shape[1] != width:
        raise RecipeMismatch(f"The model takes vectors of {width} numbers, but these have {X.shape[1]}.")
    damaged = DamagedFile("The model gives no number for a face: it, or the vectors, are damaged.")
    try:
        with np.errstate(all="ignore"):
            found = directions(bundle.unknown, X)
    except ValueError as error:
        raise damaged from error
    if not np.isfinite(found).all():
        raise damaged
    return found


def _centred(
    roots: NDArray[np.float64], index: NDArray[np.int64], fold: NDArray[np.int64], k: int, n_folds: int
) -> NDArray[np.float64]:
    """Return the directions from the mean of the pictures that fold k does not use; of all where there is one fold."""
    others = np.setdiff1d(index, index[fold == k]) if n_folds > 1 else np.unique(index)
    moved = roots - roots[others].mean(axis=0) if len(others) else roots
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    unit: NDArray[np.float64] = moved / np.where(lengths > 0, lengths, 1)
    return unit


def _cosines(unit: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    parts = [
        np.einsum("nd,nd->n", unit[index[block, 0]], unit[index[block, 1]])
        for block in blocks(len(index), unit.shape[1])
    ]
    found: NDArray[np.float64] = np.clip(np.concatenate(parts), -1, 1)
    return found


def decide(scores: NDArray[np.float64], mated: NDArray[np.bool_], fold: NDArray[np.int64]) -> Decisions:
    """Decide each fold's pairs by the threshold that is best on the other folds; a single fold's by its own.

    Parameters
    ----------
    scores : ndarray of shape (n_folds, n_pairs)
        Of all pairs, as each fold sees them; NaN where a pair lacks a picture, which no decision makes right.
    mated : ndarray of shape (n_pairs,), bool
    fold : ndarray of shape (n_pairs,), int
        From 0.

    Returns
    -------
    Decisions

    Raises
    ------
    InputError
        If a fold's threshold has no pairs to be chosen on.
    """
    thresholds, right = [], np.zeros(len(mated), bool)
    for k, seen in enumerate(scores):
        mine = fold == k
        train = ~np.isnan(seen) & (~mine if len(scores) > 1 else mine)
        if not train.any():
            raise InputError(
                f"No threshold can be chosen for fold {k + 1}: every pair of the other folds lacks a picture."
            )
        thresholds.append(rates.best_threshold(seen[train], mated[train]))
        right[mine] = ((seen[mine] >= thresholds[-1]) == mated[mine]) & ~np.isnan(seen[mine])
    shares = [float(np.mean(right[fold == k])) for k in range(len(scores))]
    return Decisions(*_with_interval(shares, len(fold)), tuple(shares), tuple(thresholds))


def _with_interval(shares: list[float], n_pairs: int) -> tuple[Share, bool]:
    """Return the mean over folds with its interval, and whether that is Student's t over them."""
    mean = float(np.mean(shares))
    if len(set(shares)) < 2:
        return wilson(mean, n_pairs), False
    found = corrected_t(shares, test_share=0.0)  # folds share no pairs, and a threshold is all that was chosen
    return Share(mean, max(found.low, 0.0), min(found.high, 1.0)), True


def trade_off(scores: NDArray[np.float64], mated: NDArray[np.bool_], fmrs: tuple[float, ...]) -> TradeOff:
    """Measure the errors at all thresholds.

    Parameters
    ----------
    scores : ndarray of shape (n_pairs,)
    mated : ndarray of shape (n_pairs,), bool
    fmrs : tuple of float
        False match rates to look at.

    Returns
    -------
    TradeOff
    """
    yes, no = scores[mated], scores[~mated]
    if not len(yes) or not len(no):
        return TradeOff(len(yes), len(no), None, None, tuple(Rate(fmr, None) for fmr in fmrs), None)
    curve = rates.det(no, yes)
    known = tuple(
        Rate(fmr, rates.false_negative_at(curve, fmr) if rates.measurable(len(no), fmr) else None) for fmr in fmrs
    )
    return TradeOff(len(yes), len(no), rates.auroc(no, yes), rates.equal_error_rate(curve), known, curve)
