"""Counts and sums over all training rows, whichever process holds them."""

from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.types import FloatArray, IntArray, Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.shard import ALONE, Shard


@dataclass(frozen=True)
class TrainTotals:
    """What a backbone or a floor may know of the training rows as a whole.

    Attributes:
        rows: Number of rows.
        mean: Mean rating (stars), 0 without rows.
        sd: Standard deviation of the ratings (stars), 0 without rows.
        user_count: Rows of each user, ``(n_users,)``.
        item_count: Rows of each item, ``(n_items,)``.
        item_excess: Sum of rating - mean over the rows of each item (stars), ``(n_items,)``.
    """

    rows: int
    mean: float
    sd: float
    user_count: IntArray
    item_count: IntArray
    item_excess: FloatArray

    @classmethod
    def of(cls, dataset: Dataset, train: Interactions) -> "TrainTotals":
        """Count this process's training rows and sum over the processes of the data set."""
        return cls.count(train, dataset.n_users, dataset.n_items, dataset.shard)

    @classmethod
    def count(
        cls, train: Interactions, n_users: int, n_items: int, shard: Shard = ALONE
    ) -> "TrainTotals":
        """Count this process's training rows and sum over processes; all of them must call it."""
        total = shard.total
        rows, stars = total(np.array([len(train), train.rating.sum()]))
        mean = float(stars / max(rows, 1))
        excess = train.rating - mean
        squares = float(total(np.array((excess * excess).sum())))
        return cls(
            rows=int(rows),
            mean=mean,
            sd=float(np.sqrt(squares / max(rows, 1))),
            user_count=total(np.bincount(train.user, minlength=n_users)),
            item_count=total(np.bincount(train.item, minlength=n_items)),
            item_excess=total(np.bincount(train.item, excess, minlength=n_items)),
        )
