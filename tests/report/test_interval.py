"""Intervals over users and seeds, against scipy, a loop, and simulated truths."""

import numpy as np
import pytest
from scipy import stats

from fewrec_cli.report.interval import Cluster, _weights, intervals


def cluster(values: np.ndarray, *, root: bool = False) -> Cluster:
    """Make a figure of ``(users, replicates)`` values, NaN where undefined."""
    defined = ~np.isnan(values)
    return Cluster(np.nan_to_num(values), defined.astype(float), root)


def test_one_replicate_equals_scipys_bootstrap_over_users() -> None:
    values = np.random.default_rng(0).gamma(2.0, 1.0, (80, 1))
    (ends,) = intervals([cluster(values)], resamples=10_000, seed=0)
    theirs = stats.bootstrap(
        (values[:, 0],), np.mean, method="percentile", n_resamples=10_000, rng=1
    ).confidence_interval
    assert ends == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_every_resample_equals_a_loop_over_copies() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(6, 3))
    values[2, 1] = np.nan
    both = [cluster(values), cluster(np.abs(values), root=True)]
    ((users, repeats),) = _weights(6, 3, 400, 5)
    assert set(users.sum(1)) == {6.0}
    assert set(repeats.sum(1)) == {2.0}  # one fewer than there are
    found = [[], []]
    for drawn, times in zip(users.astype(int), repeats.astype(int), strict=True):
        copies = np.repeat(np.repeat(values, drawn, 0), times, 1)
        found[0].append(np.nanmean(copies))
        found[1].append(np.sqrt(np.nanmean(np.abs(copies))))
    expected = [tuple(np.quantile(one, [0.025, 0.975])) for one in found]
    assert intervals(both, resamples=400, seed=5) == [pytest.approx(one) for one in expected]


def test_replicates_that_differ_widen_the_interval() -> None:
    random = np.random.default_rng(2)
    users = random.normal(size=(50, 1))
    same = intervals([cluster(np.repeat(users, 4, 1))], resamples=1000, seed=0)[0]
    apart = intervals([cluster(users + 3 * random.normal(size=(1, 4)))], resamples=1000, seed=0)[0]
    assert same is not None
    assert apart is not None
    assert apart[1] - apart[0] > 3 * (same[1] - same[0])


def test_fewer_than_two_users_have_no_interval() -> None:
    lonely = np.full((5, 2), np.nan)
    lonely[3] = 1.0
    full = np.ones((5, 2))
    assert intervals([cluster(lonely), cluster(full)], resamples=50, seed=0) == [None, (1.0, 1.0)]
    assert intervals([], resamples=50, seed=0) == []


def test_the_variance_of_the_resamples_is_that_of_a_mean_over_seeds() -> None:
    seeds = np.array([[0.0, 1.0, 2.0]])
    low, high = intervals([cluster(np.repeat(seeds, 40, 0))], resamples=4000, seed=0)[0] or (0, 0)
    assert (low, high) == (0.0, 2.0)  # two of three are drawn: means 0 to 2
    ((_, repeats),) = _weights(1, 3, 20_000, 0)
    means = repeats @ seeds[0] / 2
    assert means.var() == pytest.approx(np.var(seeds, ddof=1) / 3, rel=0.03)


def coverage(tables: int, users: int, seeds: int, between: float) -> float:
    """Return how often the interval of a known mean (0) holds it."""
    random = np.random.default_rng(3)
    held = 0
    for _ in range(tables):
        shared = random.normal(size=(users, 1)) + between * random.normal(size=(1, seeds))
        values = shared + 0.3 * random.normal(size=(users, seeds))
        low, high = intervals([cluster(values)], resamples=300, seed=0)[0] or (1.0, 1.0)
        held += low <= 0.0 <= high
    return held / tables


def test_the_interval_holds_the_true_mean_nearly_as_often_as_it_says() -> None:
    assert 0.88 <= coverage(150, users=60, seeds=1, between=0.0) <= 0.99
    assert 0.86 <= coverage(150, users=60, seeds=8, between=0.2) <= 0.99


@pytest.mark.slow
def test_coverage_over_a_thousand_tables() -> None:
    assert 0.92 <= coverage(1000, users=100, seeds=1, between=0.0) <= 0.97
    assert 0.90 <= coverage(1000, users=100, seeds=8, between=0.2) <= 0.97
