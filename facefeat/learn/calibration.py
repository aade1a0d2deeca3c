"""Probabilities from a head's scores, and how far they mean what they say.

Scores are divided by one temperature and put through a softmax (C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On
Calibration of Modern Neural Networks", ICML 2017). The temperature is chosen on pictures that did not train the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._estimator import softmax
from facefeat.learn.head import decision_scores
from facefeat.learn.metrics import Share, wilson

BINS = 15  # of equal width, as in the paper
LEAST = 1e-6  # a probability of none, so that it has a logarithm
_RANGE = (-12.0, 12.0)  # of the temperature's logarithm


@dataclass(frozen=True)
class Bin:
    """Pictures whose probability lies between two tenths or so.

    Attributes
    ----------
    low, high : float
        Edges.
    n : int
    probability : float
        Mean of what was said.
    right : Share
        What was so.
    """

    low: float
    high: float
    n: int
    probability: float
    right: Share


@dataclass(frozen=True)
class Calibration:
    """How far probabilities mean what they say, on pictures that chose neither head nor temperature.

    Attributes
    ----------
    temperature : float
        Chosen on all of these pictures.
    ece : float
        Expected calibration error: mean distance between what is said and what is so, over bins.
    brier : float
        Mean squared distance to the truth, summed over people: 0 to 2.
    n : int
        Pictures.
    bins : tuple of Bin
        Those that have pictures.
    """

    temperature: float
    ece: float
    brier: float
    n: int
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Confidence:
    """How a model's scores become probabilities, and how far those mean what they say.

    Attributes
    ----------
    temperature : float
        Positive.
    ece, brier : float
        See ``Calibration``.
    n : int
        Pictures that this was found on; none of them trained the head that scored it.
    """

    temperature: float
    ece: float
    brier: float
    n: int


def logits(estimator: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return scores whose softmax, at some temperature, is a probability; shape (n_images, n_classes).

    For a head that only has probabilities, their logarithms.
    """
    scores = decision_scores(estimator, X)
    return scores if hasattr(estimator, "decision_function") else np.log(np.maximum(scores, LEAST))


def probabilities(scores: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Return the probability of each person, shape (n_images, n_people)."""
    found: NDArray[np.float64] = softmax(np.asarray(scores, np.float64) / temperature)
    return found


def choose_temperature(scores: NDArray[Any], truth: NDArray[np.integer]) -> float:
    """Choose the temperature at which the truth is most likely.

    The truth counts as one picture short of certain, as in J. Platt's "Probabilistic Outputs for Support Vector
    Machines" (1999): were all pictures right, nothing would be too sure.

    Parameters
    ----------
    scores : ndarray of shape (n_images, n_people)
    truth : ndarray of shape (n_images,), int

    Returns
    -------
    float
        Positive; 1 where there is nothing to choose from.
    """
    from scipy.optimize import minimize_scalar

    n, n_people = scores.shape
    if not n or n_people < 2:
        return 1.0
    below = np.asarray(scores, np.float64)
    below = below - below.max(axis=1, keepdims=True)
    doubt = 1 / (n + 2)
    told = (1 - doubt) * below[np.arange(n), truth] + doubt * below.mean(axis=1)

    def surprise(power: float) -> float:
        factor = np.exp(-power)
        return float(np.mean(np.log(np.exp(below * factor).sum(axis=1)) - told * factor))

    return float(np.exp(minimize_scalar(surprise, bounds=_RANGE, method="bounded", options={"xatol": 1e-3}).x))


def calibrate(parts: Sequence[tuple[NDArray[Any], NDArray[np.integer]]]) -> Calibration | None:
    """Choose the temperature for the parts together, and measure each at the temperature of the others.

    Parameters
    ----------
    parts : sequence of (scores, truth)
        Of folds: scores of pictures that did not train, of shape (n_images, n_people), and whose they are.

    Returns
    -------
    Calibration or None
        ``None`` without two parts that have a picture.
    """
    parts = [part for part in parts if len(part[1])]
    if len(parts) < 2:
        return None
    said = []
    for number, (scores, _) in enumerate(parts):
        others = [part for i, part in enumerate(parts) if i != number]
        said.append(probabilities(scores, choose_temperature(*_together(others))))
    scores, truth = _together(parts)
    found = np.concatenate(said)
    error, bins = reliability(found.max(axis=1), found.argmax(axis=1) == truth)
    return Calibration(choose_temperature(scores, truth), error, brier(found, truth), len(truth), bins)


def reliability(said: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, tuple[Bin, ...]]:
    """Return the expected calibration error, and the bins that it is made of.

    Parameters
    ----------
    said : ndarray of shape (n_images,), float64
        Probability of the name given.
    right : ndarray of shape (n_images,), bool
    """
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.ceil(said * BINS).astype(int) - 1, 0, BINS - 1)  # upper edges belong to their bin
    bins = []
    for number in np.unique(place):
        mine = place == number
        n, mean = int(mine.sum()), float(said[mine].mean())
        bins.append(Bin(float(edges[number]), float(edges[number + 1]), n, mean, wilson(float(right[mine].mean()), n)))
    error = sum(one.n * abs(one.probability - one.right.mean) for one in bins) / len(said)
    return float(error), tuple(bins)


def brier(said: NDArray[np.float64], truth: NDArray[np.integer]) -> float:
    """Return the mean squared distance to the truth (G. W. Brier, Monthly Weather Review 78, 1950): 0 to 2."""
    wrong = said.copy()
    wrong[np.arange(len(truth)), truth] -= 1
    return float(np.mean(np.sum(wrong**2, axis=1)))


def _together(parts: Sequence[tuple[NDArray[Any], NDArray[np.integer]]]) -> tuple[NDArray[Any], NDArray[np.integer]]:
    scores, truth = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(truth)
