"""Task batches as tensors: what strategies train on and adapters adapt to."""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Interactions of many tasks, padded to one length; a padded row has weight 0.

    Attributes:
        item: Row of each item in ``Dataset.item_ids``, ``(tasks, n)``.
        rating: In standard units: (stars - mean) / sd of the training ratings, ``(tasks, n)``.
        weight: Share of each row in its task's loss, >= 0, ``(tasks, n)``.
        negative: For implicit data, one sampled item per row, ``(tasks, n)``; else None.
        partner: A second item whose features are mixed in, ``(tasks, n)``; else None.
        mix: Share of ``item`` in that mixture, 0..1, ``(tasks, n)``; None without ``partner``.
        past: 1 for rows of a task's history, which pretraining has seen, 0 for others,
            ``(tasks, n)``; None where tasks have no history.
    """

    item: Tensor
    rating: Tensor
    weight: Tensor
    negative: Tensor | None = None
    partner: Tensor | None = None
    mix: Tensor | None = None
    past: Tensor | None = None

    def to(self, device: torch.device | str) -> Self:
        """Return the same rows on ``device``."""
        return replace(
            self,
            **{
                part.name: value.to(device)
                for part in fields(self)
                if (value := getattr(self, part.name)) is not None
            },
        )

    def slice(self, tasks: slice) -> Self:
        """Return the rows of some of the tasks."""
        return replace(
            self,
            **{
                part.name: value[tasks]
                for part in fields(self)
                if (value := getattr(self, part.name)) is not None
            },
        )

    def take(self, tasks: Tensor) -> Self:
        """Return the rows of some of the tasks, by their index."""
        return replace(
            self,
            **{
                part.name: value.index_select(0, tasks)
                for part in fields(self)
                if (value := getattr(self, part.name)) is not None
            },
        )

    def reweighted(self, weight: Tensor) -> Self:
        """Return the same rows with other weights."""
        return replace(self, weight=weight)


@dataclass(frozen=True)
class TaskBatch:
    """A meta-batch: support and query of several tasks.

    Attributes:
        user: ``(tasks,)``.
        support: Interactions seen while adapting.
        query: Interactions held out to score the adapted model.
        share: What this batch's mean loss weighs when gradients are averaged over processes:
            tasks here x processes / tasks in the whole step; 1 in a single process.
        seed: Of what is drawn inside the step (augmentation).
    """

    user: Tensor
    support: Rows
    query: Rows
    share: float = 1.0
    seed: int = 0

    def __len__(self) -> int:
        return len(self.user)

    def to(self, device: torch.device | str) -> Self:
        """Return the same batch on ``device``."""
        return replace(
            self,
            user=self.user.to(device),
            support=self.support.to(device),
            query=self.query.to(device),
        )


@dataclass(frozen=True)
class RowBatch:
    """Training interactions of many users, one per row.

    Attributes:
        user: ``(batch,)``.
        item: ``(batch,)``.
        rating: In standard units, ``(batch,)``.
        negative: For implicit data, one sampled item per row, ``(batch,)``; else None.
        share: As in ``TaskBatch``, counted in rows.
    """

    user: Tensor
    item: Tensor
    rating: Tensor
    negative: Tensor | None = None
    share: float = 1.0

    def __len__(self) -> int:
        return len(self.user)

    def to(self, device: torch.device | str) -> Self:
        """Return the same batch on ``device``."""
        return replace(
            self,
            user=self.user.to(device),
            item=self.item.to(device),
            rating=self.rating.to(device),
            negative=None if self.negative is None else self.negative.to(device),
        )
