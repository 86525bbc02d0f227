"""The order of candidates: the best of each list, ties at random, no catalogue sorted whole."""

from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray
from fewrec_cli.metric.base import RankedLists, check_finite


@dataclass(frozen=True)
class Ranking:
    """The top of every list, best first; cells beyond a list's end are 0 or False.

    Attributes:
        index: Column of the candidate in ``RankedLists``, -1 beyond the end, ``(tasks, depth)``.
        rating: Its true rating (stars), ``(tasks, depth)``.
        relevant: Whether it is a positive, ``(tasks, depth)``.
        ideal: The ratings in the best possible order (stars), ``(tasks, depth)``.
        length: Candidates of each list, ``(tasks,)``.
        n_relevant: Positives of each list, ``(tasks,)``.
        item: Its row in the catalogue, -1 beyond the end or where ``RankedLists``
            has no items, ``(tasks, depth)``.
    """

    index: IntArray
    rating: FloatArray
    relevant: BoolArray
    ideal: FloatArray
    length: IntArray
    n_relevant: IntArray
    item: IntArray

    def cut(self, k: int) -> IntArray:
        """Return where each list is cut, ``(tasks,)``: at k, or at its end where it is shorter."""
        return np.minimum(k, self.length)


def rank(lists: RankedLists, depth: int, seed: int, start: int = 0) -> Ranking:
    """Put the best ``depth`` candidates of each list in order.

    Equal scores are ordered by a random key of the cell, drawn from ``seed`` alone: a constant
    score gives a random order, whatever the order of the candidates was, and rows of a table that
    share tasks and seed share the keys.

    Args:
        lists: Candidates of all tasks.
        depth: Largest k that will be asked for, >= 1; at most the list's width is used.
        seed: Seed of the ties.
        start: Position of the first task among all tasks of the draw: lists given in blocks break
            ties as the whole would.

    Returns:
        The rankings, ``depth`` (or the width, if less) wide.

    Raises:
        RunError: A score is NaN or infinite.
    """
    check_finite(lists.score, lists.mask, "scores")
    depth = min(depth, lists.score.shape[1])
    key = cell_keys(lists.score.shape, seed, start)
    score = np.where(lists.mask, lists.score, -np.inf)
    top = _top(score, key, depth)
    length = np.count_nonzero(lists.mask, axis=1)
    inside = np.arange(depth) < length[:, None]
    nowhere = np.full_like(top, -1)
    item = nowhere if lists.item is None else np.take_along_axis(lists.item, top, axis=1)
    return Ranking(
        index=np.where(inside, top, -1),
        rating=np.where(inside, np.take_along_axis(lists.rating, top, axis=1), 0.0),
        relevant=inside & np.take_along_axis(lists.relevant, top, axis=1),
        ideal=_highest(np.where(lists.mask, lists.rating, 0.0), depth),
        length=length,
        n_relevant=np.count_nonzero(lists.relevant & lists.mask, axis=1),
        item=np.where(inside, item, -1),
    )


def cell_keys(shape: tuple[int, ...], seed: int, start: int) -> FloatArray:
    """Return a random number (0 to 1) for each cell, the same whichever tasks stand beside it.

    Args:
        shape: ``(tasks, candidates)``; all blocks of one draw have the same width.
        seed: Seed of the draw.
        start: Position of the first task in the draw.
    """
    stream = np.random.PCG64(derive_seed(seed, "ties"))
    stream.advance(start * shape[1])  # one step of the stream per double
    return np.random.Generator(stream).random(shape)


def _top(score: FloatArray, key: FloatArray, depth: int) -> IntArray:
    """Return the columns of the ``depth`` highest (score, key) pairs of each row, best first."""
    tasks, width = score.shape
    if depth < width // 4:  # partial selection pays
        start = width - depth
        threshold = np.partition(score, start, axis=1)[:, start, None]
        # above the threshold a place is certain; at it, the random key decides
        claim = np.where(score == threshold, key, -1.0)
        claim[score > threshold] = 2.0
        kept = np.argpartition(claim, start, axis=1)[:, start:]
    else:
        kept = np.broadcast_to(np.arange(width), (tasks, width))
    kept_key = np.take_along_axis(key, kept, axis=1)
    best = np.lexsort((-kept_key, -np.take_along_axis(score, kept, axis=1)), axis=1)
    return np.take_along_axis(kept, best[:, :depth], axis=1)


def _highest(values: FloatArray, depth: int) -> FloatArray:
    """Return the ``depth`` highest values of each row, best first, ``(tasks, depth)``."""
    start = values.shape[1] - depth
    if start > 0:
        values = np.partition(values, start, axis=1)[:, start:]
    return -np.sort(-values, axis=1)
