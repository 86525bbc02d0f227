"""Who gains and loses: errors of every row by decile of items and of users."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from fewrec_cli.core.types import BoolArray, FloatArray, IntArray
from fewrec_cli.experiment.result import Kind
from fewrec_cli.experiment.world import World
from fewrec_cli.metric.base import RatedQueries
from fewrec_cli.metric.decile import (
    SUMS,
    Tenth,
    deciles,
    popularity_deciles,
    split_errors,
    tenths,
)
from fewrec_cli.scenario.base import Episodes, TaskPool
from fewrec_cli.scenario.candidates import CandidateBatch


class DecileErrors:
    """Collects the errors of every row, split by three kinds of deciles.

    Items stand in deciles by their training ratings, the unseen apart. Tasks stand in deciles by
    two numbers of their users' profiles, the rows in training and in the task together: the
    ``activity``, how many they are, and ``mainstream``, the mean number of training ratings of
    their items. No rating goes into a decile, only who rated what.

    Args:
        world: Its data, tasks and training totals.

    Attributes:
        item: Decile of each item, ``(n_items,)``.
        activity: Decile of each task, ``(tasks,)``.
        mainstream: Decile of each task, ``(tasks,)``.
        borders: What the deciles of each kind hold.

    Source:
        The mean popularity of a user's profile: Abdollahpouri et al., "The unfairness of
        popularity bias in recommendation", RMSE workshop at RecSys 2019 (there averaged over a
        group of users). Departure: popularity is a number of training ratings, not a share.
    """

    def __init__(self, world: World) -> None:
        popularity = world.totals.item_count.astype(np.int64)
        activity, mainstream = _profiles(world, world.split.test, popularity)
        self.item = popularity_deciles(popularity)
        self.activity = deciles(activity)
        self.mainstream = deciles(mainstream)
        self.borders: dict[str, tuple[Tenth, ...]] = {
            "item": tenths(popularity, self.item),
            "activity": tenths(activity, self.activity),
            "mainstream": tenths(mainstream, self.mainstream),
        }
        self._lines: list[dict[str, Any]] = []

    def add(
        self,
        row: str,
        kind: Kind,
        shots: int | None,
        episodes: Episodes,
        candidates: Sequence[CandidateBatch],
        rated: Sequence[RatedQueries | None],
    ) -> None:
        """Split the errors of one row at one support size on one draw.

        Args:
            row: Name of the row.
            kind: Where its figures come from.
            shots: Support size; None stands for all.
            episodes: The draw.
            candidates: Its candidates; the leading columns are the query rows.
            rated: Predicted ratings of each batch's query rows; None for rows that only rank.
        """
        for batch, block in zip(candidates, rated, strict=True):
            width = batch.query_columns
            mask, item = batch.mask[:, :width], batch.item[:, :width]
            columns = dict(split_errors(block, mask, self.item[item]))
            columns["task"] = columns["task"] + batch.start
            word = "all" if shots is None else str(shots)
            head = {"row": row, "kind": kind, "shots": word, "draw": episodes.draw}
            self._lines.append({**head, **columns})

    def columns(self) -> Mapping[str, np.ndarray]:
        """Return the columns of ``deciles.parquet``, a line for each row, size, draw, task, item.

        Numbers are kept in few bytes: deciles and counts as small integers, sums as float32.
        """
        sizes = [len(line["task"]) for line in self._lines]
        joined = {
            name: np.concatenate([line[name] for line in self._lines])
            for name in ("task", "item", "ratings", *SUMS)
        }
        heads = {"row": object, "kind": object, "shots": object, "draw": np.int64}
        repeated: dict[str, np.ndarray] = {
            name: np.repeat(np.array([line[name] for line in self._lines], dtype=kind), sizes)
            for name, kind in heads.items()
        }
        task = joined["task"]
        return {
            **repeated,
            "task": task,
            "activity": self.activity[task].astype(np.int8),
            "mainstream": self.mainstream[task].astype(np.int8),
            "item": joined["item"].astype(np.int8),
            "ratings": joined["ratings"].astype(np.int32),
            **{name: joined[name].astype(np.float32) for name in SUMS},
        }

    def facts(self) -> dict[str, list[dict[str, Any]]]:
        """Return what the deciles hold, for the manifest."""
        return {kind: [asdict(one) for one in found] for kind, found in self.borders.items()}


def _profiles(world: World, pool: TaskPool, popularity: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the size of each task's profile and the mean popularity of its items, ``(tasks,)``.

    A user's training rows count in each of its tasks. Of data in shards they are those of this
    process, and a user with tasks has none.
    """
    train, n_users = world.train, world.dataset.n_users
    task = np.repeat(np.arange(len(pool)), np.diff(pool.offsets))
    item = world.dataset.interactions.item[pool.rows]
    own = np.bincount(task, minlength=len(pool))
    weight = np.bincount(task, popularity[item], minlength=len(pool))
    known: BoolArray = world.split.known_users
    if known[pool.user].any():
        own = own + np.bincount(train.user, minlength=n_users)[pool.user]
        before = np.bincount(train.user, popularity[train.item], minlength=n_users)
        weight = weight + before[pool.user]
    return own, weight / own
