"""Error rates against counting, scikit-learn and hand-worked cases."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import det_curve, roc_auc_score, roc_curve, top_k_accuracy_score

from facefeat.errors import InputError, UsageError
from facefeat.learn.rates import (
    Curve,
    auroc,
    cmc,
    det,
    equal_error_rate,
    false_negative_at,
    measurable,
    reached,
    threshold_for,
)

INF, NAN = math.inf, math.nan

some = settings(max_examples=150, deadline=None)
cosine = st.one_of(st.integers(-10, 10).map(lambda n: n / 10), st.floats(-1, 1))  # tenths, so that there are ties
scores = st.lists(cosine, min_size=1, max_size=40)
mated_scores = st.lists(st.one_of(cosine, st.just(-INF)), min_size=1, max_size=40)
rates = st.one_of(
    st.floats(0, 1).map(lambda rate: round(rate, 6)),
    st.integers(0, 40).map(lambda n: n / 40),
    st.sampled_from([0.001, 0.01, 0.1, 1 / 3, 0.29]),
)


def just_under(threshold: float) -> float:
    return float(np.nextafter(threshold, -INF))


# ---- measurable --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "rate", "told"),
    [
        (3, 1, True),
        (2, 1, False),
        (30, 0.1, True),
        (29, 0.1, False),
        (3000, 0.001, True),
        (2999, 0.001, False),
        (10**9, 0, False),
        (0, 1, False),
    ],
)
def test_the_rule_of_three(n: int, rate: float, told: bool) -> None:
    assert measurable(n, rate) is told


@given(st.integers(1, 100_000), st.floats(1e-5, 1))
@some
def test_a_measurable_rate_would_nearly_always_show(n: int, rate: float) -> None:
    none_seen = (1 - rate) ** n  # how likely no error in n trials is
    if measurable(n, rate):
        assert none_seen <= 0.05
    elif rate < 0.01 and n * rate < 2.95:
        assert none_seen > 0.05


# ---- a threshold for a rate --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "right_above"), [(0, 0.4), (0.24, 0.4), (0.25, 0.3), (0.49, 0.3), (0.5, 0.2), (0.75, 0.1), (0.99, 0.1)]
)
def test_threshold_by_hand(rate: float, right_above: float) -> None:
    assert threshold_for([0.2, 0.4, 0.1, 0.3], rate) == float(np.nextafter(right_above, INF))


def test_at_a_rate_of_one_all_may_reach_the_threshold() -> None:
    assert threshold_for([0.2, 0.4, 0.1, 0.3], 1) == just_under(0.1)


def test_of_equal_scores_all_or_none_reach_a_threshold() -> None:
    assert [threshold_for([0.5] * 4, rate) > 0.5 for rate in (0, 0.25, 0.99, 1)] == [True, True, True, False]


def test_one_score_is_reached_at_a_rate_of_one_only() -> None:
    assert [threshold_for([0.5], rate) > 0.5 for rate in (0, 0.5, 1)] == [True, True, False]


def test_a_share_that_has_no_exact_float_is_meant() -> None:
    assert 0.29 * 100 < 29  # as a computer has it
    assert reached(np.arange(100), threshold_for(np.arange(100), 0.29)) == 0.29


@given(scores, rates)
@some
def test_it_is_the_lowest_threshold_that_at_most_the_share_reaches(nonmated: list[float], rate: float) -> None:
    threshold, allowed = threshold_for(nonmated, rate), rate * len(nonmated) + 1e-9
    assert sum(score >= threshold for score in nonmated) <= allowed
    if allowed < len(nonmated):
        assert sum(score >= just_under(threshold) for score in nonmated) > allowed
    else:
        assert threshold == just_under(min(nonmated))


@given(scores)
@some
def test_a_rate_of_none_is_kept_by_all(nonmated: list[float]) -> None:
    assert reached(nonmated, threshold_for(nonmated, 0)) == 0
    assert reached(nonmated, threshold_for(nonmated, 1)) == 1


def test_no_score_gives_no_threshold() -> None:
    with pytest.raises(InputError) as caught:
        threshold_for([], 0.01)
    assert str(caught.value) == "A threshold for a rate needs non-mated scores, at least one; there is none."


@pytest.mark.parametrize("rate", [-0.1, 1.5, NAN])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(UsageError) as caught:
        threshold_for([0.1, 0.2], rate)
    assert str(caught.value) == f"A rate is a share from 0 to 1; this is {rate}."


# ---- what reaches it ---------------------------------------------------------------------------------------------------


def test_a_score_at_the_threshold_reaches_it() -> None:
    assert reached([0.1, 0.2, 0.3, 0.4], 0.3) == 0.5
    assert reached([-INF, 0.2], -1) == 0.5


def test_float32_scores_are_compared_as_they_are() -> None:
    found = np.array([0.1, 0.2], np.float32)
    assert reached(found, threshold_for(found, 0)) == 0  # the next float32 after .2 is farther away


def test_nothing_reaches_anything() -> None:
    assert math.isnan(reached([], 0.5))


# ---- the trade-off -----------------------------------------------------------------------------------------------------


def test_det_by_hand() -> None:
    curve = det([0.1, 0.2, 0.3, 0.4], [0.3, 0.5, -INF])
    assert curve.thresholds.tolist() == [INF, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert curve.false_positive.tolist() == [0, 0, 0.25, 0.5, 0.75, 1]
    assert curve.false_negative.tolist() == [1, 2 / 3, 2 / 3, 1 / 3, 1 / 3, 1 / 3]


@given(scores, mated_scores)
@some
def test_det_counts(nonmated: list[float], mated: list[float]) -> None:
    curve = det(nonmated, mated)
    finite = {score for score in nonmated + mated if score > -INF}
    assert curve.thresholds.tolist() == [INF, *sorted(finite, reverse=True)]
    for threshold, positive, negative in zip(curve.thresholds, curve.false_positive, curve.false_negative, strict=True):
        assert positive == sum(score >= threshold for score in nonmated) / len(nonmated)
        assert negative == sum(score < threshold for score in mated) / len(mated)


@given(scores, scores)
@some
def test_det_is_scikit_learns(nonmated: list[float], mated: list[float]) -> None:
    labels, found = [0] * len(nonmated) + [1] * len(mated), nonmated + mated
    curve = det(nonmated, mated)
    false_positive, true_positive, thresholds = roc_curve(labels, found, drop_intermediate=False)
    assert curve.thresholds.tolist() == thresholds.tolist()
    assert curve.false_positive == pytest.approx(false_positive)
    assert curve.false_negative == pytest.approx(1 - true_positive)
    ours = dict(zip(curve.thresholds, zip(curve.false_positive, curve.false_negative, strict=True), strict=True))
    for positive, negative, threshold in zip(*det_curve(labels, found), strict=True):
        assert ours[threshold] == pytest.approx((positive, negative))


def test_a_named_wrong_face_is_missed_at_every_threshold() -> None:
    curve = det([0.1, 0.2], [-INF, -INF, 0.9])
    assert curve.false_negative.min() == 2 / 3
    assert false_negative_at(curve, 1) == 2 / 3


@pytest.mark.parametrize("rate", [0, 0.1, 1])
def test_without_scores_of_either_kind_there_is_no_rate(rate: float) -> None:
    for curve in (det([], [0.5]), det([0.5], []), det([], [])):
        assert math.isnan(false_negative_at(curve, rate))
        assert math.isnan(equal_error_rate(curve))
    assert det([], [0.5]).false_negative.tolist() == [1, 0]
    assert det([0.5], []).false_positive.tolist() == [0, 1]


# ---- false negatives at a rate of false positives ----------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "missed"), [(0, 0.5), (0.24, 0.5), (0.25, 0.25), (0.5, 0.25), (0.75, 0), (1, 0)])
def test_false_negatives_by_hand(rate: float, missed: float) -> None:
    assert false_negative_at(det([0.1, 0.2, 0.3, 0.6], [0.2, 0.5, 0.7, 0.8]), rate) == missed


@given(scores, mated_scores, rates)
@some
def test_no_threshold_that_keeps_the_rate_misses_fewer(nonmated: list[float], mated: list[float], rate: float) -> None:
    possible = [INF, *nonmated, *(score for score in mated if score > -INF)]
    kept = [t for t in possible if sum(score >= t for score in nonmated) <= rate * len(nonmated) + 1e-9]
    lowest = min(sum(score < t for score in mated) for t in kept) / len(mated)
    assert false_negative_at(det(nonmated, mated), rate) == lowest


@given(scores, mated_scores, rates)
@some
def test_it_is_what_the_threshold_for_that_rate_misses(nonmated: list[float], mated: list[float], rate: float) -> None:
    missed = 1 - reached(mated, threshold_for(nonmated, rate))
    if rate == 1:  # the threshold lies right under the strangers; the curve goes on to the lowest mated score
        assert false_negative_at(det(nonmated, mated), rate) <= missed
    else:
        assert false_negative_at(det(nonmated, mated), rate) == pytest.approx(missed, abs=1e-12)


# ---- where both are equal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nonmated", "mated", "rate"),
    [
        ([0.1, 0.2], [0.8, 0.9], 0),  # apart
        ([0.8, 0.9], [0.1, 0.2], 1),  # the wrong way round
        ([0.5], [0.5], 0.5),  # all equal: half way from (0, 1) to (1, 0)
        ([0.5] * 3, [0.5] * 7, 0.5),
        ([0.1], [0.2], 0),
        ([0.2], [0.1], 1),
        ([0.1, 0.2, 0.3, 0.6], [0.2, 0.5, 0.7, 0.8], 0.25),  # at .5, one of four each
        ([0.1, 0.4], [-INF, -INF], 1),
        ([0.1, 0.2, 0.3, 0.4], [-INF, 0.9, 0.9, 0.9], 0.25),
        # From (1/3, 1/2) at .3 to (2/3, 1/2) at .2: a straight line across the diagonal.
        ([0.1, 0.2, 0.3], [0.05, 0.5], 0.5),
        # From (1/3, 1/2) at .3 to (2/3, 0) at .2: both are 2/5 at a fifth of the way.
        ([0.1, 0.2, 0.3], [0.2, 0.5], 0.4),
    ],
)
def test_equal_error_rate_by_hand(nonmated: list[float], mated: list[float], rate: float) -> None:
    assert equal_error_rate(det(nonmated, mated)) == pytest.approx(rate)


def crossing(nonmated: list[float], mated: list[float]) -> Fraction:
    """Follow the curve, point by point, in exact numbers, to where it meets the diagonal."""
    last = (Fraction(0), Fraction(1))
    for threshold in sorted({score for score in nonmated + mated if score > -INF}, reverse=True):
        positive = Fraction(sum(score >= threshold for score in nonmated), len(nonmated))
        negative = Fraction(sum(score < threshold for score in mated), len(mated))
        if positive >= negative:
            way = (last[1] - last[0]) / ((last[1] - last[0]) + (positive - negative))
            return last[0] + way * (positive - last[0])
        last = (positive, negative)
    raise AssertionError("the curve ends above the diagonal")


@given(scores, mated_scores)
@some
def test_equal_error_rate_is_where_the_curve_meets_the_diagonal(nonmated: list[float], mated: list[float]) -> None:
    assert equal_error_rate(det(nonmated, mated)) == pytest.approx(float(crossing(nonmated, mated)))


@given(scores, scores)
@some
def test_errors_of_both_kinds_are_treated_alike(nonmated: list[float], mated: list[float]) -> None:
    turned = det([-score for score in mated], [-score for score in nonmated])
    assert equal_error_rate(turned) == pytest.approx(equal_error_rate(det(nonmated, mated)))


def test_a_curve_that_ends_early_gives_its_last_and_larger_rate() -> None:
    curve = Curve(np.array([INF, 0.5]), np.array([0, 0.25]), np.array([1, 0.5]))
    assert equal_error_rate(curve) == 0.5


# ---- AUROC -------------------------------------------------------------------------------------------------------------


@given(scores, mated_scores)
@some
def test_auroc_counts_pairs(nonmated: list[float], mated: list[float]) -> None:
    won = sum(1 if yes > no else 0.5 if yes == no else 0 for no, yes in product(nonmated, mated))
    assert auroc(nonmated, mated) == pytest.approx(won / (len(nonmated) * len(mated)))


@given(scores, scores)
@some
def test_auroc_is_scikit_learns(nonmated: list[float], mated: list[float]) -> None:
    theirs = roc_auc_score([0] * len(nonmated) + [1] * len(mated), nonmated + mated)
    assert auroc(nonmated, mated) == pytest.approx(theirs)
    assert auroc(mated, nonmated) == pytest.approx(1 - theirs)


@pytest.mark.parametrize(
    ("nonmated", "mated", "area"),
    [
        ([0.1], [0.2], 1),
        ([0.2], [0.1], 0),
        ([0.5] * 3, [0.5] * 2, 0.5),
        ([0.1, 0.3], [0.2, 0.4], 0.75),
        ([0.1, 0.2], [-INF, 0.3], 0.5),
    ],
)
def test_auroc_by_hand(nonmated: list[float], mated: list[float], area: float) -> None:
    assert auroc(nonmated, mated) == area


def test_no_pair_has_no_auroc() -> None:
    assert all(math.isnan(auroc(*pair)) for pair in (([], [0.5]), ([0.5], []), ([], [])))


# ---- CMC ---------------------------------------------------------------------------------------------------------------


def test_cmc_by_hand() -> None:
    assert cmc([1, 1, 2, 4, 0], most=5).tolist() == [0.4, 0.6, 0.6, 0.8, 0.8]
    assert cmc([1, 11]).tolist() == [0.5] * 10
    assert cmc([0, 0], most=2).tolist() == [0, 0]


def test_no_probes_have_no_cmc() -> None:
    found = cmc([], most=3)
    assert found.shape == (3,) and np.all(np.isnan(found))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 30))
@some
def test_cmc_counts(ranks: list[int], most: int) -> None:
    found = cmc(ranks, most)
    assert found.tolist() == [sum(rank in range(1, k + 1) for rank in ranks) / len(ranks) for k in range(1, most + 1)]


@given(st.integers(3, 9), st.integers(1, 40), st.integers(0, 2**32 - 1))
@some
def test_cmc_is_scikit_learns_top_k(n_people: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    similarities, person = rng.random((n, n_people)), rng.integers(0, n_people, n)
    own = similarities[np.arange(n), person][:, None]
    found = cmc(1 + np.sum(similarities > own, axis=1), most=n_people)
    for k in range(1, n_people):
        assert found[k - 1] == pytest.approx(
            top_k_accuracy_score(person, similarities, k=k, labels=np.arange(n_people))
        )
    assert found[-1] == 1
