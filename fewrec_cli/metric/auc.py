"""Area under the ROC curve: the share of (positive, negative) pairs in the right order."""

import numpy as np

from fewrec_cli.core.types import FloatArray, IntArray
from fewrec_cli.metric.base import RankedLists, check_finite


def auc_user(lists: RankedLists) -> FloatArray:
    """Area under the ROC curve within each task's list, ``(tasks,)``; tied pairs count half.

    NaN for a task without a positive or without a negative, whatever ``no_positive`` says: there
    is no pair, so no order to be right or wrong about.

    Raises:
        RunError: A score is NaN or infinite.
    """
    check_finite(lists.score, lists.mask, "scores")
    positive, negative = lists.relevant & lists.mask, ~lists.relevant & lists.mask
    task, column = np.nonzero(positive)
    below = np.sort(np.where(negative, lists.score, np.inf), axis=1)
    value = lists.score[task, column]
    wins = 0.5 * (_count(below, task, value, ties=False) + _count(below, task, value, ties=True))
    won = np.bincount(task, weights=wins, minlength=len(positive))
    pairs = np.count_nonzero(positive, axis=1) * np.count_nonzero(negative, axis=1)
    return np.where(pairs > 0, won / np.maximum(pairs, 1), np.nan)


def auc(positive: FloatArray, negative: FloatArray) -> float | None:
    """Area under the ROC curve over the rows of all tasks together; None with one class only.

    Scores of different tasks are compared with each other, so a part of the figure lies *between*
    tasks: it rewards knowing who rates high. Tied pairs count half.

    Args:
        positive: Scores of all positives, ``(positives,)``.
        negative: Scores of all negatives, ``(negatives,)``.
    """
    if not positive.size or not negative.size:
        return None
    ascending = np.sort(negative)
    lower = np.searchsorted(ascending, positive, side="left")
    upper = np.searchsorted(ascending, positive, side="right")
    return float(np.mean(lower + upper)) / (2.0 * negative.size)


def _count(ascending: FloatArray, row: IntArray, value: FloatArray, *, ties: bool) -> IntArray:
    """Return how many entries of ``ascending[row]`` lie below ``value`` (with ties: or equal it).

    ``np.searchsorted`` for many sorted rows at once: a bisection of all values in step.

    Args:
        ascending: Sorted rows, ``(tasks, n)``.
        row: Row of each value, ``(values,)``.
        value: Numbers to place, ``(values,)``.
        ties: Whether equal entries are counted.
    """
    width = ascending.shape[1]
    low = np.zeros(len(value), dtype=np.int64)
    high = np.full(len(value), width, dtype=np.int64)
    for _ in range(width.bit_length()):
        middle = (low + high) // 2
        entry = ascending[row, np.minimum(middle, width - 1)]
        right = (low < high) & ((entry <= value) if ties else (entry < value))
        low, high = np.where(right, middle + 1, low), np.where(right | (low >= high), high, middle)
    return low
