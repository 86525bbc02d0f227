"""What is recommended, whoever likes it: reach, novelty, diversity, popularity of top-k lists.

With ``candidates=query`` a list can only hold query items, so these figures say more with
``candidates=catalogue`` (or ``sampled:N``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from fewrec_cli.core.types import Field, FloatArray, IntArray

ItemVectors = sparse.csr_array
"""Unit vector of each item's attributes, a zero row where it has none, ``(n_items, values)``."""


@dataclass(frozen=True)
class Catalogue:
    """Facts about all items that list metrics need; made once per run.

    Attributes:
        popularity: Interactions of each item in the training data, ``(n_items,)``.
        n_users: Users of the training data.
        vectors: Attributes of the items (see ``item_vectors``), or None where there are none.
    """

    popularity: IntArray
    n_users: int
    vectors: ItemVectors | None


def list_columns(
    recommended: IntArray, candidates: IntArray, k: Sequence[int], catalogue: Catalogue
) -> dict[str, FloatArray]:
    """Return novelty, diversity and popularity bias at every cut-off, each ``(tasks,)``.

    Args:
        recommended: Items of each list, best first, -1 beyond its end, ``(tasks, depth)``.
        candidates: Items that were ranked, -1 where padded, ``(tasks, candidates)``.
        k: Cut-offs.
        catalogue: Facts about the items; without vectors there is no diversity.
    """
    tops = {cut: recommended[:, :cut] for cut in k}
    columns = {f"novelty@{cut}": novelty(top, catalogue) for cut, top in tops.items()}
    if catalogue.vectors is not None:
        vectors = catalogue.vectors
        columns |= {f"diversity@{cut}": diversity(top, vectors) for cut, top in tops.items()}
    average = candidate_popularity(candidates, catalogue)
    for cut, top in tops.items():
        columns[f"popularity_bias@{cut}"] = popularity_bias(top, average, catalogue)
    return columns


def item_vectors(fields: Sequence[Field]) -> ItemVectors | None:
    """Return the items' categorical and multi-valued attributes as sparse unit vectors.

    Every attribute that an item has counts the same, however many values it holds. Numeric fields
    are left out: a cosine of standardised numbers says nothing about likeness.

    Args:
        fields: Attributes of the items, all of one length.

    Returns:
        One row per item, or None without such an attribute.
    """
    blocks = [
        _unit(sparse.csr_array((f.weight, f.index, f.offsets), shape=(len(f), len(f.vocabulary))))
        for f in fields
        if f.kind != "numeric"
    ]
    return _unit(sparse.csr_array(sparse.hstack(blocks))) if blocks else None


def coverage(top: IntArray, n_items: int) -> float | None:
    """Share of the catalogue that stands in at least one task's list.

    Args:
        top: Recommended items, -1 beyond a list's end, ``(tasks, k)``.
        n_items: Items of the catalogue.

    Source:
        Ge et al., "Beyond Accuracy: Evaluating Recommender Systems by Coverage and Serendipity",
        RecSys 2010, section 2.1 (catalogue coverage).
    """
    return len(np.unique(top[top >= 0])) / n_items if n_items else None


def novelty(top: IntArray, catalogue: Catalogue) -> FloatArray:
    """Mean self-information of the listed items (bits), ``(tasks,)``; NaN for an empty list.

    An item that c of n training users know carries -log2((c + 1) / (n + 1)) bits.

    Source:
        Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems",
        PNAS 2010, mean self-information; departure: one is added to both counts, so that an item
        unseen in training has a finite figure.
    """
    bits = -np.log2((catalogue.popularity + 1) / (catalogue.n_users + 1))
    return _mean_over_list(bits, top)


def candidate_popularity(candidates: IntArray, catalogue: Catalogue) -> FloatArray:
    """Mean training interactions of each task's candidates, ``(tasks,)``; NaN where all have none.

    Args:
        candidates: Items that were ranked, -1 where padded, ``(tasks, candidates)``.
        catalogue: Training popularity.
    """
    average = _mean_over_list(catalogue.popularity.astype(np.float64), candidates)
    return np.where(average > 0, average, np.nan)


def popularity_bias(top: IntArray, average: FloatArray, catalogue: Catalogue) -> FloatArray:
    """Mean popularity of the list over that of all its candidates (ratio), ``(tasks,)``.

    1 is what a random order reaches; at 2, listed items are twice as popular as the candidates.

    Args:
        top: Recommended items, -1 beyond a list's end, ``(tasks, k)``.
        average: The candidates' mean popularity (see ``candidate_popularity``), ``(tasks,)``.
        catalogue: Training popularity.

    Source:
        Abdollahpouri et al., "Managing Popularity Bias in Recommender Systems with Personalized
        Re-ranking", FLAIRS 2019 (average recommendation popularity); departure: relative to the
        candidates, so that the ratio speaks of the ranking and not of who was ranked.
    """
    return _mean_over_list(catalogue.popularity.astype(np.float64), top) / average


def diversity(top: IntArray, vectors: ItemVectors) -> FloatArray:
    """Mean of 1 - cosine over the pairs of a list's items (0 to 1), ``(tasks,)``.

    Items without attributes are left out; NaN for a list with fewer than two others.

    Source:
        Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005,
        equation 5 (intra-list similarity). The sum over pairs is taken from the length of the
        summed unit vectors: |sum u|^2 = n + 2 * (sum of the pairs' cosines).
    """
    task, _ = np.nonzero(top >= 0)
    chosen = np.ones(len(task)), (task, top[top >= 0])
    pick = sparse.csr_array(chosen, shape=(len(top), vectors.shape[0]))
    known = np.asarray(vectors.power(2).sum(axis=1)).ravel()  # 1 or, without attributes, 0
    n = np.rint(pick @ known)
    length = np.asarray((pick @ vectors).power(2).sum(axis=1)).ravel()
    pairs = n * (n - 1.0)
    return np.where(pairs > 0, 1.0 - (length - n) / np.maximum(pairs, 1.0), np.nan)


def _mean_over_list(per_item: FloatArray, items: IntArray) -> FloatArray:
    inside = items >= 0
    count = np.count_nonzero(inside, axis=1)
    total = np.where(inside, per_item[np.maximum(items, 0)], 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _unit(rows: ItemVectors) -> ItemVectors:
    length = np.sqrt(np.asarray(rows.power(2).sum(axis=1)).ravel())
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return sparse.csr_array(sparse.diags_array(scale) @ rows)
