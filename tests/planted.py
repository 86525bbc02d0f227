"""Tiny data whose truth is known, made in memory."""

import numpy as np

from fewrec_cli.core.types import Field, Interactions, Scale
from fewrec_cli.data.base import Dataset


def planted_dataset(
    *, users: int = 80, items: int = 48, rows_per_user: int = 24, groups: int = 4, seed: int = 0
) -> Dataset:
    """Return a data set in which users belong to hidden groups, so the right ranking is known.

    A user gives about 4.5 stars to the items of the own group and about 2 to all others. The items'
    groups stand in the item field ``genre``; the users' groups stand nowhere: only a support tells.
    """
    rng = np.random.default_rng(seed)
    user_group = np.arange(users) % groups
    item_group = np.arange(items) % groups
    likes = user_group[:, None] == item_group[None, :]
    oracle = np.where(likes, 4.5, 2.0) + rng.normal(0.0, 0.2, (1, items))
    chosen = [np.sort(rng.choice(items, rows_per_user, replace=False)) for _ in range(users)]
    user = np.repeat(np.arange(users), rows_per_user)
    item = np.concatenate(chosen)
    noisy = oracle[user, item] + rng.normal(0.0, 0.3, len(user))
    rating = np.clip(np.round(noisy), 1.0, 5.0)
    return Dataset(
        name="planted",
        interactions=Interactions(user, item, rating, np.arange(len(user))),
        user_ids=np.arange(users) + 1,
        item_ids=np.arange(items) + 1,
        user_fields=(categorical("band", rng.integers(0, 2, users), ("young", "old")),),
        item_fields=(categorical("genre", item_group, tuple(f"g{g}" for g in range(groups))),),
        scale=Scale(1.0, 5.0),
        positive=4.0,
        hash=f"planted-{seed}",
        oracle=oracle,
    )


def categorical(name: str, codes: np.ndarray, vocabulary: tuple[str, ...]) -> Field:
    """Return a field with one value per row."""
    rows = len(codes)
    return Field(
        name, "categorical", vocabulary, np.arange(rows + 1), codes.astype(np.int64), np.ones(rows)
    )
