"""Tasks of one candidate each, as in windows: an order exists only over the tasks together.

Metrics at k say nothing of a list of one. What is left is the area under the ROC curve: over all
tasks (``auc``), which rewards knowing who rates high too, and over the tasks of each user
(``auc_user``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray
from fewrec_cli.metric.auc import auc

BLOCK = 2**24
"""Numbers held at a time while users are resampled."""


@dataclass(frozen=True)
class Alone:
    """The only candidate of each task of one draw.

    Attributes:
        score: ``(tasks,)``.
        relevant: Whether it is a positive, ``(tasks,)``.
    """

    score: FloatArray
    relevant: BoolArray

    @classmethod
    def joined(cls, parts: Sequence["Alone"]) -> "Alone":
        """Put consecutive tasks together."""
        score = np.concatenate([part.score for part in parts])
        return cls(score, np.concatenate([part.relevant for part in parts]))


def auc_of_users(alone: Alone, user: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the AUC over all tasks of each user: at the user's first task, and at each of them.

    In the first, ``(tasks,)``, other tasks are NaN, so that a mean over tasks is the mean over
    users; the mean of the second weighs users by their tasks (``gauc``). Both are NaN at users
    whose tasks are all positive or all negative.

    Args:
        alone: The tasks.
        user: Whose they are, ``(tasks,)``.
    """
    users, first, place = np.unique(user, return_index=True, return_inverse=True)
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(len(users) + 1))
    area = np.full(len(users), np.nan)
    for one in range(len(users)):
        mine = order[ends[one] : ends[one + 1]]
        score, liked = alone.score[mine], alone.relevant[mine]
        found = auc(score[liked], score[~liked])
        area[one] = np.nan if found is None else found
    once = np.full(len(user), np.nan)
    once[first] = area
    return once, area[place]


@dataclass(frozen=True)
class AucDifference:
    """One row's AUC over all tasks minus another's, with users resampled.

    Attributes:
        difference: Mean over draws.
        low: Lower end of the 95% interval.
        high: Upper end.
        p: Two-sided: twice the smaller share of resamples on one side of 0, at most 1; never below
            2 / (resamples + 1).
        users: Users resampled.
    """

    difference: float
    low: float
    high: float
    p: float
    users: int


@dataclass(frozen=True)
class Resampled:
    """The difference of two AUCs, and what it becomes when users are resampled.

    Attributes:
        centre: The difference itself.
        values: One per resample, NaN where it holds one class only, ``(resamples,)``.
        users: Users resampled.
    """

    centre: float
    values: FloatArray
    users: int


def compare_auc(
    first: Sequence[Alone], second: Sequence[Alone], user: IntArray, *, resamples: int, seed: int
) -> AucDifference | None:
    """Compare two rows' AUC over all tasks; users are resampled with all of their tasks.

    Args:
        first: One row, by draw (and seed); the mean AUC counts.
        second: The other row on the same tasks.
        user: Whose tasks they are, the same in every draw, ``(tasks,)``.
        resamples: Bootstrap samples.
        seed: Seed of the resampling.

    Returns:
        The comparison, or None with fewer than two users or one class only.
    """
    found = resample_auc(first, second, user, resamples=resamples, seed=seed)
    return None if found is None else joined([found])


def resample_auc(
    first: Sequence[Alone], second: Sequence[Alone], user: IntArray, *, resamples: int, seed: int
) -> Resampled | None:
    """Resample users; arguments are those of ``compare_auc``.

    A resample changes pairs within a user and pairs between users alike: with c_u copies of user
    u, AUC = Σ_uv c_u c_v W_uv / Σ_u c_u P_u Σ_v c_v N_v, where W counts the pairs won, P positives
    and N negatives.

    Source:
        Percentile bootstrap over clusters: Davison and Hinkley, "Bootstrap Methods and their
        Application", 1997, section 3.8.
    """
    users, place = np.unique(user, return_inverse=True)
    ours, theirs = ([_pairs(one, place, len(users)) for one in row] for row in (first, second))
    won = np.mean(ours, axis=0) - np.mean(theirs, axis=0)
    relevant = first[0].relevant
    positive = np.bincount(place[relevant], minlength=len(users)).astype(np.float64)
    negative = np.bincount(place[~relevant], minlength=len(users)).astype(np.float64)
    if len(users) < 2 or not positive.sum() or not negative.sum():
        return None
    random, step = generator(seed, "bootstrap"), max(1, BLOCK // len(users))
    found = []
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        copies = random.multinomial(len(users), np.full(len(users), 1 / len(users)), size)
        copies = copies.astype(np.float64)
        total = (copies @ positive) * (copies @ negative)
        value = np.einsum("ru,ru->r", copies @ won, copies)
        found.append(np.where(total > 0, value / np.maximum(total, 1.0), np.nan))
    centre = float(won.sum() / (positive.sum() * negative.sum()))
    return Resampled(centre, np.concatenate(found), len(users))


def joined(splits: Sequence[Resampled]) -> AucDifference:
    """Average over splits, resampled each by itself, and take interval and p (at least one)."""
    values = np.mean([one.values for one in splits], axis=0)
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.025, 0.975])
    side = min(int((values <= 0).sum()), int((values >= 0).sum()))
    p = min(1.0, 2.0 * (side + 1) / (len(values) + 1))
    centre = float(np.mean([one.centre for one in splits]))
    return AucDifference(centre, float(low), float(high), p, sum(one.users for one in splits))


def _pairs(alone: Alone, place: IntArray, users: int) -> FloatArray:
    """Count the pairs won, positive's user by negative's user, ties half, ``(users, users)``."""
    own = np.flatnonzero(alone.relevant)
    own = own[np.argsort(alone.score[own], kind="stable")]
    ascending, owner = alone.score[own], place[own]
    won = np.zeros((users, users))
    for other in range(users):
        against = np.sort(alone.score[~alone.relevant & (place == other)])
        if not against.size:
            continue
        below = np.searchsorted(against, ascending, side="left")
        up_to = np.searchsorted(against, ascending, side="right")
        won[:, other] = np.bincount(owner, 0.5 * (below + up_to), minlength=users)
    return won
