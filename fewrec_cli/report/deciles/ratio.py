"""A mean over ratings or tasks, with its interval over users."""

from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.core.types import FloatArray
from fewrec_cli.metric.statistics import paired_t

FEWEST = 10
"""Users below which no interval and no p is given: the approximation is too rough."""
LEVEL = 0.95


@dataclass(frozen=True)
class Ratio:
    """A sum over users divided by a count over users.

    Attributes:
        mean: None where the count is 0.
        low: Lower end of the 95% interval over users, None below ``FEWEST`` users.
        high: Upper end.
        p: Two-sided p of a mean of 0, None below ``FEWEST`` users.
        users: Users who count.
    """

    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    users: int


def ratio(total: FloatArray, count: FloatArray) -> Ratio:
    """Divide what users add up to by how often they count, with users as clusters.

    Each user stands with all of its ratings, draws and seeds together, so that none of these is
    taken for independent. Where every user counts once, this is the t interval of the mean and
    the paired t test.

    Args:
        total: Sum of each user's figures, ``(users,)``.
        count: How many they are, >= 0, ``(users,)``.

    Raises:
        ShapeError: The two differ in length.

    Source:
        Cochran, "Sampling Techniques", 3rd edition, 1977, equation 6.13: the variance of a ratio
        by its linear form; here with a t distribution of users - 1 degrees of freedom.
    """
    from scipy.special import stdtrit

    if total.shape != count.shape:
        raise ShapeError(f"{total.size} sums of {count.size} users", "give one count per sum")
    own = count > 0
    users = int(own.sum())
    if not users:
        return Ratio(None, None, None, None, 0)
    mean = float(total[own].sum() / count[own].sum())
    if users < FEWEST:
        return Ratio(mean, None, None, None, users)
    linear = mean + (total[own] - mean * count[own]) / count[own].mean()
    half = stdtrit(users - 1, 0.5 + LEVEL / 2) * linear.std(ddof=1) / np.sqrt(users)
    return Ratio(mean, float(mean - half), float(mean + half), paired_t(linear), users)
