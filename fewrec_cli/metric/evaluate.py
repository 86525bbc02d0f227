"""The one door of the evaluation: all metrics of one row of the table on one draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.core.types import FloatArray, IntArray
from fewrec_cli.metric import rating
from fewrec_cli.metric.alone import Alone, auc_of_users
from fewrec_cli.metric.auc import auc, auc_user
from fewrec_cli.metric.base import (
    NoPositive,
    RankedLists,
    RatedQueries,
    check_finite,
    mean_defined,
)
from fewrec_cli.metric.further import FURTHER, Further
from fewrec_cli.metric.lists import Catalogue, coverage, list_columns
from fewrec_cli.metric.order import rank
from fewrec_cli.metric.ranking import AT_K
from fewrec_cli.metric.statistics import mean_sd

RATING_METRICS = (
    "mae",
    "mae_median",
    "rmse",
    "rmse_user",
    "accuracy",
    "interval_coverage",
    "interval_width",
)
"""Undefined (None) for implicit data and for rows that only rank."""


@dataclass(frozen=True)
class Block:
    """Some consecutive tasks of one draw, scored; ``gather`` makes a draw's figures of blocks.

    Attributes:
        columns: Figure of each task by metric, NaN where undefined, each ``(tasks,)``.
        n_query: Query rows of each task, ``(tasks,)``.
        positive: Scores of the positives, for the pooled AUC, ``(positives,)``.
        negative: Scores of the negatives, 8 bytes each, ``(negatives,)``.
        length: Candidates of each task, ``(tasks,)``.
        top: Recommended items, -1 beyond a list's end, ``(tasks, depth)``; None without catalogue.
        n_items: Items of the catalogue, 0 without one.
        k: Cut-offs.
        alone: The tasks' candidates where each has one, else None.
    """

    columns: Mapping[str, FloatArray]
    n_query: IntArray
    positive: FloatArray
    negative: FloatArray
    length: IntArray
    top: IntArray | None
    n_items: int
    k: tuple[int, ...]
    alone: Alone | None = None


@dataclass(frozen=True)
class PerTask:
    """One row of the table on one draw.

    Attributes:
        columns: Figure of each task by metric, NaN where undefined, each ``(tasks,)``. With the
            number of query rows, ``rating.aggregate`` makes each draw's figure from them; only
            ``auc`` and ``coverage@k`` speak of all tasks at once and have no column. ``rmse`` holds
            each task's own, the same as ``rmse_user``: their aggregates differ.
        figures: The draw's figure by metric in the order shown, None where undefined.
        shorter: Number of tasks whose list is shorter than k, by k; only k where there are any.
        alone: The tasks' candidates where each has one, else None: metrics at k are then undefined,
            a user's first task holds the ``auc_user`` of all the user's tasks together, and each of
            them holds it as ``gauc``.
    """

    columns: Mapping[str, FloatArray]
    figures: Mapping[str, float | None]
    shorter: Mapping[int, int]
    alone: Alone | None = None


@dataclass(frozen=True)
class Spread:
    """One metric over draws: mean and standard deviation (ddof 1), None where undefined."""

    mean: float | None
    sd: float | None


def score_block(
    lists: RankedLists,
    rated: RatedQueries | None,
    *,
    k: Sequence[int],
    no_positive: NoPositive,
    seed: int,
    start: int = 0,
    catalogue: Catalogue | None = None,
    further: Sequence[Further] = (),
    n_query: IntArray | None = None,
) -> Block:
    """Compute every metric of one row of the table for some tasks of one draw.

    Args:
        lists: Scored candidates; ``item`` is needed with a catalogue.
        rated: Predicted ratings of the query rows of the same tasks; None for implicit data and
            for rows that only rank (popularity, random): rating metrics are then undefined.
        k: Cut-offs.
        no_positive: What a task without a positive counts as in metrics at k.
        seed: Seed of the ties; give all rows of one draw the same.
        start: Position of the first task in the draw; no figure depends on how it is cut.
        catalogue: Facts for coverage, novelty, diversity and popularity bias; None leaves them out.
        further: Ranking metrics beside the usual ones.
        n_query: Query rows of each task, ``(tasks,)``; None takes those of ``rated``, without it
            all candidates.

    Raises:
        RunError: A score or predicted rating is NaN or infinite.
        ShapeError: ``lists`` and ``rated`` differ in tasks, or ``item`` is missing.
    """
    if rated is not None and len(rated.rating) != len(lists.score):
        raise ShapeError(
            f"{len(lists.score):,} ranked lists but query rows of {len(rated.rating):,} tasks",
            "give one row of each per task",
        )
    ranking = rank(lists, max(k), seed, start)
    columns = _rating_columns(rated, len(lists.score))
    for name, metric in [*AT_K.items(), *((word, FURTHER[word]) for word in further)]:
        columns |= {f"{name}@{cut}": metric(ranking, cut, no_positive) for cut in k}
    columns["auc_user"] = columns["gauc"] = auc_user(lists)
    if catalogue is not None:
        columns |= list_columns(ranking.item, _items(lists), k, catalogue)
    alone = None
    if lists.score.shape[1] == 1 and lists.mask.all():
        alone = Alone(lists.score[:, 0], lists.relevant[:, 0])
        for name in [name for name in columns if "@" in name]:
            columns[name] = np.full(len(lists.score), np.nan)
    if n_query is None:
        n_query = np.count_nonzero(lists.mask if rated is None else rated.mask, axis=1)
    return Block(
        columns=columns,
        n_query=n_query,
        positive=lists.score[lists.relevant & lists.mask],
        negative=lists.score[~lists.relevant & lists.mask],
        length=ranking.length,
        top=None if catalogue is None else ranking.item,
        n_items=0 if catalogue is None else len(catalogue.popularity),
        k=tuple(k),
        alone=alone,
    )


def gather(blocks: Sequence[Block], user: IntArray | None = None) -> PerTask:
    """Return the figures of a draw from the blocks of its tasks, in their order (at least one).

    Args:
        blocks: Consecutive tasks.
        user: Whose tasks they are, ``(tasks,)``; None: each of another user.
    """
    first = blocks[0]
    columns = {
        name: np.concatenate([block.columns[name] for block in blocks]) for name in first.columns
    }
    n_query = np.concatenate([block.n_query for block in blocks])
    figures = {name: rating.aggregate(name, column, n_query) for name, column in columns.items()}
    figures["auc"] = auc(
        np.concatenate([block.positive for block in blocks]),
        np.concatenate([block.negative for block in blocks]),
    )
    tops = [block.top for block in blocks if block.top is not None]
    if tops:
        top = np.concatenate(tops)
        figures |= {f"coverage@{cut}": coverage(top[:, :cut], first.n_items) for cut in first.k}
    parts = [block.alone for block in blocks if block.alone is not None]
    if len(parts) == len(blocks):
        alone = Alone.joined(parts)
        owner = np.arange(len(n_query)) if user is None else user
        columns["auc_user"], columns["gauc"] = auc_of_users(alone, owner)
        for name in ("auc_user", "gauc"):
            figures[name] = mean_defined(columns[name])
        return PerTask(columns, figures, {}, alone)
    length = np.concatenate([block.length for block in blocks])
    shorter = {cut: int(np.count_nonzero(length < cut)) for cut in first.k}
    return PerTask(columns, figures, {cut: count for cut, count in shorter.items() if count})


def summarise(per_draw: Sequence[PerTask]) -> dict[str, Spread]:
    """Return mean and sd over draws of each metric, in the order shown.

    Draws on which a metric is undefined are left out of it; the sd of one draw is None.
    """
    names = per_draw[0].figures
    return {name: Spread(*mean_sd([draw.figures[name] for draw in per_draw])) for name in names}


def _rating_columns(rated: RatedQueries | None, tasks: int) -> dict[str, FloatArray]:
    if rated is None:
        return {name: np.full(tasks, np.nan) for name in RATING_METRICS}
    check_finite(rated.expected, rated.mask, "predicted ratings")
    if rated.decoded is not None:
        check_finite(rated.decoded, rated.mask, "decoded ratings")
    if rated.low is not None and rated.high is not None:
        check_finite(rated.high - rated.low, rated.mask, "interval widths")
    root = rating.rmse(rated)
    return {
        "mae": rating.mae(rated),
        "mae_median": rating.mae_median(rated),
        "rmse": root,
        "rmse_user": root,
        "accuracy": rating.accuracy(rated),
        "interval_coverage": rating.interval_coverage(rated),
        "interval_width": rating.interval_width(rated),
    }


def _items(lists: RankedLists) -> IntArray:
    if lists.item is None:
        raise ShapeError(
            "the candidates' items are missing, which coverage and novelty need",
            "give RankedLists its item, or leave out the catalogue",
        )
    return np.where(lists.mask, lists.item, -1)
