"""What training steps are fed with: rows and episodes gathered from resident arrays.

Every step is drawn from the seed, the phase, the epoch and the step's number alone: it is the same
for one process and for many, and the position in an epoch is all there is to resume from.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from fewrec_cli.core.errors import ScenarioError
from fewrec_cli.core.grouping import order_by_history
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import FloatArray, IntArray, Interactions
from fewrec_cli.data.shard import ALONE, Shard
from fewrec_cli.experiment.draw import draw_rows
from fewrec_cli.scenario.batch import RowBatch, Rows, TaskBatch
from fewrec_cli.strategy.base import Batch, Feed

REDRAWS = 30
"""Rounds in which sampled negatives that the user knows are drawn again, at most."""


@dataclass(frozen=True)
class TrainingRows:
    """An index of the training interactions by user and time; the interactions are not copied.

    Place p of the index is row ``order[p]`` of ``train``.

    Attributes:
        train: The rows that pretraining may see, in any order.
        order: Rows of ``train`` by user, each user's in order of time, ``(n,)``.
        people: Users with at least two rows, ``(tasks,)``.
        start: First place of each of ``people``, ``(tasks,)``.
        count: Number of rows of each of ``people``, ``(tasks,)``.
        mean: Of the training ratings (stars).
        sd: Of the training ratings (stars).
        n_items: Size of the catalogue.
        implicit: Whether a sampled negative goes with every row.
    """

    train: Interactions
    order: IntArray
    people: IntArray
    start: IntArray
    count: IntArray
    mean: float
    sd: float
    n_items: int
    implicit: bool

    @classmethod
    def of(
        cls, train: Interactions, n_items: int, mean: float, sd: float, *, implicit: bool
    ) -> "TrainingRows":
        """Index interactions by user and time."""
        count = np.bincount(train.user).astype(np.int64)
        order = order_by_history(train.user, train.timestamp, len(count))
        people = np.flatnonzero(count >= 2)
        start = (np.cumsum(count) - count)[people]
        return cls(train, order, people, start, count[people], mean, sd, n_items, implicit)

    def __len__(self) -> int:
        return len(self.order)

    def user(self, place: IntArray) -> IntArray:
        """Return the users of places of the index, in the places' shape."""
        return self.train.user[self.order[place]]

    def item(self, place: IntArray) -> IntArray:
        """Return the items of places of the index, in the places' shape."""
        return self.train.item[self.order[place]]

    def rating(self, place: IntArray) -> FloatArray:
        """Return the ratings of places of the index in standard units, in the places' shape."""
        return (self.train.rating[self.order[place]] - self.mean) / self.sd

    @cached_property
    def known(self) -> IntArray:
        """Every training pair as one number, user x catalogue + item, ascending, ``(n,)``."""
        pair = self.train.user * self.n_items
        pair += self.train.item
        pair.sort()
        return pair

    def negatives(self, user: IntArray, item: IntArray, rng: np.random.Generator) -> IntArray:
        """Draw one item per row that its user has no training row for, ``(n,)``.

        ``REDRAWS`` rounds; a user who has nearly the whole catalogue may keep a known item.
        """
        drawn = rng.integers(0, self.n_items, len(item))
        clash = np.arange(len(item))
        for _ in range(REDRAWS):
            keys = user[clash] * self.n_items + drawn[clash]
            place = np.minimum(np.searchsorted(self.known, keys), len(self.known) - 1)
            clash = clash[self.known[place] == keys]
            if not len(clash):
                break
            drawn[clash] = rng.integers(0, self.n_items, len(clash))
        return drawn


