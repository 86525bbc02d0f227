"""Evaluation tasks as tensors: episodes of a draw at some support size, in parts that fit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.feed import TrainingRows
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.batch import Rows, TaskBatch

CELLS = 1 << 17
"""Padded support rows of one part, at most (a single task is never split)."""


@dataclass(frozen=True)
class TaskTensors:
    """Turns row numbers into tensors in standard units.

    Attributes:
        dataset: Gives items and ratings.
        mean: Of the training ratings (stars).
        sd: Of the training ratings (stars).
        rows: Training rows, for sampled negatives of implicit data.
        past: Whether pretraining has seen each row of the data, ``(n,)``; None where tasks have no
            history.
    """

    dataset: Dataset
    mean: float
    sd: float
    rows: TrainingRows
    past: BoolArray | None = None

    def table(self, user: IntArray, rows: IntArray, seed: int) -> Rows:
        """Gather rows padded with -1, ``(tasks, n)``.

        Args:
            user: ``(tasks,)``, for the negatives of implicit data.
            rows: Row numbers into ``Dataset.interactions``.
            seed: Of the negatives.
        """
        real = rows >= 0
        item = np.where(real, self.dataset.interactions.item[rows], 0)
        rating = np.where(real, (self.dataset.interactions.rating[rows] - self.mean) / self.sd, 0.0)
        negative = None
        if self.dataset.implicit:
            owner = np.broadcast_to(user[:, None], item.shape).ravel()
            rng = np.random.default_rng(derive_seed(seed, "negatives"))
            drawn = self.rows.negatives(owner, item.ravel(), rng).reshape(item.shape)
            negative = torch.from_numpy(drawn)
        return Rows(
            torch.from_numpy(item),
            torch.from_numpy(rating).float(),
            torch.from_numpy(real).float(),
            negative,
            past=None if self.past is None else torch.from_numpy(real & self.past[rows]).float(),
        )

    def batch(self, episodes: Episodes, tasks: IntArray, shots: int | None, seed: int) -> TaskBatch:
        """Gather some tasks of a draw at one support size.

        Args:
            episodes: One draw.
            tasks: Which tasks, ``(n,)``.
            shots: Support size; None takes all.
            seed: Of the augmentation and of negatives.
        """
        user = episodes.user[tasks]
        support = self.table(user, support_rows(episodes, tasks, shots), seed)
        query = self.table(user, episodes.query[tasks], seed + 1)
        return TaskBatch(torch.from_numpy(user), support, query, 1.0, seed)


def support_rows(episodes: Episodes, tasks: IntArray, shots: int | None) -> IntArray:
    """Return what adaptation sees: the history, then the first ``shots`` of the support.

    Padding columns that no task needs are left out; ``(tasks, longest)``.
    """
    support = episodes.support[tasks] if shots is None else episodes.support[tasks, :shots]
    rows = np.concatenate([episodes.history[tasks], support], axis=1)
    order = np.argsort(rows < 0, axis=1, kind="stable")
    longest = int((rows >= 0).sum(1).max(initial=0))
    packed: IntArray = np.take_along_axis(rows, order, 1)[:, :longest]
    return packed


def parts(episodes: Episodes, shots: int | None, most_tasks: int) -> Iterator[IntArray]:
    """Cut the tasks of a draw, shortest support first, into parts of at most ``CELLS`` rows.

    Args:
        episodes: One draw.
        shots: Support size; None takes all.
        most_tasks: Tasks of one part, at most.
    """
    support = episodes.support if shots is None else episodes.support[:, :shots]
    lengths = (support >= 0).sum(1) + (episodes.history >= 0).sum(1)
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while (
            stop < len(order)
            and stop - start < most_tasks
            and (stop - start + 1) * max(int(lengths[order[stop]]), 1) <= CELLS
        ):
            stop += 1
        yield order[start:stop]
        start = stop
