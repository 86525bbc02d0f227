"""95% intervals of many figures at once, users and seeds resampled together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import FloatArray

LEVEL = 0.95
CELLS = 1 << 22
"""Weights of users in memory at a time (32 MiB)."""
Ends = tuple[float, float] | None


@dataclass(frozen=True)
class Cluster:
    """One figure, by user and replicate.

    A replicate is a run under another seed, or another task split. The figure is the sum of
    ``total`` over the sum of ``count``, and the root of that where ``root``.

    Attributes:
        total: Sum over a user's tasks and draws, 0 where it has none, ``(users, replicates)``.
        count: How many were summed (of the pooled RMSE: rated query rows), ``(users, replicates)``.
        root: Whether the figure is a root, as the pooled RMSE is.
    """

    total: FloatArray
    count: FloatArray
    root: bool = False

    @property
    def figure(self) -> float:
        """The figure itself, NaN without a task."""
        return float(_figure(self.total.sum(), self.count.sum(), root=self.root))


def intervals(clusters: Sequence[Cluster], *, resamples: int, seed: int) -> list[Ends]:
    """Return the 95% percentile interval of each figure.

    Users are drawn with replacement, each with all of its tasks, draws and replicates; of R > 1
    replicates, R - 1 are drawn with replacement, independently of the users. All figures share
    the draws. Of few seeds this interval, like any, knows little: with 3 it covers less than 95%
    where seeds differ more than users do.

    Args:
        clusters: All with the same users; the number of replicates may differ.
        resamples: Bootstrap samples.
        seed: Seed of the resampling.

    Returns:
        Low and high end, None where fewer than two users have a figure.

    Source:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007 (users and replicates
        are crossed, so both are resampled). Departure: R - 1 of R replicates, as Rao and Wu,
        "Resampling inference with complex survey data", JASA 1988, since R of R would make the
        variance too small by (R - 1) / R.
    """
    found: list[Ends] = [None] * len(clusters)
    usable = [n for n, one in enumerate(clusters) if (one.count.sum(1) > 0).sum() > 1]
    sizes = {clusters[n].total.shape[1] for n in usable}
    for replicates in sorted(sizes):
        some = [n for n in usable if clusters[n].total.shape[1] == replicates]
        low, high = _ends([clusters[n] for n in some], replicates, resamples, seed)
        for place, n in enumerate(some):
            found[n] = (float(low[place]), float(high[place]))
    return found


def _ends(
    clusters: Sequence[Cluster], replicates: int, resamples: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    totals = np.stack([one.total for one in clusters], axis=1)  # (users, figures, replicates)
    counts, which = _distinct([one.count for one in clusters])
    root = np.array([one.root for one in clusters])
    parts = []
    for users, repeats in _weights(len(totals), replicates, resamples, seed):
        top = _weighted(users, totals, repeats)
        bottom = _weighted(users, counts, repeats)[:, which]
        parts.append(_figure(top, bottom, root=root))
    outside = (1.0 - LEVEL) / 2.0
    low, high = np.nanquantile(np.concatenate(parts), [outside, 1.0 - outside], axis=0)
    return low, high


def _distinct(counts: Sequence[FloatArray]) -> tuple[FloatArray, list[int]]:
    """Return the different counts, ``(users, different, replicates)``, and which is whose."""
    places: dict[bytes, int] = {}
    different: list[FloatArray] = []
    which = []
    for one in counts:
        key = one.tobytes()
        if key not in places:
            places[key] = len(different)
            different.append(one)
        which.append(places[key])
    return np.stack(different, axis=1), which


def _weights(
    users: int, replicates: int, resamples: int, seed: int
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield how often each user and each replicate was drawn, some resamples at a time."""
    random = generator(seed, "report", "bootstrap")
    step = max(1, CELLS // max(users, 1))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = _times(random, size, users, users)
        yield drawn, _times(random, size, replicates, max(replicates - 1, 1))


def _times(random: np.random.Generator, size: int, kinds: int, draws: int) -> FloatArray:
    """Draw ``draws`` of ``kinds`` with replacement, ``size`` times; count, ``(size, kinds)``."""
    drawn = random.integers(kinds, size=(size, draws)) + kinds * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * kinds).reshape(size, kinds).astype(float)


def _weighted(users: FloatArray, cells: FloatArray, repeats: FloatArray) -> FloatArray:
    """Sum over users and replicates by their weights, ``(resamples, figures)``."""
    _, figures, replicates = cells.shape
    summed = (users @ cells.reshape(len(cells), -1)).reshape(-1, figures, replicates)
    told: FloatArray = np.einsum("bfr,br->bf", summed, repeats)
    return told


def _figure(top: FloatArray, bottom: FloatArray, *, root: bool | FloatArray) -> FloatArray:
    """Divide, NaN where there is nothing, and take roots where asked."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.asarray(top / bottom)
    return np.where(root, np.sqrt(np.maximum(ratio, 0.0)), ratio)
