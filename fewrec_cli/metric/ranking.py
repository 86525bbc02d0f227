"""How good the top of each list is: one figure per task and cut-off k.

A list shorter than k is cut at its end, so that ``precision@10`` of 7 candidates divides by 7
(torchmetrics calls this ``adaptive_k``). A task without a positive (for nDCG: whose gains are all
0) follows ``no_positive``. Positives that are not among the candidates do not exist for a metric.
"""

from collections.abc import Callable, Mapping

import numpy as np

from fewrec_cli.core.types import BoolArray, FloatArray
from fewrec_cli.metric.base import NoPositive
from fewrec_cli.metric.order import Ranking

AtK = Callable[[Ranking, int, NoPositive], FloatArray]

STANDS_FOR: Mapping[NoPositive, float] = {"skip": np.nan, "zero": 0.0, "one": 1.0}


def ndcg(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """Discounted gain over the best possible one, gain = stars (linear), ``(tasks,)``.

    Source:
        Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002, with
        the discount 1/log2(rank + 1). MeLU's published values have this gain.
    """
    return _ndcg(ranking.rating[:, :k], ranking.ideal[:, :k], no_positive)


def ndcg_exp(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """As ``ndcg`` with gain 2^stars - 1, ``(tasks,)``.

    Source:
        Burges et al., "Learning to Rank using Gradient Descent", ICML 2005, section 6.
    """
    gain = np.exp2(ranking.rating[:, :k]) - 1.0
    return _ndcg(gain, np.exp2(ranking.ideal[:, :k]) - 1.0, no_positive)


def precision(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """Share of positives among the first min(k, list length), ``(tasks,)``."""
    share = _hits(ranking, k) / np.maximum(ranking.cut(k), 1)
    return _settle(share, ranking.n_relevant > 0, no_positive)


def recall(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """Share of the list's positives that stand among the first k, ``(tasks,)``."""
    share = _hits(ranking, k) / np.maximum(ranking.n_relevant, 1)
    return _settle(share, ranking.n_relevant > 0, no_positive)


def f1(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """Harmonic mean of each task's precision and recall, 0 where both are 0, ``(tasks,)``."""
    # 2PR / (P + R) with P = hits / cut and R = hits / positives
    share = 2.0 * _hits(ranking, k) / np.maximum(ranking.cut(k) + ranking.n_relevant, 1)
    return _settle(share, ranking.n_relevant > 0, no_positive)


def hit(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """1 where a positive stands among the first k, else 0, ``(tasks,)``."""
    found = (_hits(ranking, k) > 0).astype(np.float64)
    return _settle(found, ranking.n_relevant > 0, no_positive)


def mrr(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """1 / rank of the first positive, 0 where none stands among the first k, ``(tasks,)``."""
    relevant = ranking.relevant[:, :k]
    first = 1.0 / (1.0 + relevant.argmax(axis=1))
    return _settle(np.where(relevant.any(axis=1), first, 0.0), ranking.n_relevant > 0, no_positive)


def average_precision(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """Sum of precision at each positive among the first k over min(k, positives), ``(tasks,)``.

    Its mean over tasks is ``map@k``. The divisor is what a perfect list reaches, so that a perfect
    list scores 1 at every k (torchmetrics divides by the positives found instead).
    """
    relevant = ranking.relevant[:, :k]
    running = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)
    reachable = np.maximum(np.minimum(k, ranking.n_relevant), 1)
    score = np.where(relevant, running, 0.0).sum(axis=1) / reachable
    return _settle(score, ranking.n_relevant > 0, no_positive)


AT_K: Mapping[str, AtK] = {
    "ndcg": ndcg,
    "ndcg_exp": ndcg_exp,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "hit": hit,
    "mrr": mrr,
    "map": average_precision,
}
"""Metrics of the top of a list by name, in the order in which they are shown."""


def _hits(ranking: Ranking, k: int) -> FloatArray:
    return np.asarray(ranking.relevant[:, :k].sum(axis=1), dtype=np.float64)


def _ndcg(gain: FloatArray, ideal: FloatArray, no_positive: NoPositive) -> FloatArray:
    discount = 1.0 / np.log2(np.arange(2, gain.shape[1] + 2))
    # sums and no matrix product, whose last digit may change with the number of tasks
    found, best = (gain * discount).sum(axis=1), (ideal * discount).sum(axis=1)
    defined = best > 0
    return _settle(found / np.where(defined, best, 1.0), defined, no_positive)


def _settle(values: FloatArray, defined: BoolArray, no_positive: NoPositive) -> FloatArray:
    return np.where(defined, values, STANDS_FOR[no_positive])
