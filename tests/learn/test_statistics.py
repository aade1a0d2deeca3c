"""Tests of differences against tables, hand-worked cases, baycomp, mlxtend and SciPy, and on heads that are equal in truth."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from itertools import permutations

import numpy as np
import pytest
from baycomp import CorrelatedTTest, two_on_single
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mlxtend.evaluate import mcnemar as their_mcnemar
from mlxtend.evaluate import mcnemar_table, paired_ttest_kfold_cv
from scipy.stats import binom, ttest_1samp

from facefeat.learn.statistics import (
    ROPE,
    Difference,
    Posterior,
    corrected_t,
    corrected_variance,
    holm,
    mcnemar,
    posterior,
)
from tests.learn.equal_heads import Pair, equal_pair

NAN = math.nan
UNTOLD = (-1.0, 1.0, 1.0)  # interval and p where nothing can be told

some = settings(max_examples=100, deadline=None)
differences = st.lists(st.integers(-20, 20).map(lambda n: n / 40), min_size=1, max_size=30)
varied = differences.filter(lambda found: len(found) > 1 and np.ptp(found) > 0)
test_shares = st.sampled_from([0.5, 0.2, 0.1, 0.03])
p_lists = st.lists(st.floats(0, 1), max_size=12)


# ---- corrected t -------------------------------------------------------------------------------------------------------


def test_corrected_t_by_hand() -> None:
    """Five folds that differ by .01, .02, .03, .04, .05.

    Their mean is .03, their variance .00025. Each fold tests a fifth, so 1/5 + .2/.8 = .45 and the variance of the mean is
    .0001125. t squared is .0009 / .0001125 = 8. Student's distribution with 4 degrees of freedom is
    1/2 + 3/8 t / sqrt(1 + t^2/4) (1 - t^2 / (12 (1 + t^2/4))), there 1/2 + 3/8 sqrt(8/3) 7/9 = .97629; both tails make
    p = .04742. Its .975 quantile is 2.776 in every table.
    """
    found = corrected_t([0.01, 0.02, 0.03, 0.04, 0.05], 0.2)
    assert found.mean == 0.03
    assert corrected_variance([0.01, 0.02, 0.03, 0.04, 0.05], 0.2) == pytest.approx(0.0001125)
    assert found.p_value == pytest.approx(1 - 0.75 * math.sqrt(8 / 3) * 7 / 9) == pytest.approx(0.04742, abs=5e-6)
    width = 2.776 * math.sqrt(0.0001125)
    assert (found.low, found.high) == pytest.approx((0.03 - width, 0.03 + width), abs=1e-5)


@pytest.mark.parametrize(
    ("n_folds", "quantile"), [(2, 12.706), (3, 4.303), (5, 2.776), (10, 2.262), (20, 2.093), (30, 2.045)]
)
def test_the_interval_is_as_wide_as_the_tables_of_student_say(n_folds: int, quantile: float) -> None:
    found = np.random.default_rng(n_folds).normal(0, 0.001, n_folds)
    difference, error = corrected_t(found, 0.1), math.sqrt(corrected_variance(found, 0.1))
    assert (difference.high - difference.mean) / error == pytest.approx(quantile, abs=5e-4)
    assert (difference.mean - difference.low) / error == pytest.approx(quantile, abs=5e-4)


def test_the_correction_of_ten_folds_doubles_the_variance_and_a_ninth_more() -> None:
    found = np.arange(10) / 100
    assert corrected_variance(found, 0.1) == pytest.approx((1 / 10 + 1 / 9) * np.var(found, ddof=1))
    assert corrected_variance(np.tile(found, 3), 0.1) == pytest.approx(
        (1 / 30 + 1 / 9) * np.var(np.tile(found, 3), ddof=1)
    )


@given(varied)
@some
def test_without_the_correction_it_is_the_paired_t_test(found: list[float]) -> None:
    theirs = ttest_1samp(found, 0)
    assert corrected_t(found, 0).p_value == pytest.approx(theirs.pvalue, abs=1e-9)


def test_without_the_correction_it_is_mlxtends_test_over_folds() -> None:
    from sklearn.model_selection import KFold
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 30)
    X = rng.normal(y[:, None] / 2, 1, (90, 4))
    heads = GaussianNB(), KNeighborsClassifier(1)
    _, theirs = paired_ttest_kfold_cv(*heads, X, y, cv=9, shuffle=True, random_seed=5)
    shares = [
        [head.fit(X[train], y[train]).score(X[test], y[test]) for head in heads]
        for train, test in KFold(9, shuffle=True, random_state=5).split(X)
    ]
    ours = corrected_t(np.subtract(*np.transpose(shares)), 0).p_value
    assert 0.001 < ours < 0.999 and ours == pytest.approx(theirs)


@given(varied, test_shares)
@some
def test_p_is_under_5_per_cent_where_the_interval_leaves_out_zero(found: list[float], test_share: float) -> None:
    told = corrected_t(found, test_share)
    assert -1 <= told.low <= told.mean <= told.high <= 1 and 0 <= told.p_value <= 1
    assume(abs(told.p_value - 0.05) > 1e-9)
    assert (told.p_value < 0.05) == (told.low > 0 or told.high < 0)


@given(differences, test_shares)
@some
def test_swapping_the_heads_mirrors_all(found: list[float], test_share: float) -> None:
    one, other = corrected_t(found, test_share), corrected_t([-d for d in found], test_share)
    assert (other.mean, other.low, other.high) == (-one.mean, -one.high, -one.low)
    assert other.p_value == one.p_value
    first, second = posterior(found, test_share), posterior([-d for d in found], test_share)
    assert (second.worse, second.better) == (first.better, first.worse)
    assert second.same == pytest.approx(first.same)


@given(differences, test_shares, st.integers(0, 2**32 - 1))
@some
def test_the_order_of_folds_does_not_matter(found: list[float], test_share: float, seed: int) -> None:
    dealt = np.random.default_rng(seed).permutation(found)
    one, other = corrected_t(found, test_share), corrected_t(dealt, test_share)
    assert (other.mean, other.low, other.high, other.p_value) == pytest.approx(
        (one.mean, one.low, one.high, one.p_value)
    )


# ---- little or nothing to go by ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [[0.1], [0.0], [-0.3]])
def test_one_fold_tells_nothing(found: list[float]) -> None:
    assert corrected_t(found, 0.5) == Difference(found[0], *UNTOLD)
    assert posterior(found, 0.5) == Posterior(0.5, 0.0, 0.5)


@pytest.mark.parametrize("found", [0.1, 0.0, -0.3])
def test_two_folds_that_agree_tell_nothing(found: float) -> None:
    assert corrected_t([found, found], 0.5) == Difference(found, *UNTOLD)
    assert posterior([found, found], 0.5) == Posterior(0.5, 0.0, 0.5)


def test_two_folds_that_disagree_are_students_with_one_degree_of_freedom() -> None:
    # Mean .3, variance .02, and of the mean (1/2 + 1) .02: t is sqrt(3); Cauchy's distribution has a sixth beyond on each side.
    assert corrected_t([0.2, 0.4], 0.5).p_value == pytest.approx(1 / 3)


@pytest.mark.parametrize("n_folds", [3, 5, 10, 30])
@pytest.mark.parametrize(
    ("found", "told"), [(0.1, (0, 0, 1)), (-0.1, (1, 0, 0)), (0.01, (0, 1, 0)), (-0.005, (0, 1, 0))]
)
def test_folds_that_all_agree_are_certain(n_folds: int, found: float, told: tuple[int, int, int]) -> None:
    assert corrected_t([found] * n_folds, 0.1) == Difference(found, found, found, 0.0)
    assert posterior([found] * n_folds, 0.1) == Posterior(*told)


@pytest.mark.parametrize("n_folds", [3, 10])
def test_folds_without_any_difference_are_a_tie(n_folds: int) -> None:
    assert corrected_t([0.0] * n_folds, 0.1) == Difference(0.0, 0.0, 0.0, 1.0)
    assert posterior([0.0] * n_folds, 0.1) == Posterior(0.0, 1.0, 0.0)


def test_the_last_bits_of_a_figure_are_no_difference() -> None:
    noise = np.array([1.1e-16, 1.1e-16, 2.2e-16, 1.1e-16, 1.1e-16])
    assert corrected_t(noise, 0.2) == Difference(0.0, 0.0, 0.0, 1.0)
    assert corrected_t(0.1 + noise, 0.2) == Difference(0.1, 0.1, 0.1, 0.0)


@pytest.mark.parametrize("found", [[NAN], [NAN, NAN], [0.1, NAN], [0.1, 0.2, NAN], [NAN] * 10])
def test_nan_is_never_a_finding(found: list[float]) -> None:
    told, likely = corrected_t(found, 0.1), posterior(found, 0.1)
    assert all(math.isnan(figure) for figure in (told.mean, told.low, told.high, told.p_value))
    assert all(math.isnan(figure) for figure in (likely.worse, likely.same, likely.better))


# ---- posterior ---------------------------------------------------------------------------------------------------------


@given(st.integers(2, 10), st.integers(1, 3), st.integers(0, 2**32 - 1), st.sampled_from([0.001, ROPE, 0.1]))
@some
def test_the_posterior_is_baycomps(n_folds: int, repeats: int, seed: int, rope: float) -> None:
    shares = np.random.default_rng(seed).integers(30, 41, (2, n_folds * repeats)) / 40
    found = shares[1] - shares[0]
    assume(np.ptp(np.round(found, 9)) > 0)
    ours = posterior(found, 1 / n_folds, rope)
    assert (ours.worse, ours.same, ours.better) == pytest.approx(
        two_on_single(*shares, rope=rope, runs=repeats), abs=1e-9
    )
    mean, variance, _ = CorrelatedTTest.compute_statistics(*shares, runs=repeats)
    assert corrected_t(found, 1 / n_folds).mean == pytest.approx(mean, abs=1e-9)
    assert corrected_variance(found, 1 / n_folds) == pytest.approx(variance)


def test_the_rope_is_a_point_of_accuracy() -> None:
    found = [0.0, 0.02, 0.05, -0.01, 0.03]
    assert posterior(found, 0.2) == posterior(found, 0.2, 0.01)


def test_the_posterior_by_hand() -> None:
    # As above: the mean .03 with a standard error of sqrt(.0001125); 0 lies sqrt(8) of it away, as does .06 on the other side.
    found = posterior([0.01, 0.02, 0.03, 0.04, 0.05], 0.2, rope=0)
    assert (found.worse, found.same) == (pytest.approx(0.04742 / 2, abs=3e-6), pytest.approx(0, abs=1e-12))
    assert posterior([0.01, 0.02, 0.03, 0.04, 0.05], 0.2, rope=0.06).better == pytest.approx(0.04742 / 2, abs=3e-6)


@given(differences, test_shares, st.floats(0, 0.5))
@some
def test_the_posterior_adds_up_to_one(found: list[float], test_share: float, rope: float) -> None:
    told = posterior(found, test_share, rope)
    assert min(told.worse, told.same, told.better) >= 0
    assert told.worse + told.same + told.better == pytest.approx(1, abs=1e-12)


# ---- Holm --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "adjusted"),
    [
        ([], []),
        ([0.2], [0.2]),
        # The usual textbook example: 4 x .005, 3 x .01, 2 x .03, and .04 after that is not less.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.4, 0.5, 0.6], [1, 1, 1]),
        ([0.0, 1.0], [0, 1]),
    ],
)
def test_holms_adjustment_is_the_published_one(found: list[float], adjusted: list[float]) -> None:
    assert holm(found) == pytest.approx(adjusted)


@given(p_lists, st.floats(0.001, 0.999))
@some
def test_holm_rejects_what_his_procedure_does(found: list[float], level: float) -> None:
    """The procedure itself: from the smallest on, reject while p is at most the level over the tests that are left."""
    rejected: set[int] = set()
    for place, index in enumerate(sorted(range(len(found)), key=lambda i: found[i])):
        bound = (len(found) - place) * found[index]
        assume(abs(bound - level) > 1e-12)
        if bound > level:
            break
        rejected.add(index)
    assert {index for index, p in enumerate(holm(found)) if p <= level} == rejected


@given(p_lists)
@some
def test_holm_keeps_the_order_and_never_lowers_a_p(found: list[float]) -> None:
    adjusted = holm(found)
    assert all(p <= q <= 1 for p, q in zip(found, adjusted, strict=True))
    assert all(adjusted[i] <= adjusted[j] for i, j in permutations(range(len(found)), 2) if found[i] <= found[j])


@given(p_lists, st.integers(0, 2**32 - 1))
@some
def test_holm_does_not_depend_on_the_order_of_the_tests(found: list[float], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(found))
    assert holm([found[i] for i in order]) == [holm(found)[i] for i in order]


def test_holm_does_not_count_what_was_not_tested() -> None:
    adjusted = holm([0.01, NAN, 0.04, 0.03])
    assert math.isnan(adjusted[1])
    assert [adjusted[0], *adjusted[2:]] == holm([0.01, 0.04, 0.03])


# ---- McNemar -----------------------------------------------------------------------------------------------------------


def right_of(both: int, only_one: int, only_other: int, none: int) -> tuple[list[bool], list[bool]]:
    """Lay out the four kinds of pictures."""
    one = [True] * (both + only_one) + [False] * (only_other + none)
    return one, [True] * both + [False] * only_one + [True] * only_other + [False] * none


@pytest.mark.parametrize(
    ("only_one", "only_other", "p"),
    [
        (0, 0, Fraction(1)),
        (1, 0, Fraction(1)),
        (3, 3, Fraction(1)),
        (5, 0, Fraction(2, 32)),
        (6, 0, Fraction(2, 64)),
        (11, 1, Fraction(2 * (1 + 12), 2**12)),
        (2, 8, Fraction(2 * (1 + 10 + 45), 2**10)),
    ],
)
def test_mcnemar_by_sums_of_binomials(only_one: int, only_other: int, p: Fraction) -> None:
    assert mcnemar(*right_of(40, only_one, only_other, 7)) == pytest.approx(float(p))
    assert mcnemar(*right_of(0, only_other, only_one, 0)) == pytest.approx(float(p))


def test_mcnemar_of_no_pictures_tells_nothing() -> None:
    assert mcnemar([], []) == 1.0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
@some
def test_mcnemar_is_mlxtends_exact_test(pictures: list[tuple[bool, bool]]) -> None:
    one, other = np.array(pictures).T
    _, theirs = their_mcnemar(mcnemar_table(np.ones(len(one)), one, other), exact=True)
    assert mcnemar(one, other) == pytest.approx(theirs)
    assert mcnemar(other, one) == mcnemar(one, other)


# ---- the promise -------------------------------------------------------------------------------------------------------


@cache
def equal_pairs(n_folds: int, repeats: int, n: int) -> list[Pair]:
    return [equal_pair(seed, n_folds, repeats) for seed in range(n)]


# If one in twenty were told apart, more than ``most`` would be in fewer than one in 10,000 such trials.
@pytest.mark.parametrize(("n_folds", "repeats", "pairs", "most"), [(10, 1, 60, 11), (10, 3, 40, 9)])
def test_equal_heads_are_seldom_told_apart(n_folds: int, repeats: int, pairs: int, most: int) -> None:
    assert binom.sf(most, pairs, 0.05) < 1e-4
    found = [pair.differences for pair in equal_pairs(n_folds, repeats, pairs)]
    assert sum(corrected_t(one, 1 / n_folds).p_value < 0.05 for one in found) <= most
    assert all(np.any(one != 0) for one in found)  # they do differ


def test_equal_heads_are_right_for_nine_in_ten_and_neither_is_better() -> None:
    shares = np.array([pair.shares.mean(axis=0) for pair in equal_pairs(10, 1, 60)])
    assert shares.mean() == pytest.approx(0.9, abs=0.02)
    assert abs(corrected_t(shares[:, 0] - shares[:, 1], 0).mean) < 0.01
