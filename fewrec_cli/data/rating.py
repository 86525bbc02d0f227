"""Interactions as read from a file, before ids are indexed."""

from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray
from fewrec_cli.data.base import Note
from fewrec_cli.data.layout import Rules
from fewrec_cli.data.scale import off_scale

Unrated = Literal["drop", "only", "all"]
CodeArray = NDArray[np.int32] | NDArray[np.int64]
"""Positions among distinct ids."""


@dataclass(frozen=True)
class Coded:
    """A column of ids, each distinct one kept once.

    Attributes:
        values: Distinct ids as text; some may be used by no row.
        code: Position in ``values`` for each row, ``(n,)``.
    """

    values: list[str]
    code: CodeArray

    @classmethod
    def from_arrow(cls, column: Any) -> Self:
        """Take a column of texts or of dictionary-encoded texts."""
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        whole = column.unify_dictionaries().combine_chunks()
        if isinstance(whole, pa.ChunkedArray):
            whole = whole.chunk(0)
        return cls(whole.dictionary.to_pylist(), whole.indices.to_numpy())

    def take(self, rows: IntArray) -> "Coded":
        """Return the given rows."""
        return Coded(self.values, self.code[rows])


@dataclass(frozen=True)
class Ratings:
    """Interactions by id, in file order; all columns are equally long.

    Attributes:
        user: Ids of the users.
        item: Ids of the items.
        rating: As written; 1 everywhere where there is no rating column, ``(n,)``.
        timestamp: Seconds since 1970, ``(n,)``, or None.
    """

    user: Coded
    item: Coded
    rating: FloatArray
    timestamp: IntArray | None

    def __len__(self) -> int:
        return len(self.rating)

    def take(self, rows: IntArray) -> "Ratings":
        """Return the given rows, in the given order."""
        timestamp = None if self.timestamp is None else self.timestamp[rows]
        return Ratings(self.user.take(rows), self.item.take(rows), self.rating[rows], timestamp)


def broken_numbers(rating: FloatArray, timestamp: IntArray | None, rules: Rules) -> BoolArray:
    """Return which rows hold a bad rating or a negative time, ``(n,)``."""
    if rules.scale is None:
        broken = ~np.isfinite(rating)
    else:
        broken = off_scale(rating, rules.scale) & ~np.isin(rating, rules.also)
    if timestamp is not None:
        broken |= timestamp < 0
    return broken


def broken_rows(ratings: Ratings, rules: Rules) -> BoolArray:
    """Return which rows break the rules: a bad rating, a negative time, an empty id, ``(n,)``."""
    broken = broken_numbers(ratings.rating, ratings.timestamp, rules)
    for ids in (ratings.user, ratings.item):
        empty = np.array([not value for value in ids.values], np.bool_)
        if empty.any():
            broken |= empty[ids.code]
    return broken


def split_unrated(
    ratings: Ratings, unrated: float, policy: Unrated
) -> tuple[Ratings, tuple[Note, ...]]:
    """Apply the policy for rows whose rating only says that there was an interaction.

    Args:
        ratings: As read.
        unrated: The rating that means "not rated".
        policy: ``drop`` leaves such rows out; ``only`` keeps them alone and ``all`` keeps every
            row, both as implicit data with rating 1.

    Raises:
        DataError: The policy is unknown, or leaves no row.
    """
    if policy not in get_args(Unrated):
        raise DataError(f"data.implicit={policy} is no policy", "choose drop, only or all")
    bare = ratings.rating == unrated
    count = int(bare.sum())
    if policy == "drop":
        kept = ratings.take(np.flatnonzero(~bare))
        note = Note("implicit", count, f"rows rated {unrated:g} (seen, not rated): left out")
    else:
        kept = ratings.take(np.flatnonzero(bare)) if policy == "only" else ratings
        kept = Ratings(kept.user, kept.item, np.ones(len(kept)), kept.timestamp)
        gone = "rated rows left out" if policy == "only" else "rows kept, none as a rating"
        count = int((~bare).sum()) if policy == "only" else len(kept)
        note = Note("implicit", count, f"{gone}: implicit data")
    if not len(kept):
        raise DataError(
            f"data.implicit={policy} leaves none of {len(ratings):,} rows", "choose another policy"
        )
    return kept, (note,) if note.count else ()
