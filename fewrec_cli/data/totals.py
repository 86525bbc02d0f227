"""Counts and sums over all training rows, whichever process holds them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import FloatArray, IntArray, Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.shard import ALONE, Shard


class Share(Interactions):
    """A process's training rows where others hold the rest: only ``TrainTotals`` may read them.

    Args:
        own: The rows.
        reader: Who is handed them, for the error.
    """

    own: Interactions
    reader: str

    def __init__(self, own: Interactions, reader: str) -> None:
        object.__setattr__(self, "own", own)
        object.__setattr__(self, "reader", reader)

    def __getattribute__(self, name: str) -> Any:
        """Refuse every column.

        Raises:
            ConfigError: A column is read, which would take a share of the rows for all.
        """
        if name in ("user", "item", "rating", "timestamp"):
            raise ConfigError(
                f"data.shard=auto does not go with {self.reader}, which would learn from one "
                "process's share of the training rows as if it were all of them",
                "take data.shard=none (in code: count with TrainTotals.of)",
            )
        return object.__getattribute__(self, name)


@dataclass(frozen=True)
class TrainTotals:
    """What a backbone or a floor may know of the training rows as a whole.

    Attributes:
        rows: Number of rows.
        mean: Mean rating (stars); without rows that of the scale's levels, or 0.
        sd: Standard deviation of the ratings (stars); without rows that of the levels, or 0.
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
        found = cls.count(train, dataset.n_users, dataset.n_items, dataset.shard)
        if found.rows or dataset.scale is None:
            return found
        levels = dataset.scale.levels
        return replace(found, mean=float(levels.mean()), sd=float(levels.std()))

    @classmethod
    def count(
        cls, train: Interactions, n_users: int, n_items: int, shard: Shard = ALONE
    ) -> "TrainTotals":
        """Count this process's training rows and sum over processes; all of them must call it."""
        train = train.own if isinstance(train, Share) else train
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
