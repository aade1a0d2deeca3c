"""How far an exported model agrees with the model it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facefeat.learn.bundle import Bundle
from facefeat.learn.calibration import logits, probabilities
from facefeat.learn.naming import namings
from facefeat.learn.unknown import similarities
from facefeat.tune.network import BEST, PROBABILITY, SCORE, SIMILARITY

Answers = dict[str, NDArray[np.generic]]


@dataclass
class Agreement:
    """What is found when both name the same faces.

    Attributes
    ----------
    tolerance : float
        How far scores may be off.
    n_faces : int
    differences : dict of str to float
        The largest, by output; of ``score`` as a share of scores that are larger than 1.
    renamed : int
        Faces that get another best, or a name instead of unknown, or the other way round.
    undecided : int
        Faces of which both say another, but which lie nearer to the border than the tolerance.
    """

    tolerance: float
    n_faces: int = 0
    differences: dict[str, float] = field(default_factory=dict)
    renamed: int = 0
    undecided: int = 0

    @property
    def max_difference(self) -> float:
        """The largest of all outputs; infinite where one is no number."""
        return max(self.differences.values(), default=0.0)

    @property
    def holds(self) -> bool:
        """Whether all scores are near enough, and all names the same."""
        return self.max_difference <= self.tolerance and not self.renamed

    def add(self, bundle: Bundle, found: Answers, expected: Answers) -> None:
        """Compare answers for some faces, each an array by output."""
        self.n_faces += len(expected[BEST])
        for name in expected.keys() - {BEST}:
            largest = float(np.max(_distance(name, found[name], expected[name]), initial=0.0))
            known = self.differences.get(name, 0.0)
            self.differences[name] = max(known, largest) if np.isfinite(largest) else np.inf
        for mine, theirs in zip(_rows(found), _rows(expected), strict=True):
            if _name(bundle, mine) != _name(bundle, theirs):
                near = _near(bundle, mine, theirs, self.tolerance)
                self.undecided, self.renamed = self.undecided + near, self.renamed + (not near)


def answers(bundle: Bundle, X: NDArray[np.float32]) -> Answers:
    """Return what a model says of vectors, as its export is to say it.

    Parameters
    ----------
    bundle : Bundle
    X : ndarray of shape (n_faces, n_features), float32

    Returns
    -------
    dict of str to ndarray
        The outputs of ``facefeat.tune.network.build``.
    """
    scores = logits(bundle.estimator, X)
    known = bundle.confidence
    return {
        BEST: np.array([bundle.people.index(naming.best) for naming in namings(bundle, X, 1)]),
        SIMILARITY: similarities(bundle.unknown, X),
        **({PROBABILITY: probabilities(scores, known.temperature)} if known else {SCORE: scores}),
    }


def _distance(name: str, found: NDArray[np.generic], expected: NDArray[np.generic]) -> NDArray[np.float64]:
    mine, theirs = (np.asarray(one, np.float64) for one in (found, expected))
    return np.abs(mine - theirs) / (np.maximum(np.abs(theirs), 1) if name == SCORE else 1)


def _rows(found: Answers) -> Iterable[Answers]:
    return ({name: one[i] for name, one in found.items()} for i in range(len(found[BEST])))


def _name(bundle: Bundle, row: Answers) -> tuple[int, bool]:
    """Return who is the best for one face, and whether a reader of the file names them."""
    best = int(row[BEST])
    return best, bool(row[SIMILARITY][best] >= bundle.threshold.value)


def _near(bundle: Bundle, mine: Answers, theirs: Answers, tolerance: float) -> bool:
    """Tell whether a face lies so near to a border that its name is not decided: the threshold's, or two persons'."""
    first, second = int(mine[BEST]), int(theirs[BEST])
    if first == second:
        return bool(abs(theirs[SIMILARITY][first] - bundle.threshold.value) <= tolerance)
    name = PROBABILITY if PROBABILITY in theirs else SCORE
    scores = np.asarray(theirs[name], np.float64)
    return bool(abs(scores[first] - scores[second]) <= tolerance * max(1.0, abs(scores[second])))
