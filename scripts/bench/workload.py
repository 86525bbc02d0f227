"""What every contender is given: one model of MeLU's size, and meta-batches of ragged tasks.

The data is generated in the size of MovieLens 1M, so that the script needs no file: times depend
on sizes and lengths, not on what the ratings say.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.backbone.mlp import MLP
from fewrec_cli.core.types import Field, IntArray, Interactions, Scale
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.batch import Rows, TaskBatch

USERS, ITEMS, RATINGS = 6_040, 3_706, 1_000_209
USER_FIELDS = {"gender": (2, 1), "age": (7, 1), "occupation": (21, 1)}
ITEM_FIELDS = {"genre": (18, 6), "year": (81, 1), "country": (40, 1)}
"""Vocabulary and most values per row of each attribute; with one id a side: 4 x 32 and 4 x 32."""
WIDTH, HIDDEN = 32, (64, 64)
SUPPORT, QUERY = (3, 90), 10
"""Support sizes, drawn log-uniformly, and the query rows of each task."""


@dataclass(frozen=True)
class Task:
    """One task as a per-task loop holds it, without padding.

    Attributes:
        user: ``()``.
        item: Support items, ``(shots,)``.
        rating: In standard units, ``(shots,)``.
        query_item: ``(QUERY,)``.
        query_rating: ``(QUERY,)``.
    """

    user: Tensor
    item: Tensor
    rating: Tensor
    query_item: Tensor
    query_rating: Tensor


@dataclass(frozen=True)
class Meta:
    """One meta-batch in both forms: the same tasks for the engine and for the loops."""

    batch: TaskBatch
    tasks: tuple[Task, ...]

    def __len__(self) -> int:
        return len(self.tasks)

    def double(self) -> "Meta":
        """Return the same tasks with ratings in float64."""
        support, query = (
            replace(rows, rating=rows.rating.double(), weight=rows.weight.double())
            for rows in (self.batch.support, self.batch.query)
        )
        tasks = tuple(
            replace(task, rating=task.rating.double(), query_rating=task.query_rating.double())
            for task in self.tasks
        )
        return Meta(replace(self.batch, support=support, query=query), tasks)


def dataset(items: int = ITEMS, users: int = USERS, ratings: int = RATINGS) -> Dataset:
    """Generate ratings and attributes; the same arguments give the same data."""
    rng = np.random.default_rng(0)
    rows = Interactions(
        rng.integers(0, users, ratings),
        np.concatenate([np.arange(items), _popular(items, ratings - items, rng)]),
        rng.integers(1, 6, ratings).astype(np.float64),
    )
    return Dataset(
        name="bench",
        interactions=rows,
        user_ids=np.arange(users),
        item_ids=np.arange(items),
        user_fields=tuple(_field(n, users, *size, rng) for n, size in USER_FIELDS.items()),
        item_fields=tuple(_field(n, items, *size, rng) for n, size in ITEM_FIELDS.items()),
        scale=Scale(1.0, 5.0),
        positive=4.0,
        hash="bench",
    )


def model(data: Dataset, device: torch.device) -> MLP:
    """Return the product's ``mlp`` backbone: 4 x 32 and 4 x 32 features, head 256-64-64-1."""
    torch.manual_seed(0)
    backbone = MLP(
        width=WIDTH,
        hidden=list(HIDDEN),
        item_ids=True,
        id_dropout=0.0,
        init_scale=0.1,
        l2=0.0,
        user_l2=0.0,
        weights=None,
    )
    backbone.prepare(data, data.interactions)
    return backbone.to(device)


def meta_batch(tasks: int, seed: int, device: torch.device, items: int = ITEMS) -> Meta:
    """Draw a meta-batch in random order: supports log-uniform, popular items more often."""
    rng = np.random.default_rng(seed)
    low, high = SUPPORT
    shots = np.exp(rng.uniform(np.log(low), np.log(high + 1), tasks)).astype(np.int64)
    longest = int(shots.max())
    item = np.stack([_distinct(items, longest + QUERY, rng) for _ in range(tasks)])
    rating = torch.from_numpy(rng.normal(size=item.shape)).float()
    real = torch.from_numpy(np.arange(longest) < shots[:, None])
    user, item = torch.from_numpy(rng.integers(0, USERS, tasks)), torch.from_numpy(item)
    zero = torch.zeros(())
    support = Rows(
        torch.where(real, item[:, :longest], zero.long()),
        torch.where(real, rating[:, :longest], zero),
        real.float(),
    )
    query = Rows(item[:, longest:], rating[:, longest:], torch.ones(tasks, QUERY))
    batch = TaskBatch(user, support, query).to(device)
    return Meta(batch, tuple(_task(batch, one, int(n)) for one, n in enumerate(shots)))


def _task(batch: TaskBatch, one: int, shots: int) -> Task:
    return Task(
        batch.user[one],
        batch.support.item[one, :shots].clone(),
        batch.support.rating[one, :shots].clone(),
        batch.query.item[one].clone(),
        batch.query.rating[one].clone(),
    )


def _popular(items: int, count: int, rng: np.random.Generator) -> IntArray:
    """Draw items whose chance falls with their number, as popularity does."""
    return (items * rng.random(count) ** 2).astype(np.int64)


def _distinct(items: int, count: int, rng: np.random.Generator) -> IntArray:
    """Draw different items of one user, popular ones first come."""
    drawn = np.unique(_popular(items, 4 * count, rng))
    return rng.permutation(drawn)[:count]


def _field(name: str, rows: int, size: int, most: int, rng: np.random.Generator) -> Field:
    """Return an attribute with 1 to ``most`` values a row, each weighted 1/n."""
    lengths = rng.integers(1, most + 1, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Field(
        name,
        "multi" if most > 1 else "categorical",
        tuple(f"{name}{value}" for value in range(size)),
        offsets,
        rng.integers(0, size, offsets[-1]),
        np.repeat(1.0 / lengths, lengths),
    )
