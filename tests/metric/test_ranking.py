"""Metrics of the top of a list: by hand, against other implementations, at the edges."""

import warnings
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewrec_cli.core.errors import RunError, ShapeError
from fewrec_cli.metric.base import RankedLists
from fewrec_cli.metric.order import rank
from fewrec_cli.metric.ranking import AT_K
from tests.contracts import MetricContract
from tests.metric.reference import metrics_at_k


def lists(score, rating, positive=4.0, mask=None):
    score, rating = np.atleast_2d(np.array(score, float)), np.atleast_2d(np.array(rating, float))
    mask = np.ones(score.shape, bool) if mask is None else np.atleast_2d(mask)
    return RankedLists(score, rating, rating >= positive, mask)


def random_lists(seed, tasks=40, width=12, *, padded=True):
    random = np.random.default_rng(seed)
    score = random.permuted(np.tile(np.arange(width) / 7.0, (tasks, 1)), axis=1)
    rating = random.integers(1, 6, (tasks, width)).astype(float)
    length = random.integers(1, width + 1, tasks) if padded else np.full(tasks, width)
    mask = random.permuted(np.arange(width) < length[:, None], axis=1)
    return lists(score, rating, mask=mask)


def figure(name, given_lists, k, no_positive="skip", seed=0):
    return AT_K[name](rank(given_lists, k, seed), k, no_positive)


class RankingContract(MetricContract):
    name: ClassVar[str]

    def figure(self, lists, k, no_positive):
        return figure(self.name, lists, k, no_positive)


class TestNdcg(RankingContract):
    name = "ndcg"


class TestNdcgExp(RankingContract):
    name = "ndcg_exp"


class TestPrecision(RankingContract):
    name = "precision"


class TestRecall(RankingContract):
    name = "recall"


class TestF1(RankingContract):
    name = "f1"


class TestHit(RankingContract):
    name = "hit"


class TestMrr(RankingContract):
    name = "mrr"


class TestMap(RankingContract):
    name = "map"


def test_every_metric_has_its_contract() -> None:
    assert {contract.name for contract in RankingContract.__subclasses__()} == set(AT_K)


# one list of five; stars in the order of the scores: 3, 5, 1, 4, 2; positives at ranks 2 and 4
BY_HAND = [
    ("ndcg", 1, 3 / 5),
    ("ndcg", 3, (3 + 5 / np.log2(3) + 0.5) / (5 + 4 / np.log2(3) + 1.5)),
    ("ndcg_exp", 1, 7 / 31),
    ("ndcg_exp", 2, (7 + 31 / np.log2(3)) / (31 + 15 / np.log2(3))),
    ("precision", 1, 0.0),
    ("precision", 3, 1 / 3),
    ("precision", 5, 2 / 5),
    ("recall", 1, 0.0),
    ("recall", 3, 1 / 2),
    ("recall", 5, 1.0),
    ("f1", 1, 0.0),
    ("f1", 3, 2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2)),
    ("hit", 1, 0.0),
    ("hit", 2, 1.0),
    ("mrr", 1, 0.0),
    ("mrr", 5, 1 / 2),
    ("map", 1, 0.0),
    ("map", 3, (1 / 2) / 2),
    ("map", 5, (1 / 2 + 2 / 4) / 2),
]


@pytest.mark.parametrize(("name", "k", "expected"), BY_HAND)
def test_figure_worked_out_by_hand(name, k, expected) -> None:
    one = lists([0.1, 0.9, 0.5, 0.7, 0.3], [2, 3, 1, 5, 4])
    assert figure(name, one, k)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5, 12, 20])
