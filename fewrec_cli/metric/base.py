"""What every metric reads: padded lists of scored candidates, predicted ratings, and two checks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fewrec_cli.core.errors import RunError, ShapeError
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray, Scale

NoPositive = Literal["skip", "zero", "one"]
"""A task without a positive: leave it out (NaN), count it as 0, or count it as 1."""


@dataclass(frozen=True)
class RankedLists:
    """The candidates of all tasks of one draw with their scores; rows may be padded at the end.

    Attributes:
        score: Higher is better, any scale, never clipped, ``(tasks, candidates)``.
        rating: True rating (stars, >= 0), the linear gain of nDCG; 0 for candidates that count as
            not liked because nobody rated them, ``(tasks, candidates)``.
        relevant: Whether the candidate is a positive, ``(tasks, candidates)``.
        mask: Whether the cell holds a candidate, ``(tasks, candidates)``.
        item: Row of each candidate in the catalogue, read by list metrics only; any number where
            ``mask`` is false, ``(tasks, candidates)``.

    Raises:
        ShapeError: The arrays differ in shape.
    """

    score: FloatArray
    rating: FloatArray
    relevant: BoolArray
    mask: BoolArray
    item: IntArray | None = None

    def __post_init__(self) -> None:
        _same_shape("candidates", self.score, self.rating, self.relevant, self.mask, self.item)


@dataclass(frozen=True)
class RatedQueries:
    """Predicted and true ratings of the query rows of all tasks of one draw.

    Attributes:
        expected: Expected rating (stars), not clipped, ``(tasks, query)``.
        rating: True rating (stars), ``(tasks, query)``.
        mask: Whether the cell holds a query row, ``(tasks, query)``.
        scale: Rating levels.
        positive: A rating of at least this (stars) counts as liked.
        decoded: Median level of a predictive distribution (stars), ``(tasks, query)``; None for a
            point predictor, which answers the level nearest to ``expected``.
        low: Lower end of an interval meant to hold 80% of ratings (stars), ``(tasks, query)``;
            None for a predictor that says nothing of its own error.
        high: Upper end (stars), ``(tasks, query)``; None together with ``low``.

    Raises:
        ShapeError: The arrays differ in shape.
    """

    expected: FloatArray
    rating: FloatArray
    mask: BoolArray
    scale: Scale
    positive: float
    decoded: FloatArray | None = None
    low: FloatArray | None = None
    high: FloatArray | None = None

    def __post_init__(self) -> None:
        columns = (self.expected, self.rating, self.mask, self.decoded, self.low, self.high)
        _same_shape("query", *columns)


def _same_shape(what: str, *columns: FloatArray | BoolArray | IntArray | None) -> None:
    shapes = {column.shape for column in columns if column is not None}
    if len(shapes) != 1 or any(len(shape) != 2 for shape in shapes):
        raise ShapeError(
            f"{what} arrays have shapes {', '.join(str(shape) for shape in sorted(shapes))}",
            f"give arrays of one shape, (tasks, {what})",
        )


def check_finite(values: FloatArray, mask: BoolArray, what: str) -> None:
    """Refuse NaN and infinite numbers: a ranking of them would depend on positions only.

    Raises:
        RunError: A cell under ``mask`` is NaN or infinite; the message gives the count.
    """
    broken = int(np.count_nonzero(mask & ~np.isfinite(values)))
    if broken:
        raise RunError(
            f"{broken:,} of {int(np.count_nonzero(mask)):,} {what} are NaN or infinite",
            "the weights have diverged: lower strategy.inner_lr or the step size of pretraining",
        )


def mean_defined(values: FloatArray) -> float | None:
    """Return the mean of the numbers that are not NaN, or None where there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else None
