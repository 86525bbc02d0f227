"""The highest-rated query items: by hand, against a loop, and no place preferred at the border."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.metric.base import RankedLists
from fewrec_cli.metric.order import rank
from fewrec_cli.metric.positives import highest_rated, parse_positives
from fewrec_cli.metric.ranking import AT_K


def chosen(rating, key, count, first=None, mask=None):
    rating = np.atleast_2d(np.array(rating, float))
    blank = np.zeros(rating.shape, bool)
    return highest_rated(
        rating,
        ~blank if mask is None else np.atleast_2d(mask),
        blank if first is None else np.atleast_2d(first),
        np.atleast_2d(np.array(key, float)),
        count,
    )[0].tolist()


def test_the_highest_rated_are_positives_and_the_key_decides_the_border() -> None:
    assert chosen([3, 5, 4, 4, 1], [0.1, 0.2, 0.9, 0.3, 0.0], 2) == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert chosen([3, 5, 4, 4, 1], [0.1, 0.2, 0.9, 0.3, 0.0], 3) == [False, True, True, True, False]


def test_named_cells_go_before_others_of_equal_rating_but_not_before_higher_ones() -> None:
    first = [True, False, True, False, True]
    assert chosen([3, 5, 4, 4, 1], [0, 0, 0.9, 0.3, 0], 2, first) == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_padding_is_no_positive_whatever_it_holds() -> None:
    mask = [True, True, False, False]
    assert chosen([1, 2, 5, 5], [0.5, 0.6, 0.1, 0.2], 3, mask=mask) == [True, True, False, False]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 8))
def test_all_tasks_at_once_equal_a_sort_of_one_after_another(seed, count) -> None:
    random = np.random.default_rng(seed)
    rating = random.integers(1, 6, (20, 7)).astype(float)
    key, first = random.random(rating.shape), random.random(rating.shape) < 0.3
    mask = random.random(rating.shape) < 0.8
    found = highest_rated(rating, mask, first, key, count)
    for task in range(20):
        cells = [column for column in range(7) if mask[task, column]]
        cells.sort(key=lambda c: (-rating[task, c], not first[task, c], key[task, c]))
        assert set(np.flatnonzero(found[task]).tolist()) == set(cells[:count])


def test_a_constant_prediction_finds_half_of_five_positives_among_ten() -> None:
    random = np.random.default_rng(0)
    share = [0.06, 0.11, 0.27, 0.34, 0.22]  # of the levels, as in MovieLens
    rating = random.choice(np.arange(1.0, 6.0), (20_000, 10), p=share)
    everywhere, nowhere = np.ones(rating.shape, bool), np.zeros(rating.shape, bool)
    positive = highest_rated(rating, everywhere, nowhere, random.random(rating.shape), 5)
    constant = RankedLists(np.zeros(rating.shape), rating, positive, everywhere)
    found = AT_K["precision"](rank(constant, 5, seed=1), 5, "skip")
    assert found.mean() == pytest.approx(0.5, abs=0.005)  # one task has a deviation of 0.17
    # what happens where labels and predictions both prefer the first places
    by_place = np.broadcast_to(np.arange(10.0), rating.shape)
    first_places = highest_rated(rating, everywhere, nowhere, by_place, 5)
    assert first_places[:, :5].mean() > 0.55


@pytest.mark.parametrize("word", ["top", "top:", "top:0", "top:-1", "top:five", "best", "5"])
def test_other_words_are_refused(word) -> None:
    with pytest.raises(ConfigError, match=f"evaluation.positives={word} is not known"):
        parse_positives(word)


def test_words_are_read() -> None:
    assert parse_positives("threshold").top is None
    assert parse_positives("top:12").top == 12
