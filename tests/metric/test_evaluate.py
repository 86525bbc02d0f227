"""The door of the evaluation: all metrics of a row, in blocks or whole, over draws."""

from dataclasses import replace

import numpy as np
import pytest

from fewrec_cli.core.errors import RunError, ShapeError
from fewrec_cli.core.types import Scale
from fewrec_cli.metric.base import RankedLists, RatedQueries
from fewrec_cli.metric.evaluate import gather, score_block, summarise
from fewrec_cli.metric.lists import Catalogue
from fewrec_cli.metric.rating import aggregate
from fewrec_cli.metric.settings import shown_metrics
from tests.metric.whole import score_tasks

K = (1, 3, 5, 10)
WORDS = {"k": K, "no_positive": "skip", "seed": 4}
CATALOGUE = Catalogue(np.arange(60), 100, None)


def draw(seed=0, tasks=30, width=8):
    random = np.random.default_rng(seed)
    stars = random.integers(1, 6, (tasks, width)).astype(float)
    mask = np.arange(width) < random.integers(1, width + 1, tasks)[:, None]
    expected = np.round(stars + random.normal(0, 1.5, stars.shape), 1)
    item = random.integers(0, 60, stars.shape)
    lists = RankedLists(expected, stars, stars >= 4, mask, item)
    return lists, RatedQueries(expected, stars, mask, Scale(1, 5), 4.0)


def part(lists, rated, rows):
    columns = ("score", "rating", "relevant", "mask", "item")
    return (
        replace(lists, **{name: getattr(lists, name)[rows] for name in columns}),
        replace(
            rated, **{name: getattr(rated, name)[rows] for name in ("expected", "rating", "mask")}
        ),
    )


def test_every_shown_metric_has_a_figure() -> None:
    figures = score_tasks(*draw(), **WORDS).figures
    assert all(figures[name] is not None for name in shown_metrics(K, implicit=False))
    assert list(figures)[:5] == ["mae", "mae_median", "rmse", "rmse_user", "accuracy"]


def test_columns_rebuild_every_figure_that_is_not_pooled() -> None:
    lists, rated = draw()
    scored = score_tasks(lists, rated, **WORDS, catalogue=CATALOGUE)
    n_query = rated.mask.sum(axis=1)
    for name, column in scored.columns.items():
        assert len(column) == 30
        assert aggregate(name, column, n_query) == scored.figures[name]
    pooled = {"auc", *(f"coverage@{k}" for k in K)}
    assert set(scored.figures) - set(scored.columns) == pooled


def test_no_figure_depends_on_how_tasks_are_cut_into_blocks() -> None:
    lists, rated = draw()
    lists = replace(lists, score=np.round(lists.score))  # with ties
    whole = score_tasks(lists, rated, **WORDS, catalogue=CATALOGUE)
    blocks = [
        score_block(*part(lists, rated, slice(a, b)), **WORDS, start=a, catalogue=CATALOGUE)
        for a, b in ((0, 7), (7, 8), (8, 30))
    ]
    cut = gather(blocks)
    assert cut.figures == whole.figures
    for name, column in whole.columns.items():
        np.testing.assert_array_equal(column, cut.columns[name])
    assert cut.shorter == whole.shorter


def test_row_that_only_ranks_has_no_rating_figures() -> None:
    scored = score_tasks(draw()[0], None, **WORDS)
    for name in ("mae", "mae_median", "rmse", "rmse_user", "accuracy"):
        assert scored.figures[name] is None
        assert np.isnan(scored.columns[name]).all()
    assert scored.figures["ndcg@5"] is not None


def test_metric_undefined_for_all_tasks_is_none() -> None:
    lists, _ = draw()
    nobody = replace(lists, relevant=np.zeros_like(lists.relevant))
    figures = score_tasks(nobody, None, **WORDS).figures
    assert figures["recall@5"] is None
    assert figures["auc"] is None
    assert figures["auc_user"] is None


def test_lists_shorter_than_k_are_counted() -> None:
    lists, rated = draw()
    length = rated.mask.sum(axis=1)
    counts = {k: int((length < k).sum()) for k in K}
    expected = {k: count for k, count in counts.items() if count}
    assert score_tasks(lists, rated, **WORDS).shorter == expected


def test_oracle_is_best_and_constant_is_chance() -> None:
    lists, rated = draw(tasks=200)
    best = replace(lists, score=lists.rating), replace(rated, expected=rated.rating)
    figures = score_tasks(*best, **WORDS).figures
    assert (figures["mae"], figures["rmse"], figures["ndcg@5"]) == (0, 0, pytest.approx(1))
    assert (figures["auc"], figures["auc_user"], figures["accuracy"]) == (1, 1, 1)
    constant = replace(lists, score=np.zeros_like(lists.score))
    chance = score_tasks(constant, None, **WORDS).figures
    assert (chance["auc"], chance["auc_user"]) == (0.5, 0.5)


def test_ranking_uses_the_score_before_clipping() -> None:
    lists = RankedLists(
        np.array([[6.0, 7.0]]),
        np.array([[4.0, 5.0]]),
        np.array([[True, True]]),
        np.ones((1, 2), bool),
    )
    rated = RatedQueries(lists.score, lists.rating, lists.mask, Scale(1, 5), 4.0)
    for seed in range(8):
        figures = score_tasks(lists, rated, k=(1,), no_positive="skip", seed=seed).figures
        assert figures["ndcg@1"] == 1
        assert figures["mae"] == 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predicted_rating_that_is_no_number_is_refused(value) -> None:
    lists, rated = draw()
    expected = rated.expected.copy()
    expected[0, 0] = value
    with pytest.raises(RunError, match="predicted ratings are NaN or infinite"):
        score_tasks(lists, replace(rated, expected=expected), **WORDS)
    with pytest.raises(RunError, match="decoded ratings"):
        score_tasks(lists, replace(rated, decoded=expected), **WORDS)


def test_arrays_of_different_tasks_or_without_items_are_refused() -> None:
    lists, rated = draw()
    with pytest.raises(ShapeError, match="30 ranked lists but query rows of 5 tasks"):
        score_tasks(lists, part(lists, rated, slice(5))[1], **WORDS)
    with pytest.raises(ShapeError, match="items are missing"):
        score_tasks(replace(lists, item=None), rated, **WORDS, catalogue=CATALOGUE)


def test_summary_over_draws() -> None:
    draws = [score_tasks(*draw(seed), **WORDS) for seed in range(4)]
    values = [one.figures["mae"] for one in draws]
    summary = summarise(draws)
    assert list(summary) == list(draws[0].figures)
    assert summary["mae"].mean == pytest.approx(np.mean(values))
    assert summary["mae"].sd == pytest.approx(np.std(values, ddof=1))
    assert summarise(draws[:1])["mae"].sd is None


def test_summary_of_an_undefined_metric_is_undefined() -> None:
    summary = summarise([score_tasks(draw()[0], None, **WORDS)] * 3)
    assert (summary["mae"].mean, summary["mae"].sd) == (None, None)


def test_input_is_left_untouched() -> None:
    lists, rated = draw()
    before = [np.copy(column) for column in (lists.score, lists.rating, lists.mask, rated.expected)]
    score_tasks(lists, rated, **WORDS, catalogue=CATALOGUE)
    after = (lists.score, lists.rating, lists.mask, rated.expected)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
