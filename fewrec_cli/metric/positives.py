"""Which query items count as positives: those rated high enough, or each task's highest-rated."""

import re
from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import BoolArray, FloatArray

THRESHOLD = "threshold"


@dataclass(frozen=True)
class Positives:
    """What ``evaluation.positives`` says.

    Attributes:
        top: How many query items of each task are positives, the highest-rated; None takes those
            of at least ``data.positive`` stars.
    """

    top: int | None


def parse_positives(word: str) -> Positives:
    """Read ``threshold`` or ``top:N``.

    Raises:
        ConfigError: It is neither, or N is below 1.

    Example:
        >>> parse_positives("top:5").top
        5
    """
    if word == THRESHOLD:
        return Positives(None)
    match = re.fullmatch(r"top:(\d{1,9})", str(word))
    if match and int(match[1]) > 0:
        return Positives(int(match[1]))
    raise ConfigError(
        f"evaluation.positives={word} is not known",
        "choose threshold, or top:N with a whole number N above 0, e.g. top:5",
    )


def highest_rated(
    rating: FloatArray, mask: BoolArray, first: BoolArray, key: FloatArray, count: int
) -> BoolArray:
    """Return which cells are the ``count`` highest-rated of their row, ``(tasks, query)``.

    Equal ratings at the border are told apart by ``first``, then by ``key``, and never by place:
    were both labels and predictions to prefer the first places, a constant prediction would find
    more than half of 5 positives among 10 (RecBole-MetaRec's code: 0.56).

    Args:
        rating: True rating (stars), ``(tasks, query)``.
        mask: Whether the cell holds a query row, ``(tasks, query)``.
        first: Cells that go before others of equal rating, ``(tasks, query)``.
        key: Random numbers, the smaller first, ``(tasks, query)``.
        count: Positives of a task, >= 1; a shorter row has its own number.
    """
    order = np.lexsort((key, ~first, -rating, ~mask), axis=1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(order.shape[1])[None, :], axis=1)
    return mask & (place < count)
