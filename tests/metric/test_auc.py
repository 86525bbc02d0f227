"""Area under the ROC curve within tasks and over all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fewrec_cli.core.errors import RunError
from fewrec_cli.metric.auc import auc, auc_user
from fewrec_cli.metric.base import RankedLists
from tests.metric.whole import score_tasks


def lists(score, relevant, mask=None):
    score, relevant = np.atleast_2d(np.array(score, float)), np.atleast_2d(np.array(relevant, bool))
    mask = np.ones(score.shape, bool) if mask is None else np.atleast_2d(np.array(mask, bool))
    return RankedLists(score, relevant * 5.0, relevant, mask)


def pooled(given_lists):
    chosen, relevant = given_lists.mask, given_lists.relevant
    return auc(given_lists.score[chosen & relevant], given_lists.score[chosen & ~relevant])


def test_tied_pairs_count_half() -> None:
    # pairs: (3, 1) right, (3, 3) tied, (2, 1) right, (2, 3) wrong
    assert auc_user(lists([3, 2, 1, 3], [1, 1, 0, 0]))[0] == pytest.approx(2.5 / 4)


def test_constant_is_one_half_oracle_one_reversed_nought() -> None:
    relevant = np.array([[True, False, True, False]])
    assert auc_user(lists(np.zeros((1, 4)), relevant))[0] == 0.5
    assert auc_user(lists(relevant, relevant))[0] == 1
    assert auc_user(lists(~relevant, relevant))[0] == 0


def test_one_class_only_is_undefined() -> None:
    both = lists([[1, 2], [1, 2], [1, 2]], [[1, 1], [0, 0], [0, 1]])
    np.testing.assert_equal(auc_user(both), [np.nan, np.nan, 1.0])
    assert pooled(lists([1, 2], [1, 1])) is None


def test_pooling_compares_scores_of_different_tasks() -> None:
    far = lists([[11, 10], [1, 0]], [[1, 0], [1, 0]])
    np.testing.assert_array_equal(auc_user(far), [1, 1])
    assert pooled(far) == pytest.approx(3 / 4)


def test_gauc_weighs_tasks_by_their_rows_and_leaves_out_one_class() -> None:
    # AUC 1 of two rows, 0.5 of four, and three rows that are all liked
    mask = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0]]
    given_lists = lists(
        [[2, 1, 0, 0], [1, 1, 1, 1], [3, 2, 1, 0]], [[1, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0]], mask
    )
    figures = score_tasks(given_lists, None, k=(1,), no_positive="skip", seed=0).figures
    assert figures["gauc"] == pytest.approx((2 * 1 + 4 * 0.5) / 6)
    assert figures["auc_user"] == pytest.approx(0.75)


def test_gauc_is_that_of_scikit_learn_user_by_user() -> None:
    """PromptRec's own definition: users of one class have no weight."""
    random = np.random.default_rng(3)
    mask = np.arange(12) < random.integers(1, 13, 40)[:, None]
    score, relevant = random.integers(0, 6, mask.shape), random.random(mask.shape) < 0.6
    total = weight = 0.0
    for task, shown in enumerate(mask):
        liked, count = relevant[task, shown], shown.sum()
        if liked.sum() in (0, count):
            continue
        total += count * roc_auc_score(liked, score[task, shown])
        weight += count
    figures = score_tasks(
        lists(score, relevant & mask, mask), None, k=(1,), no_positive="skip", seed=0
    ).figures
    assert weight < mask.sum()
    assert figures["gauc"] == pytest.approx(total / weight)


def test_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(RunError):
        auc_user(lists([np.nan, 1], [1, 0]))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), width=st.integers(1, 20), levels=st.integers(1, 30))
@pytest.mark.slow
def test_figures_equal_those_of_scikit_learn(seed, width, levels) -> None:
    random = np.random.default_rng(seed)
    shape = (10, width)
    many = lists(
        random.integers(0, levels, shape), random.random(shape) < 0.4, random.random(shape) < 0.8
    )
    for task, value in enumerate(auc_user(many)):
        chosen = many.mask[task]
        labels = many.relevant[task][chosen]
        if labels.all() or not labels.any():
            assert np.isnan(value)
        else:
            assert value == pytest.approx(
                roc_auc_score(labels, many.score[task][chosen]), abs=1e-12
            )
    labels = many.relevant[many.mask]
    if labels.any() and not labels.all():
        assert pooled(many) == pytest.approx(
            roc_auc_score(labels, many.score[many.mask]), abs=1e-12
        )
