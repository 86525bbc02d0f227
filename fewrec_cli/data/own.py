"""Data in shards: each process holds the rows of its own users, and all agree on the rest."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray, Interactions
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.data.layout import Columns, Rules
from fewrec_cli.data.parquet import read_parquet_ratings
from fewrec_cli.data.parts import Part
from fewrec_cli.data.rating import Ratings
from fewrec_cli.data.shard import Shard

Column = TypeVar("Column", IntArray, FloatArray)


def read_own(
    parts: Sequence[Part], columns: Columns, rules: Rules, reporter: Reporter, shard: Shard
) -> tuple[Ratings, tuple[Note, ...]]:
    """Read the rows of this process's users.

    Parts are dealt out in runs of about equal rows. If no user's rows lie in the parts of two
    processes, each has read its own parts and nothing else. Else every process reads all parts
    and keeps the users whose ids hash to its rank.

    Raises:
        DataError: A part is broken, or a process is left without users.
    """
    shares = deal(parts, shard.world)
    if all(any(part.rows for part in share) for share in shares):
        ratings = read_parquet_ratings(shares[shard.rank], columns, rules, reporter)
        users = shard.gather(ratings.user.values)
        if len(set().union(*users)) == sum(map(len, users)):
            return ratings, (Note("shards", len(parts), _dealt([len(share) for share in shares])),)
        del ratings
    ratings = read_parquet_ratings(
        parts, columns, rules, reporter, lambda ids: owner_of(ids, shard.world) == shard.rank
    )
    if not all(shard.gather(len(ratings))):
        raise DataError(
            f"{len(ratings.user.values):,} users are too few for {shard.world} processes",
            "lower trainer.devices, or read all users in each process with data.shard=none",
        )
    text = (
        f"parts were read by each of {shard.world} processes, which kept users by a hash of the id"
    )
    return ratings, (Note("shards", len(parts), text),)


def _dealt(counts: Sequence[int]) -> str:
    """Say how many parts each process has read."""
    if len(counts) == 1:
        return "parts were read by the only process, which holds all rows"
    *most, last = (f"{count:,}" for count in counts)
    return f"parts were read once, {', '.join(most)} and {last} by the {len(counts)} processes"


def deal(parts: Sequence[Part], world: int) -> list[list[Part]]:
    """Cut the parts, in their order, into ``world`` runs of about equal rows."""
    rows = np.array([part.rows for part in parts])
    middle = np.cumsum(rows) - rows / 2
    owner = np.minimum(middle * world // max(rows.sum(), 1), world - 1).astype(int)
    return [
        [part for part, one in zip(parts, owner, strict=True) if one == r] for r in range(world)
    ]


def owner_of(ids: Sequence[str], world: int) -> IntArray:
    """Return the rank of each user by a hash of the id, the same everywhere and always."""
    return np.array([zlib.crc32(one.encode("utf-8", "surrogatepass")) % world for one in ids])


def hold_everywhere(dataset: Dataset, users: BoolArray) -> Dataset:
    """Give every process the rows of some users, in front and in the same order.

    The rows of these users are ordered by user, time and item, so that their row numbers depend
    neither on the number of processes nor on the order of the files.

    Args:
        dataset: In shards.
        users: Whose rows are tasks, the same in all processes, ``(n_users,)``.
    """
    rows, gather = dataset.interactions, dataset.shard.gather
    wanted = users[rows.user]
    mine, own = np.flatnonzero(wanted), np.flatnonzero(~wanted)

    def gathered(column: Column) -> Column:
        return np.concatenate(gather(column[mine]))

    user, item = gathered(rows.user), gathered(rows.item)
    time = np.zeros(len(user), np.int64) if rows.timestamp is None else gathered(rows.timestamp)
    order = np.lexsort((item, time, user))
    user = np.concatenate([user[order], rows.user[own]])
    item = np.concatenate([item[order], rows.item[own]])
    rating = np.concatenate([gathered(rows.rating)[order], rows.rating[own]])
    timestamp = None
    if rows.timestamp is not None:
        timestamp = np.concatenate([time[order], rows.timestamp[own]])
    return replace(dataset, interactions=Interactions(user, item, rating, timestamp))
