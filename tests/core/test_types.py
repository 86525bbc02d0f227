"""Interactions: rows taken in any order, as numpy takes them."""

import numpy as np
import pytest

from fewrec_cli.core.types import Interactions

ROWS = Interactions(np.arange(6), np.arange(6) + 10, np.arange(6) / 2, np.arange(6) + 100)


@pytest.mark.parametrize("rows", [[], [2, 3, 4], [4, 3], [0, 2], [-1], [-2, -1], [5]])
def test_rows_are_taken_as_numpy_takes_them(rows: list[int]) -> None:
    wanted = np.array(rows, np.int64)
    taken = ROWS.take(wanted)
    np.testing.assert_array_equal(taken.user, ROWS.user[wanted])
    np.testing.assert_array_equal(taken.item, ROWS.item[wanted])
    np.testing.assert_array_equal(taken.rating, ROWS.rating[wanted])
    np.testing.assert_array_equal(taken.timestamp, ROWS.timestamp[wanted])


def test_rows_that_follow_one_another_are_not_copied() -> None:
    assert np.shares_memory(ROWS.take(np.array([1, 2])).rating, ROWS.rating)
    assert not np.shares_memory(ROWS.take(np.array([2, 1])).rating, ROWS.rating)
