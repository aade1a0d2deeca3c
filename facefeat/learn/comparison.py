"""What a comparison found: one record, from which the table, the page and the JSON are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat.learn.calibration import Calibration
from facefeat.learn.metrics import Share
from facefeat.learn.openset import OpenSet, Trials
from facefeat.learn.splits import Folds
from facefeat.learn.statistics import Difference, Posterior

SIGNIFICANT = 0.05  # a difference that chance makes more often than this cannot be told from none


@dataclass(frozen=True)
class Versus:
    """A row against the best one.

    Attributes
    ----------
    difference : Difference
        Best less this, fold by fold; Nadeau and Bengio's corrected resampled t-test.
    p_value : float
        Of that test, adjusted for all rows by Holm.
    posterior : Posterior
        How likely this row is worse, practically the same (within a point) or better.
    """

    difference: Difference
    p_value: float
    posterior: Posterior


@dataclass(frozen=True)
class Benefit:
    """What augmented copies bring a row, on the same folds.

    Attributes
    ----------
    without : Share
        Its accuracy where only pictures train.
    difference : Difference
        With copies less without, fold by fold; Nadeau and Bengio's corrected resampled t-test.
    """

    without: Share
    difference: Difference


@dataclass(frozen=True)
class TestScore:
    """A row, fitted on all pictures, on a test set.

    Attributes
    ----------
    accuracy : Share
    without_leaks : Share
        On the pictures that have no copy and no near copy among those that trained.
    p_value : float
        That it is right as often as the best row is, by McNemar's exact test; adjusted by Holm. 1 for the best itself.
    """

    accuracy: Share
    without_leaks: Share
    p_value: float


@dataclass(frozen=True)
class TestSet:
    """The pictures of ``--test``.

    Attributes
    ----------
    path : str
    n_images, n_people : int
        Of people that train.
    n_others : int
        Pictures of people that do not train; left out.
    n_failures : int
        Pictures that could not be read, of people that train; each counts as named wrong.
    leaks, near_leaks : int
        Byte for byte among those that trained; others of which there is a near copy.
    """

    path: str
    n_images: int
    n_people: int
    n_others: int
    n_failures: int
    leaks: int
    near_leaks: int


@dataclass(frozen=True, eq=False)  # two rows are never the same one by their figures
class Row:
    """One head on one layer.

    Attributes
    ----------
    head, layer : str
        For a baseline, its name and ``''``.
    accuracy : Share
        Of the pictures that were tested, each by a head that did not see it; Wilson's interval.
    balanced_accuracy, macro_f1 : Share
        With the corrected t interval of their means over folds.
    cmc : tuple of float
        Share of pictures whose own person is among the first k, for k from 1 to 10 at most.
    fit_seconds : float
        Median over folds. What heads share, such as the scaling, is done once a fold and counted for each that used
        it.
    predict_ms : float
        For one picture's vector, within a batch; median over folds.
    named : ndarray of shape (n_repeats, n_tested), int32
        Who each tested picture was taken for, rows in the order of ``Folds.tested``.
    by_fold : ndarray of shape (n_splits,), float64
        Accuracies.
    calibration : Calibration or None
        ``None`` for baselines.
    open_set : OpenSet or None
        ``None`` where strangers could not be measured.
    versus : Versus or None
        Against the best row; ``None`` for the best itself, and with a single fold.
    test : TestScore or None
        ``None`` without a test set.
    benefit : Benefit or None
        ``None`` without augmented copies, or where the head could not be fitted without them.
    """

    head: str
    layer: str
    accuracy: Share
    balanced_accuracy: Share
    macro_f1: Share
    cmc: tuple[float, ...]
    fit_seconds: float
    predict_ms: float
    named: NDArray[np.int32]
    by_fold: NDArray[np.float64]
    calibration: Calibration | None = None
    open_set: OpenSet | None = None
    versus: Versus | None = None
    test: TestScore | None = None
    benefit: Benefit | None = None

    @property
    def tied(self) -> bool:
        """Whether the row is the best, or cannot be told from it by these folds."""
        return self.versus is None or self.versus.p_value >= SIGNIFICANT


@dataclass(frozen=True)
class Mistake:
    """A picture that the best row named wrong; row numbers of the feature file.

    Attributes
    ----------
    row : int
    named : int
        Index into the people.
    nearest_named, nearest_own : int
        The training pictures most like it, of the person named and of its own; -1 where there is none.
    """

    row: int
    named: int
    nearest_named: int
    nearest_own: int


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found.

    Attributes
    ----------
    rows : tuple of Row
        Best first.
    baselines : tuple of Row
    failed : tuple of (head, layer, sentence)
    left_out : tuple of (head, layer, seconds)
        What nobody named and would take too long on one core, for all folds; a baseline has the layer ``''``.
    n_people, n_images, n_tested : int
    n_augmented, n_each : int
        Augmented copies that train beside the pictures, and how many each picture has at most.
    copies, near_copies : int
        Pictures that are copies of another byte for byte, and others that are nearly so.
    with_leaks : Share or None
        The accuracy of the best row, had copies and near copies been dealt like other pictures; ``None`` where there
        are none.
    folds : Folds
    trials : Trials or None
        How people were held out as strangers; ``None`` where nobody could be.
    test : TestSet or None
    mistakes : tuple of Mistake
        Of the best row, in its first repeat.
    seconds : float
        For all of it.
    backbone : str
        Whose vectors they are.
    """

    rows: tuple[Row, ...]
    baselines: tuple[Row, ...]
    failed: tuple[tuple[str, str, str], ...]
    left_out: tuple[tuple[str, str, float], ...]
    n_people: int
    n_images: int
    n_tested: int
    n_augmented: int
    n_each: int
    copies: int
    near_copies: int
    with_leaks: Share | None
    folds: Folds
    trials: Trials | None
    test: TestSet | None
    mistakes: tuple[Mistake, ...]
    seconds: float
    backbone: str

    @property
    def best(self) -> Row:
        """The first row."""
        return self.rows[0]

    @property
    def tied(self) -> tuple[Row, ...]:
        """Other rows that cannot be told from the best."""
        return tuple(row for row in self.rows[1:] if row.tied)