class Steps(Dataset[Batch]):
    """The training steps of one phase, addressed by (epoch, step).

    Args:
        rows: Training interactions.
        feed: What a step holds.
        seed: The run's seed.
        phase: The phase's word, part of the random stream.
        rank: This process.
        world: Number of processes, which share every step.
        shard: Processes with rows of their own each, where the data is read in shards: each fills
            its share of every step from its own rows, in proportion to how many it has.
    """

    def __init__(
        self,
        rows: TrainingRows,
        feed: Feed,
        seed: int,
        phase: str,
        rank: int,
        world: int,
        shard: Shard = ALONE,
    ) -> None:
        self.rows = rows
        self.feed = feed
        self.seed = derive_seed(seed, "phase", phase)
        self.rank = rank
        self.world = world
        self.sizes = np.array(shard.gather(self.size))
        if shard.world > 1 and not self.sizes.all():
            raise ScenarioError(
                f"a process has nothing to train on ({self.feed.kind} of each: "
                f"{', '.join(f'{size:,}' for size in self.sizes)})",
                "lower trainer.devices, or read all users in each process with data.shard=none",
            )
        self._order: tuple[int, IntArray] | None = None

    @property
    def size(self) -> int:
        """Rows (tasks) of an epoch that this process holds."""
        return len(self.rows) if self.feed.kind == "rows" else len(self.rows.people)

    def __len__(self) -> int:
        return -(-int(self.sizes.sum()) // self.feed.per_step)

    def __getitem__(self, index: tuple[int, int]) -> Batch:
        """Return this process's share of a step."""
        epoch, step = index
        if len(self.sizes) > 1:
            return self._own(epoch, step)
        order = self._shuffled(epoch)[step * self.feed.per_step :][: self.feed.per_step]
        seed = derive_seed(self.seed, epoch, step)
        rng = np.random.default_rng(seed)
        mine = slice(self.rank, None, self.world)
        share = len(order[mine]) * self.world / len(order)
        if not share:  # a short last step: this process repeats another's first row, weightless
            mine = slice(0, 1)
        return self._batch(order, mine, share, rng, seed)

    def _own(self, epoch: int, step: int) -> Batch:
        """Return the part of this process's own rows that falls to a step of all processes."""
        seed = derive_seed(self.seed, epoch, step, "shard", self.rank)
        start, stop = (self.sizes * place // len(self) for place in (step, step + 1))
        order = self._shuffled(epoch)[start[self.rank] : stop[self.rank]]
        share = len(order) * self.world / (stop - start).sum()
        if not share:
            order = self._shuffled(epoch)[:1]  # weightless, see above
        return self._batch(order, slice(None), share, np.random.default_rng(seed), seed)

    def _batch(
        self, order: IntArray, mine: slice, share: float, rng: np.random.Generator, seed: int
    ) -> Batch:
        if self.feed.kind == "rows":
            return self._row_batch(order, mine, share, rng)
        return self._task_batch(order, mine, share, rng, seed)

    def _shuffled(self, epoch: int) -> IntArray:
        if self._order is None or self._order[0] != epoch:
            own = ("shard", self.rank) if len(self.sizes) > 1 else ()
            rng = np.random.default_rng(derive_seed(self.seed, epoch, *own))
            self._order = (epoch, rng.permutation(self.size))
        return self._order[1]

    def _row_batch(
        self, order: IntArray, mine: slice, share: float, rng: np.random.Generator
    ) -> RowBatch:
        user, item = self.rows.user(order), self.rows.item(order)
        negative = None
        if self.rows.implicit:
            negative = torch.from_numpy(self.rows.negatives(user, item, rng)[mine])
        return RowBatch(
            torch.from_numpy(user[mine]),
            torch.from_numpy(item[mine]),
            torch.from_numpy(self.rows.rating(order[mine])).float(),
            negative,
            share,
        )

    def _task_batch(
        self, order: IntArray, mine: slice, share: float, rng: np.random.Generator, seed: int
    ) -> TaskBatch:
        support, query = draw_rows(self.rows.start[order], self.rows.count[order], self.feed, rng)
        user = self.rows.people[order]
        seen, held_out = (self._padded(user, rows, rng).slice(mine) for rows in (support, query))
        own = derive_seed(seed, self.rank)
        return TaskBatch(torch.from_numpy(user[mine]), seen, held_out, share, own)

    def _padded(self, user: IntArray, rows: IntArray, rng: np.random.Generator) -> Rows:
        """Turn row numbers padded with -1, ``(tasks, n)``, into tensors."""
        real = rows >= 0
        item = np.where(real, self.rows.item(rows), 0)
        negative = None
        if self.rows.implicit:
            owner = np.broadcast_to(user[:, None], item.shape).ravel()
            drawn = self.rows.negatives(owner, item.ravel(), rng).reshape(item.shape)
            negative = torch.from_numpy(drawn)
        rating = np.where(real, self.rows.rating(rows), 0.0)
        return Rows(
            torch.from_numpy(item),
            torch.from_numpy(rating).float(),
            torch.from_numpy(real).float(),
            negative,
        )


class StepOrder(Sampler[tuple[int, int]]):
    """Walks through the steps of an epoch; Lightning tells it which epoch."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of ``epoch``."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, step) for step in range(len(self.steps)))


def loader(steps: Steps) -> DataLoader[Batch]:
    """Return the data loader of a phase: whole steps, no workers, no collation."""
    return DataLoader(steps, sampler=StepOrder(steps), batch_size=None, num_workers=0)
