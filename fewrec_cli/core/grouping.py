"""Rows in order of their owner, and of time within each owner, at the cost of a few passes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fewrec_cli.core.types import IntArray

WORD = 63
"""Bits of a packed key."""


def order_by_owner(owner: IntArray, owners: int) -> IntArray:
    """Return the rows sorted by owner, rows of one owner in the order they came, ``(n,)``.

    A counting sort, linear in the rows: transposing a sparse matrix with one entry per row.

    Args:
        owner: Owner of each row, 0 .. ``owners`` - 1, ``(n,)``.
        owners: How many owners there are.

    Example:
        >>> order_by_owner(np.array([2, 0, 2, 1]), 3).tolist()
        [1, 3, 0, 2]
    """
    return _counted(owner, owners).astype(np.int64)


def order_by_history(owner: IntArray, time: IntArray | None, owners: int) -> IntArray:
    """Return the rows sorted by owner, then by time; equal times keep the order they came in.

    Args:
        owner: As in ``order_by_owner``, ``(n,)``.
        time: Seconds, ``(n,)``, or None: the order they came in is the order in time.
        owners: How many owners there are.
    """
    order = _counted(owner, owners)
    if time is None or len(order) < 2:
        return order.astype(np.int64)
    counts = np.bincount(owner, minlength=owners)
    first, span = int(time.min()), int(time.max()) - int(time.min())
    place_bits, time_bits = _bits(int(counts.max())), _bits(span + 1)
    if place_bits + time_bits + _bits(owners) > WORD:
        return np.lexsort((time, owner))
    key, since = owner[order], time[order]
    since -= first
    key <<= time_bits
    key |= since
    del since
    if (key[1:] >= key[:-1]).all():  # most logs are kept in order of time
        return order.astype(np.int64)
    start = np.repeat((np.cumsum(counts) - counts).astype(order.dtype), counts)
    place: Any = np.arange(len(order), dtype=order.dtype)
    place -= start
    key <<= place_bits
    key |= place
    del place
    key.sort()  # unique keys: several times as fast as a stable argsort
    key &= (1 << place_bits) - 1
    key += start
    del start
    sorted_rows = order[key]
    del key, order
    return sorted_rows.astype(np.int64)


def _counted(owner: IntArray, owners: int) -> NDArray[np.int32] | IntArray:
    """Return the rows sorted by owner, in half the memory where their number allows it."""
    n = len(owner)
    narrow: type[np.int32 | np.int64] = np.int32 if max(n, owners) < 2**31 else np.int64
    entries: Any = (np.ones(n, np.int8), owner.astype(narrow), np.arange(n + 1, dtype=narrow))
    indices: NDArray[np.int32] | IntArray = (
        sparse.csc_array(entries, shape=(owners, n)).tocsr().indices
    )
    return indices


def _bits(size: int) -> int:
    """Return how many bits hold the numbers 0 .. ``size`` - 1."""
    return max(size - 1, 1).bit_length()
