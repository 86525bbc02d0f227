"""Differences between rows, paired over users on identical episodes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fewrec_cli.core.types import FloatArray, IdArray
from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.metric.statistics import holm, paired_t, user_means
from fewrec_cli.report.area import area_difference
from fewrec_cli.report.interval import Cluster, intervals
from fewrec_cli.report.line import Line
from fewrec_cli.report.model import Versus
from fewrec_cli.report.scores import AUC, POOLED, WEIGHTED

LEVEL = 0.05
UNRANKED = ("interval_", "novelty@", "diversity@", "popularity_bias@", "coverage@")
"""Metrics that describe: of two figures neither is the better one."""


@dataclass(frozen=True)
class Pair:
    """Two rows to be compared in one metric.

    Attributes:
        line: The row.
        against: The other.
        metric: Which figure.
    """

    line: Line
    against: Line
    metric: str


@dataclass(frozen=True)
class Difference:
    """What a pair's users show.

    Attributes:
        pair: The two rows.
        user: Users with a figure in both, ascending, ``(users,)``; empty for ``auc``.
        difference: Mean over each user's draws, seeds and splits, row minus other, ``(users,)``;
            where users weigh by their query rows, see ``weighted``.
    """

    pair: Pair
    user: IdArray
    difference: FloatArray


def ranked(metric: str) -> bool:
    """Whether one figure of this metric can be better than another."""
    return not metric.startswith(UNRANKED)


def better(metric: str, one: float, other: float) -> bool:
    """Whether ``one`` is the better figure."""
    return one < other if metric in LOWER_IS_BETTER else one > other


def comparable(pair: Pair) -> bool:
    """Whether both rows have a figure of each task, on the same episodes.

    The pooled RMSE has none: ``rmse_user`` is the figure to compare. The AUC over all tasks is
    made of their scores, where each task has one candidate.
    """
    if pair.metric == AUC:
        pieces = (*pair.line.pieces, *pair.against.pieces)
        told = all(piece.columns.alone is not None for piece in pieces)
        return told and paired(pair.line, pair.against)
    if pair.metric == POOLED or not pair.line.per_task(pair.metric):
        return False
    return pair.against.per_task(pair.metric) and paired(pair.line, pair.against)


def paired(line: Line, against: Line) -> bool:
    """Whether all episodes of the first row are episodes of the second."""
    return set(line.splits) <= set(against.splits)


def difference(pair: Pair, users: IdArray) -> Difference:
    """Average each user's differences over its tasks, draws, seeds and splits.

    Args:
        pair: Two comparable rows.
        users: All users of the section, ascending, ``(users,)``.
    """
    if pair.metric == AUC:
        return Difference(pair, users[:0], np.zeros(0))
    values, rows, weight = [], [], []
    for episodes, some in pair.line.splits.items():
        ours = pair.line.over_seeds(pair.metric, episodes)
        values.append(ours - pair.against.over_seeds(pair.metric, episodes))
        rows.append(np.searchsorted(users, some[0].user))
        weight.append(some[0].columns.n_query)
    owner, value = np.concatenate(rows), np.concatenate(values)
    row, found = user_means(value, owner)
    if pair.metric in WEIGHTED:
        asked = np.where(np.isnan(value), 0.0, np.concatenate(weight))
        total = np.bincount(owner, asked, minlength=len(users)).astype(np.float64)
        found = weighted(found, total[row])
    return Difference(pair, users[row], found)


def weighted(difference: FloatArray, weight: FloatArray) -> FloatArray:
    """Return values whose plain mean is the weighted mean D, and whose spread is that of D.

    v_u = D + n w_u (d_u - D) / Σ w: the mean of v is D, its standard error D's.

    Args:
        difference: d of each user, ``(users,)``.
        weight: w of each user, > 0, ``(users,)``.

    Source:
        Linearisation of a ratio: Cochran, "Sampling Techniques", 1977, equation 6.13.
    """
    if not len(difference):
        return difference
    mean = np.average(difference, weights=weight)
    return np.asarray(mean + weight / weight.mean() * (difference - mean))


def tested(found: Sequence[Difference], *, resamples: int, seed: int) -> list[Versus | None]:
    """Return interval and p of each difference, p not yet corrected; None without a user."""
    if any(one.pair.metric == AUC for one in found):
        return [area_difference(one.pair, resamples=resamples, seed=seed) for one in found]
    ids = {user for one in found for user in one.user.tolist()}
    everyone = sorted(ids, key=lambda user: (isinstance(user, str), user))  # data sets may differ
    row = {user: number for number, user in enumerate(everyone)}
    clusters = []
    for one in found:
        place = [row[user] for user in one.user.tolist()]
        total, count = np.zeros((len(everyone), 1)), np.zeros((len(everyone), 1))
        total[place, 0], count[place, 0] = one.difference, 1.0
        clusters.append(Cluster(total, count))
    ends = intervals(clusters, resamples=resamples, seed=seed)
    return [_versus(one, both) for one, both in zip(found, ends, strict=True)]


def _versus(one: Difference, ends: tuple[float, float] | None) -> Versus | None:
    users = len(one.user)
    if not users:
        return None
    p = paired_t(one.difference) if users > 1 else None
    low, high = ends if ends is not None else (None, None)
    mean = float(one.difference.mean())
    return Versus(one.pair.against.row, mean, low, high, p, None, users)


def corrected(several: Iterable[Versus | None]) -> list[Versus | None]:
    """Correct the p values of one metric for being several (Holm); those without p stay as is."""
    listed = list(several)
    told = [one.p for one in listed if one is not None and one.p is not None]
    adjusted = iter(holm(told) if told else [])
    return [
        one if one is None or one.p is None else replace(one, p_holm=next(adjusted))
        for one in listed
    ]
