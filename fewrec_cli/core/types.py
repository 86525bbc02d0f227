"""The few words that every package shares: interactions, a rating scale, side fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fewrec_cli.core.errors import ShapeError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IdArray = NDArray[Any]
"""Ids as found in the files: ``int64`` where all are whole numbers, else ``str`` objects."""
Facts = Mapping[str, tuple[str, ...]]
"""What is known of each item or user in words, by name, ``(n,)`` each, empty where unknown."""


@dataclass(frozen=True)
class Interactions:
    """Ratings as parallel columns, in the order of the file.

    Attributes:
        user: Row of each rating's user in ``Dataset.user_ids``, ``(n,)``.
        item: Row of each rating's item in ``Dataset.item_ids``, ``(n,)``.
        rating: On the data set's own scale (stars); 1 everywhere for implicit data, ``(n,)``.
        timestamp: Seconds since 1970, ``(n,)``, or None where the data has none.
    """

    user: IntArray
    item: IntArray
    rating: FloatArray
    timestamp: IntArray | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.user), len(self.item), len(self.rating)}
        if self.timestamp is not None:
            lengths.add(len(self.timestamp))
        if len(lengths) != 1:
            raise ShapeError(
                f"interaction columns differ in length: {sorted(lengths)}",
                "give one user, one item and one rating per row",
            )

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: IntArray) -> "Interactions":
        """Return the given rows, in the given order; rows that follow one another as a view."""
        first = int(rows[0]) if len(rows) else 0
        if first >= 0 and np.array_equal(rows, np.arange(first, first + len(rows))):
            run = slice(first, first + len(rows))
            when = None if self.timestamp is None else self.timestamp[run]
            return Interactions(self.user[run], self.item[run], self.rating[run], when)
        return Interactions(
            self.user[rows],
            self.item[rows],
            self.rating[rows],
            None if self.timestamp is None else self.timestamp[rows],
        )


@dataclass(frozen=True)
class Scale:
    """The rating levels of an explicit data set, e.g. 1, 2, 3, 4, 5 stars.

    Attributes:
        low: Lowest level (stars).
        high: Highest level (stars).
        step: Distance of neighbouring levels (stars).
    """

    low: float
    high: float
    step: float = 1.0

    @property
    def levels(self) -> FloatArray:
        """All levels in ascending order, ``(n_levels,)``."""
        count = round((self.high - self.low) / self.step) + 1
        return np.asarray(self.low + self.step * np.arange(count), dtype=np.float64)


@dataclass(frozen=True)
class Field:
    """One attribute of all users or all items, as weighted bags over a small vocabulary.

    Row ``r`` owns entries ``offsets[r]:offsets[r + 1]`` of ``index`` and ``weight``; its embedding
    is the weighted sum of the vocabulary's rows. A categorical row has one entry of weight 1, a
    multi-valued row has n entries of weight 1/n, a numeric row has one entry whose weight is the
    standardised number; a missing value is an empty bag.

    Attributes:
        name: The attribute's word, e.g. ``genres``.
        kind: How it was recognised.
        vocabulary: The values in index order; a numeric field has one, its own name.
        offsets: ``(n_rows + 1,)``.
        index: Entries of the vocabulary, ``(n_entries,)``.
        weight: Weight of each entry, ``(n_entries,)``.
    """

    name: str
    kind: Literal["categorical", "multi", "numeric"]
    vocabulary: tuple[str, ...]
    offsets: IntArray
    index: IntArray
    weight: FloatArray

    def __post_init__(self) -> None:
        if len(self.index) != len(self.weight) or self.offsets[-1] != len(self.index):
            raise ShapeError(
                f"field {self.name}: {len(self.index)} entries, {len(self.weight)} weights, "
                f"offsets up to {self.offsets[-1]}",
                "give one weight per entry and offsets that end at their number",
            )

    def __len__(self) -> int:
        return len(self.offsets) - 1