@pytest.mark.parametrize("seed", range(5))
def test_all_tasks_at_once_equal_one_list_after_another(seed, k) -> None:
    many = random_lists(seed)
    rows = [
        metrics_at_k(score[mask], rating[mask], relevant[mask], k)
        for score, rating, relevant, mask in zip(
            many.score, many.rating, many.relevant, many.mask, strict=True
        )
    ]
    for name in AT_K:
        expected = [np.nan if row[name] is None else row[name] for row in rows]
        np.testing.assert_allclose(figure(name, many, k), expected, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_figures_equal_those_of_torchmetrics(k) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from torchmetrics.functional import retrieval as theirs
    many = random_lists(7, padded=False)
    ours = {name: figure(name, many, k) for name in AT_K}
    for task, (score, rating, relevant) in enumerate(
        zip(many.score, many.rating, many.relevant, strict=True)
    ):
        if not relevant.any():
            continue
        predicted, target = torch.tensor(score), torch.tensor(relevant)
        stars = torch.tensor(rating)
        expected = {
            "ndcg": theirs.retrieval_normalized_dcg(predicted, stars.long(), top_k=k),
            "ndcg_exp": theirs.retrieval_normalized_dcg(predicted, (2**stars - 1).long(), top_k=k),
            "precision": theirs.retrieval_precision(predicted, target, top_k=k, adaptive_k=True),
            "recall": theirs.retrieval_recall(predicted, target, top_k=k),
            "hit": theirs.retrieval_hit_rate(predicted, target, top_k=k),
            "mrr": theirs.retrieval_reciprocal_rank(predicted, target, top_k=k),
        }
        for name, value in expected.items():
            assert ours[name][task] == pytest.approx(float(value), abs=1e-6), (name, task)


def test_figures_equal_those_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score, ndcg_score

    many = random_lists(3, padded=False)
    for k in (1, 5, 12):
        expected = [
            ndcg_score([rating], [score], k=k)
            for rating, score in zip(many.rating, many.score, strict=True)
        ]
        np.testing.assert_allclose(figure("ndcg", many, k), expected, atol=1e-12)
    mean = figure("map", many, 12)
    for task in np.flatnonzero(many.relevant.any(axis=1)):
        expected = average_precision_score(many.relevant[task], many.score[task])
        assert mean[task] == pytest.approx(expected, abs=1e-12)


def test_constant_score_has_the_precision_and_gain_that_chance_gives() -> None:
    stars = np.tile([5.0, 5.0, 5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], (20000, 1))
    constant = lists(np.zeros(stars.shape), stars)
    assert figure("precision", constant, 5).mean() == pytest.approx(0.3, abs=0.005)
    assert figure("ndcg", constant, 1).mean() == pytest.approx(stars[0].mean() / 5, abs=0.015)
    # popularity of positions must not matter: the positives last give the same
    turned = lists(np.zeros(stars.shape), stars[:, ::-1])
    assert figure("precision", turned, 5).mean() == pytest.approx(0.3, abs=0.005)


@pytest.mark.parametrize("name", AT_K)
def test_oracle_scores_one(name) -> None:
    stars = np.array([[5.0, 4.0, 4.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    for k in (1, 2, 3, 5):
        result = figure(name, lists(stars, stars), k)
        if name in {"precision", "recall", "f1"}:  # full only where k is the number of positives
            result = np.array(
                [figure(name, lists(stars, stars), n)[i] for i, n in ((0, 3), (1, 2))]
            )
        np.testing.assert_allclose(result, 1.0, atol=1e-12)


def test_reversed_oracle_puts_the_worst_first() -> None:
    stars = np.array([[5.0, 4.0, 1.0, 1.0]])
    assert figure("ndcg", lists(-stars, stars), 1)[0] == pytest.approx(1 / 5)
    assert figure("hit", lists(-stars, stars), 2)[0] == 0


@pytest.mark.parametrize(("policy", "expected"), [("skip", np.nan), ("zero", 0.0), ("one", 1.0)])
@pytest.mark.parametrize("name", AT_K)
def test_task_without_a_positive_follows_the_named_policy(name, policy, expected) -> None:
    none = RankedLists(
        np.array([[0.3, 0.2], [0.1, 0.9]]),
        np.array([[0.0, 0.0], [0.0, 5.0]]),
        np.array([[False, False], [False, True]]),
        np.ones((2, 2), bool),
    )
    result = figure(name, none, 1, policy)
    np.testing.assert_equal(result, [expected, 1.0])


def test_list_shorter_than_k_is_cut_at_its_end() -> None:
    short = lists([3.0, 2.0, 1.0, 9.0], [5, 1, 5, 5], mask=[True, True, True, False])
    assert figure("precision", short, 10)[0] == pytest.approx(2 / 3)
    assert figure("recall", short, 10)[0] == 1
    assert figure("map", short, 10)[0] == pytest.approx((1 + 2 / 3) / 2)
    np.testing.assert_array_equal(rank(short, 10, 0).index, [[0, 1, 2, -1]])


def test_ties_are_broken_anew_by_another_seed_and_equally_by_the_same() -> None:
    stars = np.tile(np.arange(5.0), (200, 1))
    constant = lists(np.ones(stars.shape), stars)
    first, again, other = (rank(constant, 5, seed).index for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len(np.unique(first, axis=0)) > 50  # tasks do not share one order


@pytest.mark.parametrize("score", ["distinct", "tied"])
def test_partial_selection_equals_a_full_sort(score) -> None:
    random = np.random.default_rng(0)
    shape = (30, 400)
    values = random.normal(size=shape) if score == "distinct" else random.integers(0, 6, shape)
    big = RankedLists(
        values.astype(float),
        random.integers(0, 6, shape).astype(float),
        random.random(shape) < 0.1,
        random.random(shape) < 0.9,
    )
    top, full = rank(big, 7, 5), rank(big, 400, 5)
    np.testing.assert_array_equal(top.index, full.index[:, :7])
    np.testing.assert_array_equal(top.ideal, full.ideal[:, :7])


def test_tasks_in_blocks_are_ordered_as_the_whole() -> None:
    stars = np.tile(np.arange(50.0), (20, 1))
    whole = rank(lists(np.zeros(stars.shape), stars), 5, 3)
    part = rank(lists(np.zeros((8, 50)), stars[12:]), 5, 3, start=12)
    np.testing.assert_array_equal(whole.index[12:], part.index)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_score_that_is_no_number_is_an_error_of_the_run(broken) -> None:
    with pytest.raises(RunError, match="1 of 3 scores are NaN or infinite") as caught:
        rank(lists([1.0, broken, 2.0], [1, 2, 3]), 2, 0)
    assert caught.value.exit_code == 1
    assert len(str(caught.value).splitlines()) == 2


def test_padding_may_hold_anything() -> None:
    padded = lists([1.0, np.nan, 2.0], [5, 1, 4], mask=[True, False, True])
    assert figure("ndcg", padded, 1)[0] == pytest.approx(4 / 5)


def test_arrays_of_different_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match="candidates arrays have shapes"):
        RankedLists(
            np.zeros((2, 3)), np.zeros((2, 2)), np.zeros((2, 3), bool), np.ones((2, 3), bool)
        )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 15), width=st.integers(1, 12))
def test_figures_lie_between_nought_and_one_and_survive_monotone_scores(seed, k, width) -> None:
    many = random_lists(seed, tasks=8, width=width)
    stretched = RankedLists(np.exp(many.score) * 3 - 100, many.rating, many.relevant, many.mask)
    for name in AT_K:
        values = figure(name, many, k)
        defined = values[~np.isnan(values)]
        assert ((defined >= 0) & (defined <= 1 + 1e-12)).all()
        np.testing.assert_array_equal(values, figure(name, stretched, k, seed=99))
