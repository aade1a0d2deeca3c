"""What is told of curves: where they are flat, where they rise, and who would gain most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from facefeat.learn.curves import Curve, Curves, Point, accuracy_of, gains, steps_of
from facefeat.learn.draws import Draws, deal
from facefeat.learn.metrics import Share, wilson
from facefeat.learn.openset import Rates
from facefeat.learn.statistics import corrected_t
from facefeat.report.howmany import sentences


def draws_of(test_share: float = 0.2, n: int = 50, left: Sequence[int] = ()) -> Draws:
    """Make draws of which only what judges figures is known."""
    draws = deal(np.repeat(np.arange(2, dtype=np.int32), n), np.arange(2 * n), counts=[1], repeats=20)
    has = np.array(left or [n] * 2)
    return Draws((1, 2, 5), draws.repeats, has + 1, has, draws.parts, test_share, 0)


def curve_of(*by_repeat: Sequence[float]) -> Curve:
    draws = draws_of()
    points = [
        Point(n, accuracy_of(np.array(shares), draws), np.array(shares), {0.01: None, 0.1: None})
        for n, shares in zip((1, 2, 3, 5, 8), by_repeat, strict=False)
    ]
    return Curve("lda", "grey8", tuple(points), steps_of(points, draws))


def told_of(curve: Curve) -> list[str]:
    return sentences(Curves((curve,), draws_of(), (), (), (), (), 2, 20, 0, 5, 0.0))[1:]


def test_intervals_are_the_corrected_ones_and_never_narrower_than_wilsons() -> None:
    draws = draws_of()
    varied = np.array([0.5, 0.9, 0.6, 0.8])
    its = corrected_t(varied, 0.2)
    assert accuracy_of(varied, draws) == Share(pytest.approx(0.7), pytest.approx(its.low), 1.0)
    assert draws.n_tested == 100 and accuracy_of(np.ones(4), draws) == wilson(1.0, 100)


def test_a_curve_that_flattens_says_where() -> None:
    curve = curve_of(
        [0.5, 0.52, 0.51], [0.80, 0.81, 0.82], [0.896, 0.900, 0.904], [0.89, 0.90, 0.91], [0.90, 0.90, 0.90]
    )
    assert curve.flat is not None and curve.flat.n == 3
    assert told_of(curve) == ["From 3 photographs a person on, more bring less than a point."]


def test_a_flat_curve_may_still_help_against_strangers() -> None:
    curve = curve_of([0.5, 0.52, 0.51], [0.90, 0.90, 0.90], [0.90, 0.90, 0.90])
    for point, misses in zip(curve.points, (0.5, 0.3, 0.1), strict=True):
        point.rates[0.01] = Rates(wilson(misses, 100), wilson(0.01, 100))
    assert told_of(curve) == [
        "From 2 photographs a person on, more bring less than a point. Against strangers they still help: of known faces "
        "30.0 % are not named with 2 and 10.0 % with 3, where 1 % of strangers are."
    ]
    curve.points[-1].rates[0.01] = Rates(wilson(0.25, 100), wilson(0.01, 100))  # which may be chance
    assert told_of(curve) == ["From 2 photographs a person on, more bring less than a point."]


def test_a_dip_does_not_hide_what_more_photographs_bring() -> None:
    """At 2 it is as good as at the last, but 3 is better by two points."""
    curve = curve_of([0.5, 0.5, 0.5], [0.90, 0.90, 0.90], [0.92, 0.92, 0.92], [0.90, 0.90, 0.90])
    assert curve.flat is not None and curve.flat.n == 3 and curve.steps[1].most == pytest.approx(0.02)


def test_a_curve_that_rises_to_its_end_says_so() -> None:
    curve = curve_of([0.5, 0.52, 0.51], [0.60, 0.61, 0.62], [0.700, 0.710, 0.690])
    assert curve.flat is None and curve.untold is None
    assert told_of(curve) == ["More photographs would help: from 2 to 3 it still gains 9.0 points."]


def test_what_cannot_be_told_is_not_called_flat() -> None:
    curve = curve_of([0.1, 0.1, 0.1], [0.60, 0.80, 0.70], [0.8, 0.7, 0.9])
    step = curve.untold
    assert curve.flat is None and step is not None and step.n == 2
    assert told_of(curve) == [
        "From 2 photographs a person on, more cannot be told from no gain on these pictures: to 3 it is 10.0 points "
        f"(95 % interval {100 * step.difference.low:.1f} to {100 * step.difference.high:.1f}, "
        f"p = {step.difference.p_value:.2f})."
    ]


def test_one_number_makes_no_curve() -> None:
    assert told_of(curve_of([0.5, 0.5, 0.5])) == ["One number of photographs makes no curve."]


def test_people_rank_by_what_is_missing_then_by_photographs_then_by_slope() -> None:
    nan = np.nan
    y = np.repeat(np.arange(6, dtype=np.int32), 3)
    draws = draws_of(left=[4, 4, 4, 9, 2, 0])
    half = np.array([[0.1, 0.5, 0.5, 0.5, 0.5, nan], [0.1, 0.4, 0.5, nan, 0.5, nan], [0.1, 0.6, 0.5, 0.5, 0.5, nan]])
    most = np.array([[0.1, 0.9, 0.5, 0.5, 0.6, nan], [0.1, 0.9, 0.5, nan, 0.6, nan], [0.1, 0.9, 0.5, 0.7, 0.6, nan]])
    found = gains("abcdef", y, draws, np.array([0.2, 0.5, 0.5, 0.5, 1.0, nan]), half, most, 2)
    assert [one.person for one in found] == ["a", "b", "c", "d", "e", "f"]
    b, d, e, f = found[1], found[3], found[4], found[5]
    assert b.told and b.slope is not None and b.slope.mean == pytest.approx(0.4)
    assert (b.at_half, b.at_most, b.photographs) == (pytest.approx(0.5), pytest.approx(0.9), 5)
    assert d.at_most == pytest.approx(0.6) and not d.told
    assert e.slope is None and e.at_most == pytest.approx(0.6)  # has no more than at half
    assert (f.recall, f.at_half, f.slope) == (None, None, None)
