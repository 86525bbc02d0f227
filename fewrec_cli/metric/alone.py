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


def auc_of_users(alone: Alone, user: IntArray) -> FloatArray:
    """Return the AUC over all tasks of each user, at the user's first task, ``(tasks,)``.

    NaN at the other tasks, so that a mean over tasks is the mean over users; and at users whose
    tasks are all positive or all negative.

    Args:
        alone: The tasks.
        user: Whose they are, ``(tasks,)``.
    """
    users, first, place = np.unique(user, return_index=True, return_inverse=True)
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(len(users) + 1))
    found = np.full(len(user), np.nan)
    for one in range(len(users)):
        mine = order[ends[one] : ends[one + 1]]
        score, liked = alone.score[mine], alone.relevant[mine]
        area = auc(score[liked], score[~liked])
        found[first[one]] = np.nan if area is None else area
    return found


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


def compare_auc(
    first: Sequence[Alone], second: Sequence[Alone], user: IntArray, *, resamples: int, seed: int
) -> AucDifference | None:
    """Compare two rows' AUC over all tasks; users are resampled with all of their tasks.

    A resample changes pairs within a user and pairs between users alike: with c_u copies of user
    u, AUC = Σ_uv c_u c_v W_uv / Σ_u c_u P_u Σ_v c_v N_v, where W counts the pairs won, P positives
    and N negatives. Resamples with one class only are left out.

    Args:
        first: One row, draw by draw.
        second: The other row on the same tasks and draws.
        user: Whose tasks they are, the same in every draw, ``(tasks,)``.
        resamples: Bootstrap samples.
        seed: Seed of the resampling.

    Returns:
        The comparison, or None with fewer than two users or one class only.

    Source:
        Percentile bootstrap over clusters: Davison and Hinkley, "Bootstrap Methods and their
        Application", 1997, section 3.8.
    """
    users, place = np.unique(user, return_inverse=True)
    pairs = [_pairs(one, place, len(users)) - _pairs(other, place, len(users))
             for one, other in zip(first, second, strict=True)]  # fmt: skip
    won = np.mean(pairs, axis=0)
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
        found.append(value[total > 0] / total[total > 0])
    differences = np.concatenate(found)
    low, high = np.quantile(differences, [0.025, 0.975])
    side = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    p = min(1.0, 2.0 * (side + 1) / (len(differences) + 1))
    centre = float(won.sum() / (positive.sum() * negative.sum()))
    return AucDifference(centre, float(low), float(high), p, len(users))


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
