"""Spread over draws and differences over users, with draws never taken for independent users."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import FloatArray, IntArray

BLOCK = 2**22
"""Cells of one block of bootstrap weights (32 MiB)."""


def mean_sd(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Return mean and standard deviation (ddof 1) of the figures that are defined.

    The mean of none is None, the deviation of fewer than two is None.

    Example:
        >>> mean_sd([1.0, 3.0, None])
        (2.0, 1.4142135623730951)
    """
    defined = [value for value in values if value is not None and not np.isnan(value)]
    mean = float(np.mean(defined)) if defined else None
    return mean, float(np.std(defined, ddof=1)) if len(defined) > 1 else None


def user_means(values: FloatArray, user: IntArray) -> tuple[IntArray, FloatArray]:
    """Return each user's mean over all of its tasks and draws.

    Args:
        values: Figure of each (draw, task), NaN where undefined, ``(n,)``.
        user: The user of each, ``(n,)``.

    Returns:
        Users in ascending order and their means; users without a defined figure are left out.

    Raises:
        ShapeError: The two differ in length.
    """
    if values.shape != user.shape:
        raise ShapeError(f"{values.size} figures of {user.size} users", "give one user per figure")
    defined = ~np.isnan(values)
    users, row = np.unique(user[defined], return_inverse=True)
    return users, np.bincount(row, weights=values[defined]) / np.bincount(row)


@dataclass(frozen=True)
class Comparison:
    """One row of a table against another, paired over users.

    Attributes:
        users: Users with a figure in both rows.
        difference: Mean over users of first minus second (the metric's unit), None without a user.
        low: Lower end of the 95% bootstrap interval of ``difference``, None below two users.
        high: Upper end.
        p_t: Two-sided p of the paired t test, None below two users.
        p_wilcoxon: Two-sided p of the signed-rank test, None below two users.
    """

    users: int
    difference: float | None
    low: float | None
    high: float | None
    p_t: float | None
    p_wilcoxon: float | None


def compare(
    first: FloatArray, second: FloatArray, user: IntArray, *, resamples: int, seed: int
) -> Comparison:
    """Compare two rows on the same tasks and draws.

    Each user's differences are averaged over its draws first: draws of one user share its tastes,
    and taking them for independent would make every p too small.

    Args:
        first: Figure of each (draw, task), NaN where undefined, ``(n,)``.
        second: The same tasks and draws of the other row, ``(n,)``.
        user: The user of each, ``(n,)``.
        resamples: Bootstrap samples, e.g. 10,000.
        seed: Seed of the bootstrap.

    Raises:
        ShapeError: The columns differ in length.
    """
    if first.shape != second.shape:
        raise ShapeError(
            f"{first.size} figures against {second.size}",
            "compare rows of the same tasks and draws",
        )
    _, difference = user_means(first - second, user)
    if len(difference) < 2:
        mean = float(difference[0]) if len(difference) else None
        return Comparison(len(difference), mean, None, None, None, None)
    low, high = bootstrap_interval(difference, level=0.95, resamples=resamples, seed=seed)
    p_t, p_wilcoxon = paired_t(difference), wilcoxon(difference)
    return Comparison(len(difference), float(difference.mean()), low, high, p_t, p_wilcoxon)


def paired_t(difference: FloatArray) -> float:
    """Return the two-sided p of a mean difference of 0 over at least two users.

    Without any spread the statistic is 0/0 or infinite: p is then 1 (all 0) or 0.

    Source:
        Student, "The probable error of a mean", Biometrika 1908; n - 1 degrees of freedom.
    """
    from scipy.special import stdtr

    mean, spread = difference.mean(), difference.std(ddof=1)
    if spread <= 1e-14 * np.abs(difference).max():
        return 0.0 if mean else 1.0
    t = mean / (spread / np.sqrt(len(difference)))
    return float(2.0 * stdtr(len(difference) - 1, -np.abs(t)))


def wilcoxon(difference: FloatArray) -> float:
    """Return the two-sided p of the signed-rank test over users; 1 where all differences are 0.

    Zero differences are dropped, ties share their mean rank.

    Source:
        Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1945.
    """
    from scipy import stats

    moved = difference[difference != 0]
    return float(stats.wilcoxon(moved).pvalue) if moved.size else 1.0


def bootstrap_interval(
    difference: FloatArray, *, level: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Return the percentile interval of the mean over users, users resampled with replacement.

    A user comes with all of its draws (``difference`` holds each user's mean), so that the
    interval is clustered over users.

    Args:
        difference: One figure per user, at least two, ``(users,)``.
        level: Share of bootstrap means inside the interval, e.g. 0.95.
        resamples: Bootstrap samples.
        seed: Seed of the resampling.

    Source:
        Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 1979.
    """
    random, users = generator(seed, "bootstrap"), len(difference)
    rows = max(1, BLOCK // users)
    means = [
        difference[random.integers(users, size=(min(rows, resamples - start), users))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    outside = (1.0 - level) / 2.0
    low, high = np.quantile(np.concatenate(means), [outside, 1.0 - outside])
    return float(low), float(high)


def holm(p: Sequence[float]) -> list[float]:
    """Return p values adjusted for being several, in the given order.

    Source:
        Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]
