"""Baselines without learning that a result must beat, for all tasks of a draw at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import FloatArray, IntArray, Interactions
from fewrec_cli.data.totals import TrainTotals
from fewrec_cli.metric.order import cell_keys
from fewrec_cli.scenario.base import Episodes


@dataclass(frozen=True)
class TrainStatistics:
    """What the floors know of the training data; made once per run by ``fit``.

    Attributes:
        global_mean: Mean training rating (stars).
        item_mean: Mean rating of each item (stars), shrunk towards the global mean, which items
            without training ratings keep, ``(n_items,)``.
        popularity: Training interactions of each item, ``(n_items,)``.
        user_shrinkage: Residuals of 0 added to each user's offset, >= 0.
    """

    global_mean: float
    item_mean: FloatArray
    popularity: IntArray
    user_shrinkage: float

    @classmethod
    def fit(
        cls, train: TrainTotals, *, item_shrinkage: float, user_shrinkage: float
    ) -> "TrainStatistics":
        """Average the training interactions (at least one).

        Args:
            train: Counts and sums of what pretraining may see.
            item_shrinkage: Ratings at the global mean added to each item's mean, >= 0.
            user_shrinkage: See the attribute.
        """
        sizes = np.maximum(train.item_count + item_shrinkage, np.finfo(np.float64).tiny)
        means = train.mean + train.item_excess / sizes
        return cls(train.mean, means, train.item_count.astype(np.int64), user_shrinkage)


@dataclass(frozen=True)
class FloorTasks:
    """All tasks of one draw at one support size, as items and stars, padded with item -1.

    Attributes:
        user: The user each task belongs to, ``(tasks,)``.
        support_item: ``(tasks, shots)``.
        support_rating: Stars, ``(tasks, shots)``.
        history_item: Known past of an existing user, ``(tasks, longest history)``.
        history_rating: Stars, ``(tasks, longest history)``.
        seed: Seed of the random order; another one for each draw.
        start: Position of the first task in the draw.
    """

    user: IntArray
    support_item: IntArray
    support_rating: FloatArray
    history_item: IntArray
    history_rating: FloatArray
    seed: int
    start: int = 0

    @classmethod
    def cut(
        cls, rows: Interactions, episodes: Episodes, shots: int | None, seed: int
    ) -> "FloorTasks":
        """Look up the first ``shots`` support rows (None: all) and the history of each task."""
        support, history = episodes.support[:, :shots], episodes.history
        return cls(
            user=episodes.user,
            support_item=np.where(support >= 0, rows.item[support], -1),
            support_rating=np.where(support >= 0, rows.rating[support], 0.0),
            history_item=np.where(history >= 0, rows.item[history], -1),
            history_rating=np.where(history >= 0, rows.rating[history], 0.0),
            seed=seed,
        )

    def part(self, start: int, stop: int) -> "FloorTasks":
        """Return tasks ``start`` to ``stop - 1``, for candidates that come in blocks."""
        return replace(
            self,
            user=self.user[start:stop],
            support_item=self.support_item[start:stop],
            support_rating=self.support_rating[start:stop],
            history_item=self.history_item[start:stop],
            history_rating=self.history_rating[start:stop],
            start=self.start + start,
        )


Predict = Callable[[TrainStatistics, FloorTasks, IntArray], FloatArray]


@dataclass(frozen=True)
class Floor:
    """One row of the table without learning.

    Attributes:
        name: As it stands in the table.
        rates: Whether it predicts stars; if not it only ranks, and rating metrics are null.
        reads_support: Whether its figures change with the number of shots.
        predict: ``predict(train, tasks, item)`` gives the expected rating in stars (where it rates)
            or a score for ``item (tasks, n)``, not clipped to the scale; a finite number also where
            ``item`` is padded.
        kind: ``oracle`` for the noise-free planted rating.
    """

    name: str
    rates: bool
    reads_support: bool
    predict: Predict
    kind: Literal["floor", "oracle"] = "floor"


def floors(*, implicit: bool, pool: bool = False) -> tuple[Floor, ...]:
    """Return the floors in the order of the table; implicit data has no stars to average.

    Args:
        implicit: Whether the data has no ratings.
        pool: Whether what floors know of new items comes from the supports of all tasks, too.
    """
    pooled = "pooled " if pool else ""
    ranking = (
        Floor(f"{pooled}popularity", rates=False, reads_support=pool, predict=popularity),
        Floor("random", rates=False, reads_support=False, predict=random_order),
    )
    if implicit:
        return ranking
    return (
        Floor("global mean", rates=True, reads_support=False, predict=global_mean),
        Floor("support mean", rates=True, reads_support=True, predict=support_mean),
        Floor("support median", rates=True, reads_support=True, predict=support_median),
        Floor(f"{pooled}item mean", rates=True, reads_support=pool, predict=item_mean),
        Floor(
            "pooled mean + user offset" if pool else "item mean + user offset",
            rates=True,
            reads_support=True,
            predict=user_offset,
        ),
        *ranking,
    )


def oracle(planted: FloatArray) -> Floor:
    """Return the row of the noise-free rating, ``planted`` (stars) being ``Dataset.oracle``."""

    def predict(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
        del train
        return planted[tasks.user[:, None], item]

    return Floor("oracle", rates=True, reads_support=False, predict=predict, kind="oracle")


def like_share(positive: float) -> Floor:
    """Return the row of the share of liked ratings in the support, 1/2 without support.

    It is the same for all candidates of a task, and so ranks tasks alone: a row where each has one.

    Args:
        positive: A rating of at least this (stars) counts as liked.
    """

    def predict(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
        del train
        known = tasks.support_item >= 0
        liked = np.count_nonzero(known & (tasks.support_rating >= positive), axis=1)
        count = np.count_nonzero(known, axis=1)
        return _everywhere(np.where(count > 0, liked / np.maximum(count, 1), 0.5), item)

    return Floor("like share", rates=False, reads_support=True, predict=predict)


def older_first(year: IntArray) -> Floor:
    """Return the row that ranks items by age, which knows no rating at all.

    Args:
        year: Year of release, ``(n_items,)``; 0 where unknown, taken for the median of the others.
    """
    known = year[year > 0]
    middle = float(np.median(known)) if known.size else 0.0
    age = -np.where(year > 0, year, middle)

    def predict(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
        del train, tasks
        return np.asarray(age[item], dtype=np.float64)

    return Floor("older item first", rates=False, reads_support=False, predict=predict)


def global_mean(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
    """Mean of all training ratings."""
    del tasks
    return np.full(item.shape, train.global_mean)


def support_mean(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
    """Mean of the task's support ratings; without support the global mean."""
    known = tasks.support_item >= 0
    count = np.count_nonzero(known, axis=1)
    total = np.where(known, tasks.support_rating, 0.0).sum(axis=1)
    mean = np.where(count > 0, total / np.maximum(count, 1), train.global_mean)
    return _everywhere(mean, item)


