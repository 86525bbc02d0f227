"""Metrics of single papers: by hand, against a walk down one list, at the edges."""

from collections import Counter
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewrec_cli.metric.base import RankedLists
from fewrec_cli.metric.further import FURTHER
from fewrec_cli.metric.order import rank
from tests.contracts import MetricContract
from tests.metric.test_ranking import lists, random_lists
from tests.metric.whole import score_tasks


def figure(name, given_lists, k, no_positive="skip"):
    return FURTHER[name](rank(given_lists, k, 0), k, no_positive)


class FurtherContract(MetricContract):
    name: ClassVar[str]

    def figure(self, lists, k, no_positive):
        return figure(self.name, lists, k, no_positive)


class TestNdcgBinary(FurtherContract):
    name = "ndcg_binary"


class TestPrecisionMulti(FurtherContract):
    name = "precision_multi"


class TestMapMulti(FurtherContract):
    name = "map_multi"


def test_every_metric_has_its_contract() -> None:
    assert {contract.name for contract in FurtherContract.__subclasses__()} == set(FURTHER)


def walk(score, rating, k):
    """Walk down one list as the paper's code does, taking found ratings out of the multiset."""
    cut = min(k, len(score))
    left = Counter(sorted(rating.tolist(), reverse=True)[:k])
    hits, total = 0, 0.0
    for place, column in enumerate(np.argsort(-score)[:cut]):
        if left[rating[column]] > 0:
            left[rating[column]] -= 1
            hits += 1
            total += hits / (place + 1)
    return hits / cut, total / cut


# stars in the order of the scores: 4, 3, 4, 5, 4, 1; the three highest: 5, 4, 4
BY_HAND = [
    ("precision_multi", 1, 0.0),
    ("precision_multi", 2, 1 / 2),
    ("precision_multi", 3, 2 / 3),
    ("precision_multi", 4, 3 / 4),  # highest four: 5, 4, 4, 4
    ("precision_multi", 6, 1.0),
    ("map_multi", 3, (1 + 2 / 3) / 3),
    ("map_multi", 4, (1 + 2 / 3 + 3 / 4) / 4),
    ("ndcg_binary", 1, 1.0),
    ("ndcg_binary", 2, 1 / (1 + 1 / np.log2(3))),
    ("ndcg_binary", 3, (1 + 1 / 2) / (1 + 1 / np.log2(3) + 1 / 2)),
]


@pytest.mark.parametrize(("name", "k", "expected"), BY_HAND)
def test_figure_worked_out_by_hand(name, k, expected) -> None:
    one = lists([6, 5, 4, 3, 2, 1], [4, 3, 4, 5, 4, 1])
    assert figure(name, one, k)[0] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 14))
def test_all_tasks_at_once_equal_a_walk_down_one_list_after_another(seed, k) -> None:
    many = random_lists(seed, tasks=20)
    expected = [
        walk(score[mask], rating[mask], k)
        for score, rating, mask in zip(many.score, many.rating, many.mask, strict=True)
    ]
    precision, average = (figure(name, many, k) for name in ("precision_multi", "map_multi"))
    np.testing.assert_allclose(np.stack([precision, average], axis=1), expected, atol=1e-12)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_binary_gain_equals_scikit_learn_s(k) -> None:
    from sklearn.metrics import ndcg_score

    many = random_lists(3, padded=False)
    some = many.relevant.any(axis=1)
    found = figure("ndcg_binary", many, k)
    for task in np.flatnonzero(some):
        expected = ndcg_score(many.relevant[[task]], many.score[[task]], k=k)
        assert found[task] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(found[~some]).all()


def test_which_of_equally_rated_items_stands_first_does_not_matter() -> None:
    stars = np.array([[5.0, 4.0, 4.0, 4.0, 2.0, 1.0]])
    for score in ([6, 5, 4, 3, 2, 1], [6, 3, 4, 5, 2, 1], [6, 4, 5, 3, 2, 1]):
        assert figure("precision_multi", lists(score, stars), 3)[0] == 1
        assert figure("map_multi", lists(score, stars), 3)[0] == 1


def test_list_shorter_than_k_is_cut_at_its_end_and_an_empty_one_follows_the_policy() -> None:
    short = lists([3.0, 2.0, 1.0, 9.0], [5, 1, 3, 0], mask=[True, True, True, False])
    assert figure("precision_multi", short, 10)[0] == 1
    assert figure("map_multi", short, 10)[0] == 1
    empty = lists([1.0, 2.0], [0, 0], mask=[False, False])
    for policy, expected in (("skip", np.nan), ("zero", 0.0), ("one", 1.0)):
        for name in FURTHER:
            np.testing.assert_equal(figure(name, empty, 3, policy), [expected])


def test_they_are_computed_where_asked_for_only() -> None:
    many: RankedLists = random_lists(0)
    words = {"k": (3, 5), "no_positive": "skip", "seed": 0}
    assert not set(FURTHER) & {
        name.partition("@")[0] for name in score_tasks(many, None, **words).figures
    }
    asked = score_tasks(many, None, **words, further=("map_multi", "ndcg_binary")).figures
    assert {"map_multi@3", "map_multi@5", "ndcg_binary@3", "ndcg_binary@5"} < set(asked)
    assert "precision_multi@3" not in asked
