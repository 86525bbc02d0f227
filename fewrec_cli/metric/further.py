"""Ranking metrics of single papers, computed where ``evaluation.further`` asks for them.

As in ``ranking``, a list shorter than k is cut at its end.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from fewrec_cli.core.types import BoolArray, FloatArray
from fewrec_cli.metric.base import NoPositive
from fewrec_cli.metric.order import Ranking
from fewrec_cli.metric.ranking import STANDS_FOR, AtK

Further = Literal["ndcg_binary", "precision_multi", "map_multi"]


def ndcg_binary(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """Discounted gain over the best possible one, gain = 1 for a positive, ``(tasks,)``.

    Source:
        As ``ranking.ndcg``; RecBole's and RecBole-MetaRec's nDCG has this gain.
    """
    relevant = ranking.relevant[:, :k]
    discount = 1.0 / np.log2(np.arange(2, relevant.shape[1] + 2))
    best = np.concatenate([[0.0], np.cumsum(discount)])
    reachable = best[np.minimum(ranking.n_relevant, relevant.shape[1])]
    found = (relevant * discount).sum(axis=1)
    share = found / np.where(reachable > 0, reachable, 1.0)
    return np.where(ranking.n_relevant > 0, share, STANDS_FOR[no_positive])


def precision_multi(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """Share of the first min(k, list length) whose rating is among the k highest, ``(tasks,)``.

    The k highest true ratings are a multiset. Down the list, an item is a hit if its rating is
    still in the multiset, which then loses one copy: among equally rated items it does not matter
    which stands first. Only a task whose ratings are all 0 is without a positive.

    Source:
        Lin et al., "Task-adaptive Neural Process for User Cold-Start Recommendation", WWW 2021;
        github.com/IIEdm/TaNP, ``utils/scorer.py``.
    """
    hits = _multiset_hits(ranking, k)
    share = hits.sum(axis=1) / np.maximum(ranking.cut(k), 1)
    return np.where(ranking.ideal[:, 0] > 0, share, STANDS_FOR[no_positive])


def map_multi(ranking: Ranking, k: int, no_positive: NoPositive) -> FloatArray:
    """Sum of the hits' running precision over min(k, list length), hits as above, ``(tasks,)``.

    Source:
        As ``precision_multi``; the running precision counts hits so far.
    """
    hits = _multiset_hits(ranking, k)
    running = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    score = np.where(hits, running, 0.0).sum(axis=1) / np.maximum(ranking.cut(k), 1)
    return np.where(ranking.ideal[:, 0] > 0, score, STANDS_FOR[no_positive])


FURTHER: Mapping[Further, AtK] = {
    "ndcg_binary": ndcg_binary,
    "precision_multi": precision_multi,
    "map_multi": map_multi,
}
"""Metrics by the word that asks for them."""


def _multiset_hits(ranking: Ranking, k: int) -> BoolArray:
    """Return which places of the list are hits, ``(tasks, min(k, depth))``.

    The j-th item is one if the k highest ratings hold its rating more often than the list did so
    far; cells beyond a list's end are none.
    """
    rating, ideal = ranking.rating[:, :k], ranking.ideal[:, :k]
    inside = ranking.index[:, :k] >= 0
    hits = np.zeros(rating.shape, dtype=np.bool_)
    for place in range(rating.shape[1]):
        own = rating[:, place, None]
        held = (inside & (ideal == own)).sum(axis=1)
        used = (rating[:, :place] == own).sum(axis=1)
        hits[:, place] = inside[:, place] & (used < held)
    return hits
