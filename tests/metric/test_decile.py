"""Deciles: ties share one, none depends on an order, and sums equal a hand-written loop."""

import math
from itertools import product

import numpy as np
import pytest

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.core.types import Scale
from fewrec_cli.metric.base import RatedQueries
from fewrec_cli.metric.decile import (
    SUMS,
    Tenth,
    deciles,
    popularity_deciles,
    split_errors,
    tenths,
)


@pytest.mark.parametrize("n", [10, 20, 30, 200])
def test_different_values_fall_into_equal_tenths(n: int) -> None:
    values = np.random.default_rng(0).permutation(n) * 7
    found = deciles(values)
    assert np.bincount(found).tolist() == [0, *[n // 10] * 10]
    assert (np.diff(found[np.argsort(values)]) >= 0).all()


def test_fewer_members_than_tenths_are_spread() -> None:
    assert deciles(np.array([3, 1, 2])).tolist() == [9, 2, 5]
    assert deciles(np.array([8])).tolist() == [5]


def by_hand(values: list[float]) -> list[int]:
    """Go up the ranks; a tie stands where the middle of its ranks does."""
    ranks = sorted(values)
    found = []
    for value in values:
        own = [place for place, other in enumerate(ranks) if other == value]
        middle = (own[0] + own[-1] + 1) / 2  # of 0 .. n
        found.append(max(1, math.ceil(round(10 * middle / len(values), 9))))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_ties_share_the_decile_of_the_middle_of_their_ranks(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 4 * (seed + 1), 45)
    assert deciles(values).tolist() == by_hand(values.tolist())


def test_a_tie_across_a_border_is_not_torn() -> None:
    values = np.array([0, 1, 2, 2, 4, 5, 6, 7, 8, 9])
    assert deciles(values).tolist() == [1, 2, 3, 3, 5, 6, 7, 8, 9, 10]
    assert [one.members for one in tenths(values, deciles(values))][2:4] == [2, 0]


def test_members_in_another_order_keep_their_deciles() -> None:
    random = np.random.default_rng(1)
    values, order = random.integers(0, 9, 60), random.permutation(60)
    assert (deciles(values)[order] == deciles(values[order])).all()


def test_unseen_items_stand_apart_and_shift_no_border() -> None:
    seen = np.arange(1, 31)
    found = popularity_deciles(np.concatenate([np.zeros(7, int), seen]))
    assert found[:7].tolist() == [0] * 7
    assert (found[7:] == deciles(seen)).all()
    assert popularity_deciles(np.zeros(3, int)).tolist() == [0, 0, 0]


def test_tenths_tell_borders_and_empty_ones_are_null() -> None:
    values = np.array([0, 0, 5, 5, 5, 5])
    told = tenths(values, popularity_deciles(values))
    assert told[0] == Tenth(0, 0.0, 0.0, 2)
    assert told[5] == Tenth(5, 5.0, 5.0, 4)
    assert told[1] == Tenth(1, None, None, 0)
    assert [one.decile for one in told] == list(range(11))
    assert tenths(np.arange(1, 4), deciles(np.arange(1, 4)))[0].decile == 1


def queries(*, decoded: bool) -> tuple[RatedQueries, np.ndarray]:
    random = np.random.default_rng(3)
    shape = (25, 7)
    stars = random.integers(1, 6, shape).astype(float)
    mask = np.arange(7) < random.integers(0, 8, 25)[:, None]
    expected = stars + random.normal(0, 2.0, shape)
    answer = random.integers(1, 6, shape).astype(float) if decoded else None
    return RatedQueries(expected, stars, mask, Scale(1, 5), 4.0, answer), random.integers(
        0, 11, shape
    )


@pytest.mark.parametrize("decoded", [False, True])
def test_sums_equal_a_loop_over_cells(decoded: bool) -> None:
    rated, decile = queries(decoded=decoded)
    expected: dict[tuple[int, int], list[float]] = {}
    for task, column in product(range(25), range(7)):
        if not rated.mask[task, column]:
            continue
        truth = rated.rating[task, column]
        said = min(5.0, max(1.0, rated.expected[task, column]))
        level = math.floor(said + 0.5) if rated.decoded is None else rated.decoded[task, column]
        own = expected.setdefault((task, int(decile[task, column])), [0, 0.0, 0.0, 0.0])
        for place, value in enumerate((1, abs(said - truth), abs(level - truth), said - truth)):
            own[place] += value
    found = split_errors(rated, rated.mask, decile)
    keys = list(zip(found["task"].tolist(), found["item"].tolist(), strict=True))
    assert keys == sorted(expected)
    for line, key in enumerate(keys):
        sums = [found[name][line] for name in ("ratings", *SUMS)]
        assert sums == pytest.approx(expected[key])


def test_a_row_that_only_ranks_has_counts_and_no_sums() -> None:
    rated, decile = queries(decoded=False)
    found, other = (split_errors(given, rated.mask, decile) for given in (None, rated))
    for name in ("task", "item", "ratings"):
        assert (found[name] == other[name]).all()
    assert all(np.isnan(found[name]).all() for name in SUMS)


def test_arrays_of_different_shapes_are_refused() -> None:
    rated, decile = queries(decoded=False)
    with pytest.raises(ShapeError, match="query arrays"):
        split_errors(rated, rated.mask, decile[:, 1:])
    with pytest.raises(ShapeError, match="2 values of 3 members"):
        tenths(np.arange(2), np.arange(3))
