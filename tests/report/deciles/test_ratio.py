"""A ratio over users: against scipy, an independent formula, and simulated data without effect."""

import numpy as np
import pytest
from scipy import stats

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.report.deciles.ratio import FEWEST, Ratio, ratio


def test_users_who_count_once_give_the_t_test() -> None:
    values = np.random.default_rng(0).normal(0.2, 1.0, 40)
    found, expected = ratio(values, np.ones(40)), stats.ttest_1samp(values, 0.0)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.mean == pytest.approx(values.mean())


def test_the_interval_is_the_cluster_robust_one_of_a_regression_on_a_constant() -> None:
    random = np.random.default_rng(1)
    sizes = random.integers(1, 6, 50)
    user = np.repeat(np.arange(50), sizes)
    error = random.normal(0.3, 1.0, len(user)) + random.normal(0, 1.0, 50)[user]
    mean = error.mean()
    within = [(error[user == one] - mean).sum() for one in range(50)]
    se = np.sqrt(50 / 49 * np.sum(np.square(within))) / len(user)
    found = ratio(np.bincount(user, error), sizes.astype(float))
    assert found.mean == pytest.approx(mean)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(mean / se), 49))
    assert found.high == pytest.approx(mean + stats.t.ppf(0.975, 49) * se)


def test_users_who_do_not_count_change_nothing() -> None:
    values, counts = np.arange(12.0), np.arange(1.0, 13.0)
    padded = ratio(np.append(values, [0.0, 0.0]), np.append(counts, [0.0, 0.0]))
    assert padded == ratio(values, counts)
    assert padded.users == 12


def test_nothing_to_average_is_null_and_few_users_have_no_interval() -> None:
    assert ratio(np.zeros(5), np.zeros(5)) == Ratio(None, None, None, None, 0)
    few = ratio(np.full(FEWEST - 1, 2.0), np.full(FEWEST - 1, 4.0))
    assert few == Ratio(0.5, None, None, None, FEWEST - 1)


def test_sums_and_counts_of_different_users_are_refused() -> None:
    with pytest.raises(ShapeError, match="3 sums of 2 users"):
        ratio(np.zeros(3), np.zeros(2))


def rejected(effect: float, users: int, tables: int, seed: int) -> float:
    """Return the share of simulated deciles whose difference holds at 5%."""
    random = np.random.default_rng(seed)
    held = 0
    for _ in range(tables):
        count = random.poisson(2.0, users)
        taste = random.normal(0.0, 0.3, users)
        total = count * (taste + effect) + random.normal(0.0, 1.0, users) * np.sqrt(count)
        p = ratio(total, count.astype(float)).p
        held += p is not None and p < 0.05
    return held / tables


def test_a_null_effect_is_found_at_the_nominal_rate() -> None:
    assert 0.02 <= rejected(0.0, 60, 500, seed=2) <= 0.085


def test_a_clear_effect_is_found() -> None:
    assert rejected(0.5, 60, 100, seed=3) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("users", [14, 30, 200])
def test_the_rate_is_nominal_over_many_tables(users: int) -> None:
    assert 0.035 <= rejected(0.0, users, 5000, seed=4) <= 0.075
