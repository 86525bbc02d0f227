"""Drawing episodes: support and query of a task, at a cost that its history's length does not set.

Rows are numbers; no interaction is touched or copied.
"""

import numpy as np

from fewrec_cli.core.types import IntArray
from fewrec_cli.strategy.base import Feed

CROWDED = 3
"""A task of fewer rows than this for each one drawn shuffles them all; others draw and redraw."""


def draw_rows(
    start: IntArray, count: IntArray, feed: Feed, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Draw support and query of each task from its own rows, without replacement.

    Args:
        start: First row of each task, ``(tasks,)``.
        count: Rows of each task, >= 2, ``(tasks,)``.
        feed: Bounds of support and query; a support always leaves one row for the query.
        rng: Source of all randomness.

    Returns:
        Row numbers padded with -1, ``(tasks, longest support)`` and ``(tasks, longest query)``.
    """
    low, high = feed.support
    drawn = np.exp(rng.uniform(np.log(max(low, 1)), np.log(high + 1), len(count)))
    support = np.clip(drawn.astype(np.int64), 1, np.minimum(high, count - 1))
    query = np.minimum(count - support, feed.query)
    wanted = support + query
    rows = np.repeat(start, wanted) + distinct(count, wanted, rng)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    seen = place < np.repeat(support, wanted)
    return _padded(rows[seen], support), _padded(rows[~seen], query)


def distinct(count: IntArray, wanted: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw ``wanted`` different numbers below ``count`` for each task, in random order.

    Every ordered draw is equally likely: which of two equal numbers is drawn again depends on
    their places alone, so that renaming the numbers renames the result.

    Args:
        count: How many numbers each task draws from, ``(tasks,)``.
        wanted: How many it draws, at most ``count``, ``(tasks,)``.
        rng: Source of all randomness.

    Returns:
        The tasks' numbers one after another, ``(sum of wanted,)``.
    """
    crowded = count < CROWDED * wanted
    numbers = np.empty(int(wanted.sum()), np.int64)
    owner = np.repeat(crowded, wanted)
    numbers[owner] = _shuffled(count[crowded], wanted[crowded], rng)
    numbers[~owner] = _redrawn(count[~crowded], wanted[~crowded], rng)
    return numbers


def _shuffled(count: IntArray, wanted: IntArray, rng: np.random.Generator) -> IntArray:
    """Shuffle all numbers of each task and keep the first ``wanted``."""
    task = np.repeat(np.arange(len(count)), count)
    first = np.repeat(np.cumsum(count) - count, count)
    place = np.arange(len(task)) - first
    order = np.argsort(task + rng.random(len(task)))
    return (order - first)[place < np.repeat(wanted, count)]


def _redrawn(count: IntArray, wanted: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw with replacement, and again wherever a number repeats an earlier one of its task."""
    below = np.repeat(count, wanted)
    base = np.repeat(np.cumsum(count) - count, wanted)
    numbers = rng.integers(0, below)
    while True:
        key = base + numbers
        order = np.argsort(key, kind="stable")
        key = key[order]
        clash = order[1:][key[1:] == key[:-1]]
        if not len(clash):
            return numbers
        numbers[clash] = rng.integers(0, below[clash])


def _padded(rows: IntArray, size: IntArray) -> IntArray:
    """Turn packed rows into one line per task, filled up with -1, ``(tasks, longest)``."""
    width = int(size.max(initial=0))
    table = np.full((len(size), width), -1, np.int64)
    table[np.arange(width) < size[:, None]] = rows
    return table
