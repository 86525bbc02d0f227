"""Tenths of items or users by a number that each has, and errors split by the tenth of the item."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray
from fewrec_cli.metric.base import RatedQueries
from fewrec_cli.metric.rating import clip, decode

TENTHS = 10
UNSEEN = 0
"""The group of items without a training rating, beside the deciles 1 to 10."""
SUMS = ("mae_sum", "mae_median_sum", "bias_sum")
"""Sums over ratings (stars): of absolute, of absolute decoded, and of signed errors."""


@dataclass(frozen=True)
class Tenth:
    """One decile, or the group of the unseen.

    Attributes:
        decile: 1 (the least) to 10 (the most); 0 for the unseen.
        low: Smallest value of a member, None without one.
        high: Largest.
        members: How many items or tasks.
    """

    decile: int
    low: float | None
    high: float | None
    members: int


def deciles(value: FloatArray | IntArray) -> IntArray:
    """Return the decile of each member, 1 (the smallest values) to 10, ``(n,)``.

    Tenths of the members, not of the range. Equal values share a decile, that of the middle of
    their ranks (between two, the lower), so that no border depends on an order without meaning;
    where many are equal the tenths differ in size, and some may be empty.

    Args:
        value: A number of each member, not NaN, ``(n,)``.

    Example:
        >>> deciles(np.array([7, 0, 0, 0, 0, 0, 0, 0, 0, 9])).tolist()
        [9, 4, 4, 4, 4, 4, 4, 4, 4, 10]
    """
    _, place, count = np.unique(value, return_inverse=True, return_counts=True)
    twice_middle = 2 * (np.cumsum(count) - count) + count
    tenth = -(-TENTHS * twice_middle // (2 * len(value)))
    return np.asarray(tenth[place], dtype=np.int64)


def popularity_deciles(popularity: IntArray) -> IntArray:
    """Return each item's decile among the items with a training rating, 0 for the others.

    Args:
        popularity: Training ratings of each item, ``(n_items,)``.
    """
    seen = popularity > 0
    found = np.full(len(popularity), UNSEEN, dtype=np.int64)
    found[seen] = deciles(popularity[seen])
    return found


def tenths(value: FloatArray | IntArray, decile: IntArray) -> tuple[Tenth, ...]:
    """Describe the ten deciles, empty ones too, after the unseen where there are any.

    Raises:
        ShapeError: The two differ in length.
    """
    if value.shape != decile.shape:
        raise ShapeError(f"{value.size} values of {decile.size} members", "give one value for each")
    first = UNSEEN if (decile == UNSEEN).any() else UNSEEN + 1
    return tuple(_tenth(number, value[decile == number]) for number in range(first, TENTHS + 1))


def _tenth(number: int, own: FloatArray | IntArray) -> Tenth:
    if not len(own):
        return Tenth(number, None, None, 0)
    return Tenth(number, float(own.min()), float(own.max()), len(own))


def split_errors(
    rated: RatedQueries | None, mask: BoolArray, decile: IntArray
) -> Mapping[str, IntArray | FloatArray]:
    """Sum each task's errors over the ratings of each decile of items.

    Expected ratings are clipped and decoded as for ``mae`` and ``mae_median``.

    Args:
        rated: Predicted ratings of the query rows; None for rows that only rank, whose sums are
            NaN.
        mask: Whether the cell holds a query row, ``(tasks, query)``.
        decile: That of the item of each cell, ``(tasks, query)``.

    Returns:
        Columns of one length, a line for each task and decile with at least one rating, in
        ascending order: ``task``, ``item`` (its decile), ``ratings`` and ``SUMS``.

    Raises:
        ShapeError: The arrays differ in shape.
    """
    shapes = {mask.shape, decile.shape, mask.shape if rated is None else rated.mask.shape}
    if len(shapes) != 1:
        raise ShapeError(f"query arrays have shapes {sorted(shapes)}", "give arrays of one shape")
    key = (np.arange(len(mask))[:, None] * (TENTHS + 1) + decile)[mask]
    ratings = np.bincount(key)
    held = np.flatnonzero(ratings)
    sums = {
        name: np.full(len(held), np.nan) if column is None else np.bincount(key, column[mask])[held]
        for name, column in zip(SUMS, _errors(rated), strict=True)
    }
    task, item = np.divmod(held, TENTHS + 1)
    return {"task": task, "item": item, "ratings": ratings[held], **sums}


def _errors(rated: RatedQueries | None) -> tuple[FloatArray | None, ...]:
    """Return absolute, absolute decoded and signed errors (stars), each ``(tasks, query)``."""
    if rated is None:
        return (None,) * len(SUMS)
    error = clip(rated.expected, rated.scale) - rated.rating
    answer = decode(rated.expected, rated.scale) if rated.decoded is None else rated.decoded
    return np.abs(error), np.abs(answer - rated.rating), error
