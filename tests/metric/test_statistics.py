"""Spread over draws, paired tests over users, Holm's correction: against scipy and by hand."""

import numpy as np
import pytest
from scipy import stats

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.metric.statistics import (
    bootstrap_interval,
    compare,
    holm,
    mean_sd,
    paired_t,
    user_means,
    wilcoxon,
)


def test_deviation_over_draws_has_one_degree_of_freedom_less() -> None:
    assert mean_sd([1.0, 2.0, 4.0]) == pytest.approx((7 / 3, np.std([1, 2, 4], ddof=1)))


def test_deviation_of_one_draw_and_mean_of_none_are_undefined() -> None:
    assert mean_sd([0.5]) == (0.5, None)
    assert mean_sd([None, np.nan]) == (None, None)
    assert mean_sd([None, 0.5]) == (0.5, None)


def test_each_user_counts_once_however_many_draws_it_has() -> None:
    users, means = user_means(np.array([1.0, 3.0, 10.0, np.nan, np.nan]), np.array([4, 4, 2, 2, 9]))
    np.testing.assert_array_equal(users, [2, 4])
    np.testing.assert_array_equal(means, [10, 2])


def test_paired_tests_equal_those_of_scipy() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(0.1, 1, 40), random.normal(0, 1, 40)
    assert paired_t(first - second) == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert wilcoxon(first - second) == pytest.approx(stats.wilcoxon(first, second).pvalue)


def test_repeating_the_draws_makes_no_difference_more_significant() -> None:
    random = np.random.default_rng(1)
    first, second, user = random.normal(0.3, 1, 30), np.zeros(30), np.arange(30)
    once = compare(first, second, user, resamples=200, seed=0)
    repeated = [np.tile(column, 5) for column in (first, second, user)]
    often = compare(*repeated, resamples=200, seed=0)
    assert often.p_t == pytest.approx(once.p_t)
    assert often == pytest.approx(once) or often.users == once.users == 30
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_comparison_tells_difference_interval_and_p() -> None:
    random = np.random.default_rng(2)
    second = random.normal(0, 1, 500)
    better = compare(second - 0.2 + random.normal(0, 0.1, 500), second, np.arange(500),
                     resamples=2000, seed=0)  # fmt: skip
    assert better.users == 500
    assert better.low < better.difference < better.high < 0
    assert better.difference == pytest.approx(-0.2, abs=0.02)
    assert better.p_t < 1e-6
    assert better.p_wilcoxon < 1e-6


def test_tests_of_fewer_than_two_users_are_undefined() -> None:
    none = compare(np.array([np.nan]), np.array([1.0]), np.array([0]), resamples=10, seed=0)
    assert (none.users, none.difference, none.p_t) == (0, None, None)
    one = compare(np.array([2.0]), np.array([1.0]), np.array([0]), resamples=10, seed=0)
    assert (one.users, one.difference, one.low, one.p_wilcoxon) == (1, 1.0, None, None)


def test_equal_rows_differ_with_p_one() -> None:
    same = compare(np.ones(5), np.ones(5), np.arange(5), resamples=10, seed=0)
    assert (same.difference, same.p_t, same.p_wilcoxon) == (0.0, 1.0, 1.0)
    assert paired_t(np.full(5, 0.1)) == 0.0


def test_bootstrap_interval_agrees_with_scipy_and_its_seed() -> None:
    values = np.random.default_rng(3).exponential(size=60)
    low, high = bootstrap_interval(values, level=0.95, resamples=20000, seed=0)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.015)
    assert (low, high) == bootstrap_interval(values, level=0.95, resamples=20000, seed=0)


def test_holm_steps_down_and_never_passes_one() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ShapeError):
        compare(np.ones(2), np.ones(3), np.arange(2), resamples=10, seed=0)
    with pytest.raises(ShapeError):
        user_means(np.ones(2), np.arange(3))
