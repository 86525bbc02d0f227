"""Drawing episodes: rows without replacement, every draw equally likely, whatever the history."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from fewrec_cli.experiment.draw import distinct, draw_rows
from fewrec_cli.strategy.base import Feed

COUNTS = np.array([2, 3, 5, 40, 9, 1000, 2, 60, 20_000, 17])
START = np.cumsum(COUNTS) - COUNTS


@pytest.mark.parametrize("count", [4, 9], ids=["shuffled", "redrawn"])
def test_every_ordered_draw_is_equally_likely(count: int) -> None:
    tasks, rng = 60_000, np.random.default_rng(0)
    drawn = distinct(np.full(tasks, count), np.full(tasks, 3), rng).reshape(tasks, 3)
    found = Counter(map(tuple, drawn.tolist()))
    every = list(permutations(range(count), 3))
    assert set(found) == set(every)
    expected = tasks / len(every)
    chi_square = sum((found[one] - expected) ** 2 / expected for one in every)
    freedom = len(every) - 1
    assert chi_square < freedom + 4 * np.sqrt(2 * freedom)


def test_a_draw_of_everything_is_a_permutation() -> None:
    drawn = distinct(COUNTS, COUNTS, np.random.default_rng(0))
    for start, count in zip(START, COUNTS, strict=True):
        np.testing.assert_array_equal(np.sort(drawn[start : start + count]), np.arange(count))


@pytest.mark.parametrize("feed", [Feed("tasks", 1, (1, 12), 5), Feed("tasks", 1, (3, 90), 10)])
def test_support_and_query_are_different_rows_of_the_task(feed: Feed) -> None:
    rng = np.random.default_rng(0)
    low, high = feed.support
    for _ in range(50):
        support, query = draw_rows(START, COUNTS, feed, rng)
        for task, (start, count) in enumerate(zip(START, COUNTS, strict=True)):
            seen, asked = support[task], query[task]
            size, left = int((seen >= 0).sum()), int((asked >= 0).sum())
            assert (seen[:size] >= 0).all()  # padding stands at the end
            assert (asked[:left] >= 0).all()
            rows = np.concatenate([seen[:size], asked[:left]])
            assert len(set(rows.tolist())) == size + left
            assert ((rows >= start) & (rows < start + count)).all()
            assert min(low, count - 1) <= size <= min(high, count - 1)
            assert left == min(feed.query, count - size)


def test_the_same_seed_draws_the_same_rows() -> None:
    feed = Feed("tasks", 1, (1, 30), 10)
    first, again, other = (
        draw_rows(START, COUNTS, feed, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    for ours, theirs in zip(first, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_the_length_of_a_history_costs_nothing() -> None:
    count = np.full(64, 10**15)  # far more rows than any memory holds
    support, query = draw_rows(
        np.arange(64), count, Feed("tasks", 1, (5, 20), 10), np.random.default_rng(0)
    )
    assert (query >= 0).all()
    assert support.max() > 10**14


def test_support_sizes_are_drawn_log_uniformly() -> None:
    users, rng = 20_000, np.random.default_rng(0)
    count = np.full(users, 40)
    support, query = draw_rows(np.arange(users) * 40, count, Feed("tasks", 1, (1, 15), 2), rng)
    size = (support >= 0).sum(1)
    np.testing.assert_array_equal((query >= 0).sum(1), 2)
    expected = np.log(1 + 1 / np.arange(1, 16)) / np.log(16)
    found = np.bincount(size, minlength=16)[1:] / users
    np.testing.assert_allclose(found, expected, atol=0.015)
