"""AUC over tasks of one candidate: against pairs counted by hand, and bootstraps by repetition."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fewrec_cli.core.types import FloatArray, IntArray
from fewrec_cli.metric.alone import Alone, auc_of_users, compare_auc
from fewrec_cli.metric.base import RankedLists
from fewrec_cli.metric.evaluate import gather, score_block
from tests.metric.whole import score_tasks


def drawn(seed: int, tasks: int = 120, users: int = 8) -> tuple[Alone, Alone, IntArray]:
    """Return two rows of the same tasks, the first of them better, with ties."""
    random = np.random.default_rng(seed)
    relevant = random.random(tasks) < 0.5
    good = np.round(relevant + random.normal(0, 1, tasks), 1)
    poor = np.round(random.normal(0, 1, tasks), 1)
    user = random.integers(0, users, tasks) * 10
    return Alone(good, relevant), Alone(poor, relevant), user


def pairs(score: FloatArray, relevant: np.ndarray) -> float:
    won = [(up > down) + 0.5 * (up == down) for up in score[relevant] for down in score[~relevant]]
    return float(np.mean(won))


def pairs_fast(score: FloatArray, relevant: np.ndarray) -> float:
    up, down = score[relevant][:, None], score[~relevant]
    return float(((up > down) + 0.5 * (up == down)).mean())


def test_the_first_task_of_each_user_has_the_auc_of_all_of_them() -> None:
    alone, _, user = drawn(0)
    column, everywhere = auc_of_users(alone, user)
    for one in np.unique(user):
        mine = np.flatnonzero(user == one)
        expected = pairs(alone.score[mine], alone.relevant[mine])
        assert column[mine[0]] == pytest.approx(expected)
        assert np.isnan(column[mine[1:]]).all()
        assert everywhere[mine] == pytest.approx(np.full(len(mine), expected))


def test_a_user_of_one_class_is_left_out() -> None:
    alone = Alone(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, True, False]))
    column, everywhere = auc_of_users(alone, np.array([7, 7, 1, 1]))
    np.testing.assert_array_equal(column, [np.nan, np.nan, 0.0, np.nan])
    np.testing.assert_array_equal(everywhere, [np.nan, np.nan, 0.0, 0.0])


def test_gauc_weighs_users_by_their_tasks() -> None:
    alone, _, user = drawn(4)
    lists = RankedLists(
        alone.score[:, None],
        5.0 * alone.relevant[:, None],
        alone.relevant[:, None],
        np.ones((len(user), 1), dtype=bool),
    )
    block = score_block(lists, None, k=(1,), no_positive="skip", seed=0)
    total = weight = 0.0
    for one in np.unique(user):
        mine = user == one
        if 0 < alone.relevant[mine].sum() < mine.sum():
            total += mine.sum() * roc_auc_score(alone.relevant[mine], alone.score[mine])
            weight += mine.sum()
    assert gather([block], user).figures["gauc"] == pytest.approx(total / weight)


def test_the_difference_is_that_of_two_aucs() -> None:
    first, second, user = drawn(1)
    found = compare_auc([first, second], [second, second], user, resamples=200, seed=0)
    assert found is not None
    expected = [roc_auc_score(one.relevant, one.score) for one in (first, second)]
    assert found.difference == pytest.approx((expected[0] - expected[1]) / 2)
    assert found.users == 8


def test_the_interval_is_that_of_users_repeated_by_hand() -> None:
    first, second, user = drawn(2)
    found = compare_auc([first], [second], user, resamples=2000, seed=0)
    random, users, by_hand = np.random.default_rng(5), np.unique(user), []
    for _ in range(1000):
        rows = np.concatenate([np.flatnonzero(user == u) for u in random.choice(users, len(users))])
        liked = first.relevant[rows]
        values = [pairs_fast(one.score[rows], liked) for one in (first, second)]
        by_hand.append(values[0] - values[1])
    low, high = np.quantile(by_hand, [0.025, 0.975])
    assert found is not None
    assert found.low == pytest.approx(low, abs=0.015)
    assert found.high == pytest.approx(high, abs=0.015)
    assert found.p < 0.01


def test_no_difference_has_a_large_p() -> None:
    first, _, user = drawn(3)
    found = compare_auc([first], [first], user, resamples=100, seed=0)
    assert found is not None
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_one_user_or_one_class_cannot_be_compared() -> None:
    first, second, user = drawn(4)
    none = np.zeros_like(user)
    assert compare_auc([first], [second], none, resamples=10, seed=0) is None
    liked = Alone(first.score, np.ones(len(user), bool))
    assert compare_auc([liked], [liked], user, resamples=10, seed=0) is None


def test_lists_of_one_have_no_metrics_at_k() -> None:
    alone, _, _ = drawn(5)
    shape = (len(alone.score), 1)
    lists = RankedLists(
        alone.score[:, None], np.ones(shape), alone.relevant[:, None], np.ones(shape, bool)
    )
    found = score_tasks(lists, None, k=(1, 5), no_positive="skip", seed=0)
    assert found.figures["ndcg@5"] is None
    assert found.figures["auc"] == pytest.approx(roc_auc_score(alone.relevant, alone.score))
    assert found.figures["auc_user"] is None
    assert found.shorter == {}
    assert found.alone is not None
