"""Rows grouped by their owner, in compressed form: bag b is ``rows[offsets[b]:offsets[b + 1]]``."""

import numpy as np

from fewrec_cli.core.grouping import order_by_owner
from fewrec_cli.core.types import BoolArray, IntArray


def group(owner: IntArray, rows: IntArray, owners: IntArray) -> tuple[IntArray, IntArray]:
    """Group rows by owner, keeping their order within a bag.

    Args:
        owner: Owner of every row of the data, ``(n,)``.
        rows: Rows to group, each owned by one of ``owners``, ``(m,)``.
        owners: Owners of the bags, ascending, ``(bags,)``.

    Returns:
        Offsets ``(bags + 1,)`` and grouped rows ``(m,)``.
    """
    mine = owner[rows]
    counts = np.bincount(np.searchsorted(owners, mine), minlength=len(owners))
    return _offsets(counts), rows[order_by_owner(mine, int(owners.max(initial=0)) + 1)]


def take(offsets: IntArray, rows: IntArray, keep: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the bags where ``keep`` is true, ``(bags,)``, in their order."""
    counts = np.diff(offsets)
    return _offsets(counts[keep]), rows[np.repeat(keep, counts)]


def pad(offsets: IntArray, rows: IntArray) -> IntArray:
    """Return the bags as a table filled up with -1, ``(bags, longest bag)``.

    Example:
        >>> pad(np.array([0, 2, 3]), np.array([7, 8, 9])).tolist()
        [[7, 8], [9, -1]]
    """
    bag, position = places(offsets)
    longest = int(np.diff(offsets).max(initial=0))
    table = np.full((len(offsets) - 1, longest), -1, dtype=np.int64)
    table[bag, position] = rows
    return table


def places(offsets: IntArray) -> tuple[IntArray, IntArray]:
    """Return the bag of each row and its position in it, ``(n,)`` each."""
    counts = np.diff(offsets)
    bag = np.repeat(np.arange(len(counts)), counts)
    return bag, np.arange(len(bag)) - offsets[bag]


def members(index: IntArray, size: int) -> BoolArray:
    """Return whether each of ``size`` rows is named in ``index``, ``(size,)``."""
    inside = np.zeros(size, dtype=bool)
    inside[index] = True
    return inside


def _offsets(counts: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
