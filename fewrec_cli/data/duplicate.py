"""What becomes of several ratings of one item by one user."""

from typing import Literal

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.types import IdArray, IntArray, Interactions
from fewrec_cli.data.base import Note

Duplicates = Literal["last", "mean", "error"]


def merge_duplicates(
    rows: Interactions, user_ids: IdArray, item_ids: IdArray, policy: Duplicates
) -> tuple[Interactions, tuple[Note, ...]]:
    """Leave one row per (user, item) pair, in file order.

    Args:
        rows: Interactions in file order.
        user_ids: For messages.
        item_ids: For messages.
        policy: ``last`` keeps the latest row of a pair (by timestamp where there is one, then by
            place in the file); ``mean`` keeps that row with the mean rating; ``error`` refuses.

    Raises:
        DataError: Pairs are doubled under ``error``, or the policy is unknown.
    """
    if policy not in ("last", "mean", "error"):
        raise DataError(f"data.duplicates={policy} is no policy", "choose last, mean or error")
    in_order = _pairs(rows, len(item_ids))
    in_order.sort()
    doubled = in_order[1:][in_order[1:] == in_order[:-1]]
    del in_order
    if not len(doubled):
        return rows, ()
    if policy == "error":
        user, item = divmod(int(doubled[0]), len(item_ids))
        raise DataError(
            f"{len(doubled):,} rows repeat a (user, item) pair, "
            f"e.g. user {user_ids[user]} and item {item_ids[item]}",
            "choose what counts with data.duplicates=last or data.duplicates=mean",
        )
    pair = _pairs(rows, len(item_ids))
    keys = (pair,) if rows.timestamp is None else (rows.timestamp, pair)
    order = np.lexsort(keys)  # stable, so that equal times keep the order of the file
    last = np.append(pair[order][1:] != pair[order][:-1], True)
    kept = np.sort(order[last])
    merged = rows.take(kept)
    text = "rows of a doubled (user, item) pair left out: the latest counts"
    if policy == "mean":
        _, group = np.unique(pair, return_inverse=True)
        mean = np.bincount(group, rows.rating) / np.bincount(group)
        merged = Interactions(merged.user, merged.item, mean[group[kept]], merged.timestamp)
        text = "rows of a doubled (user, item) pair merged: their mean counts"
    return merged, (Note("duplicates", len(doubled), text),)


def _pairs(rows: Interactions, n_items: int) -> IntArray:
    pair = rows.user * n_items
    pair += rows.item
    return pair
