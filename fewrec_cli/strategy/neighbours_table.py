"""Training ratings as neighbours need them: how far each lies from what its item and user are."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.totals import TrainTotals


@dataclass(frozen=True)
class Seen:
    """Supports as deviations; a padded row has weight 0.

    Attributes:
        item: ``(tasks, n)``.
        deviation: Rating less item level and user offset, standard units; 1 for implicit data,
            ``(tasks, n)``.
        weight: 1 or 0, ``(tasks, n)``.
    """

    item: Tensor
    deviation: Tensor
    weight: Tensor

    def take(self, tasks: Tensor | slice) -> Self:
        """Return some of the tasks."""
        return type(self)(self.item[tasks], self.deviation[tasks], self.weight[tasks])


class Table(nn.Module):
    """The training rows, item by item, as deviations from item level + user offset.

    The level of an item is its mean rating in standard units, shrunk towards 0; a user's offset is
    the mean of rating - level, shrunk likewise. For implicit data the level is the share of the
    training users who have the item, and every row deviates by 1. All of it is made anew from the
    training rows wherever a run is loaded, and none of it is saved.

    Args:
        dataset: Gives sizes.
        train: The interactions that pretraining may see.
        mean: Of the training ratings (stars).
        sd: Of the training ratings (stars).
        item_shrinkage: Ratings at the mean added to each item's level, >= 0.
        user_shrinkage: Residuals of 0 added to each user's offset, >= 0.

    Attributes:
        level: ``(items,)``.
        offsets: Item i owns rows ``offsets[i]:offsets[i + 1]``, ``(items + 1,)``.
        user: ``(rows,)``, ascending within an item.
        deviation: ``(rows,)``.
        length: Euclidean length of each user's deviations, ``(users,)``.
    """

    level: Tensor
    offsets: Tensor
    user: Tensor
    deviation: Tensor
    length: Tensor

    def __init__(
        self,
        dataset: Dataset,
        train: Interactions,
        mean: float,
        sd: float,
        item_shrinkage: float,
        user_shrinkage: float,
    ) -> None:
        super().__init__()
        self.implicit = dataset.implicit
        self.user_shrinkage = user_shrinkage
        totals = TrainTotals.of(dataset, train)
        order = np.lexsort((train.user, train.item))
        user, item = train.user[order], train.item[order]
        if self.implicit:
            level = totals.item_count / max(int((totals.user_count > 0).sum()), 1)
            deviation = np.ones(len(order))
        else:
            level = totals.item_excess / np.maximum(totals.item_count + item_shrinkage, 1e-9) / sd
            residual = (train.rating[order] - mean) / sd - level[item]
            total = np.bincount(user, residual, minlength=dataset.n_users)
            offset = total / np.maximum(totals.user_count + user_shrinkage, 1e-9)
            deviation = residual - offset[user]
        squares = np.bincount(user, deviation**2, minlength=dataset.n_users)
        offsets = np.concatenate([[0], np.cumsum(totals.item_count)]).astype(np.int64)
        for name, array in (("offsets", offsets), ("user", user)):
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        parts = {"level": level, "deviation": deviation, "length": np.sqrt(squares)}
        for name, numbers in parts.items():
            self.register_buffer(name, torch.from_numpy(numbers).float(), persistent=False)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def raters(self) -> Tensor:
        """Number of training rows of each item, ``(items,)``."""
        return self.offsets[1:] - self.offsets[:-1]

    def expand(self, item: Tensor) -> tuple[Tensor, Tensor]:
        """Return the training rows of items ``(n,)``: whose each is, and which, ``(rows,)``."""
        count = self.raters[item]
        owner = torch.repeat_interleave(count)
        first = self.offsets[item] - (count.cumsum(0) - count)
        return owner, first[owner] + torch.arange(len(owner), device=item.device)

    def read(self, item: Tensor, rating: Tensor, weight: Tensor) -> tuple[Seen, Tensor]:
        """Return supports as deviations, and the users' offsets, ``(tasks,)``.

        Args:
            item: ``(tasks, n)``.
            rating: Standard units, ``(tasks, n)``.
            weight: 0 on padding, ``(tasks, n)``.
        """
        real = (weight > 0).to(rating)
        if self.implicit:
            return Seen(item, real, real), rating.new_zeros(len(item))
        residual = (rating - self.level[item]) * real
        rows = (real.sum(1) + self.user_shrinkage).clamp(min=1e-9)
        offset = residual.sum(1) / rows
        return Seen(item, (residual - offset[:, None]) * real, real), offset