def support_median(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
    """Median of the task's support ratings, midway between two; without support the global mean."""
    known = tasks.support_item >= 0
    count = np.count_nonzero(known, axis=1)
    if not known.any():
        return np.full(item.shape, train.global_mean)
    ascending = np.sort(np.where(known, tasks.support_rating, np.inf), axis=1)
    row, last = np.arange(len(count)), np.maximum(count - 1, 0)
    middle = 0.5 * (ascending[row, last // 2] + ascending[row, (last + 1) // 2])
    return _everywhere(np.where(count > 0, middle, train.global_mean), item)


def item_mean(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
    """Shrunk mean of the item's training ratings; the global mean where it has none."""
    del tasks
    return train.item_mean[item]


def user_offset(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
    """Item mean plus the user's shrunk mean residual in support and history.

    The offset is the sum of rating - item mean over the rows that adaptation sees, divided by
    their number + ``user_shrinkage``; 0 without such a row.
    """
    seen = np.concatenate([tasks.support_item, tasks.history_item], axis=1)
    rating = np.concatenate([tasks.support_rating, tasks.history_rating], axis=1)
    known = seen >= 0
    residual = np.where(known, rating - train.item_mean[seen], 0.0).sum(axis=1)
    weight = np.count_nonzero(known, axis=1) + train.user_shrinkage
    offset = residual / np.maximum(weight, np.finfo(np.float64).tiny)
    return np.asarray(train.item_mean[item] + offset[:, None])


def popularity(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
    """Number of training interactions of the item."""
    del tasks
    return train.popularity[item].astype(np.float64)


def random_order(train: TrainStatistics, tasks: FloorTasks, item: IntArray) -> FloatArray:
    """A number between 0 and 1, drawn anew for each cell from the seed of ``tasks``."""
    del train
    return cell_keys(item.shape, derive_seed(tasks.seed, "random floor"), tasks.start)


def _everywhere(per_task: FloatArray, item: IntArray) -> FloatArray:
    return np.broadcast_to(per_task[:, None], item.shape)
