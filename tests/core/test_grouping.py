"""Sorting rows by owner and time, against numpy's own sorts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewrec_cli.core.grouping import order_by_history, order_by_owner

ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(-3, 3)), max_size=40)
"""Owner and time; both repeat, so that ties are common."""


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    owner = np.array([one for one, _ in rows], np.int64)
    return owner, np.array([when for _, when in rows], np.int64)


@given(ROWS)
def test_rows_of_an_owner_keep_their_order(rows: list[tuple[int, int]]) -> None:
    owner, _ = columns(rows)
    expected = np.argsort(owner, kind="stable")
    found = order_by_owner(owner, 7)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(order_by_history(owner, None, 7), expected)


@given(ROWS, st.sampled_from([1, 10**9, 2**60]))
def test_histories_are_in_order_of_time_and_ties_keep_theirs(
    rows: list[tuple[int, int]], unit: int
) -> None:
    owner, time = columns(rows)
    found = order_by_history(owner, time * unit, 7)  # 2^60: too wide for one packed key
    np.testing.assert_array_equal(found, np.lexsort((time, owner)))


@pytest.mark.parametrize("shuffled", [False, True])
def test_many_rows_are_sorted_as_numpy_does(shuffled: bool) -> None:
    rng = np.random.default_rng(0)
    owner = rng.integers(0, 500, 20_000)
    time = np.sort(rng.integers(10**9, 10**9 + 5_000, len(owner)))
    if shuffled:
        time = rng.permutation(time)
    np.testing.assert_array_equal(order_by_history(owner, time, 500), np.lexsort((time, owner)))
