"""One row of the table with the figures of its tasks, over seeds, draws and splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fewrec_cli.core.types import FloatArray, IdArray, IntArray
from fewrec_cli.experiment.result import Kind, Row
from fewrec_cli.metric.statistics import mean_sd
from fewrec_cli.report.interval import Cluster
from fewrec_cli.report.model import Figure, Parameters, Shots
from fewrec_cli.report.scores import POOLED, WEIGHTED, Columns, per_draw


@dataclass(frozen=True)
class Piece:
    """A row on one run.

    Attributes:
        episodes: Hash of the run's episodes: equal where users, supports and queries are.
        seed: The run's seed.
        user: Whose task each figure is of, ``(n,)``.
        draw: Its draw, ``(n,)``.
        columns: The figures, ``(n,)`` each.
        summary: The row as ``metrics.json`` has it.
        run: The run's folder, for messages.
    """

    episodes: str
    seed: int
    user: IdArray
    draw: IntArray
    columns: Columns
    summary: Row
    run: str


@dataclass(frozen=True)
class Line:
    """A row at one support size.

    Attributes:
        row: Name.
        kind: Where its figures come from.
        shots: Support size.
        pieces: One per run.
        parameters: Size of the model, None where unknown.
        words: Words in which it differs from others.
    """

    row: str
    kind: Kind
    shots: Shots
    pieces: tuple[Piece, ...]
    parameters: Parameters | None = None
    words: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def splits(self) -> dict[str, tuple[Piece, ...]]:
        """Its pieces by hash of the episodes; several seeds on one split stand together."""
        found: dict[str, tuple[Piece, ...]] = {}
        for piece in self.pieces:
            found[piece.episodes] = (*found.get(piece.episodes, ()), piece)
        return found

    @property
    def seeds(self) -> tuple[int, ...]:
        """Its seeds, ascending."""
        return tuple(sorted({piece.seed for piece in self.pieces}))

    @property
    def adapt_ms_per_task(self) -> float | None:
        """Median over runs (milliseconds), None where nothing adapts."""
        spent = [piece.summary.adapt_ms_per_task for piece in self.pieces]
        told = [one for one in spent if one is not None]
        return float(np.median(told)) if told else None

    def per_task(self, metric: str) -> bool:
        """Whether every run has a figure of each task in this metric."""
        return all(metric in piece.columns.values for piece in self.pieces)

    @cached_property
    def _figures(self) -> dict[str, Figure]:
        return {}

    def figure(self, metric: str) -> Figure:
        """Return mean and deviations of one metric; intervals are made for many at once.

        The mean is that of all draws of all splits, each draw's figure averaged over seeds.
        """
        if metric not in self._figures:
            self._figures[metric] = _figure(self, metric)
        return self._figures[metric]

    def over_seeds(self, metric: str, episodes: str) -> FloatArray:
        """Return each task's figure on one split, averaged over seeds, NaN where undefined."""
        return _mean_over([piece.columns.values[metric] for piece in self.splits[episodes]])


def cluster_of(line: Line, metric: str, users: IdArray) -> Cluster:
    """Return a row's figures summed by user and replicate.

    Replicates are splits where there are several (each averaged over its seeds), else seeds.

    Args:
        line: A row with a figure per task.
        metric: Which figure.
        users: All users of the section, ascending, ``(users,)``.
    """
    if len(line.splits) > 1:
        parts = [(some[0], line.over_seeds(metric, name)) for name, some in line.splits.items()]
    else:
        parts = [(piece, piece.columns.values[metric]) for piece in line.pieces]
    totals, counts = [], []
    for piece, values in parts:
        row = np.searchsorted(users, piece.user)
        weight = piece.columns.n_query if metric in WEIGHTED else np.ones(len(values))
        weight = np.where(np.isnan(values), 0.0, weight)
        figure = np.nan_to_num(values) ** 2 if metric == POOLED else np.nan_to_num(values)
        totals.append(np.bincount(row, weights=weight * figure, minlength=len(users)))
        counts.append(np.bincount(row, weights=weight, minlength=len(users)))
    return Cluster(np.stack(totals, 1), np.stack(counts, 1), metric == POOLED)


def _figure(line: Line, metric: str) -> Figure:
    told = [piece.summary.metrics.get(metric) for piece in line.pieces]
    if not line.per_task(metric):
        mean, _ = mean_sd([None if one is None else one.mean for one in told])
        alone = told[0].sd if len(told) == 1 and told[0] is not None else _over_splits(line, metric)
        return Figure(mean, alone, _over_seeds([None if t is None else t.mean for t in told], line))
    draws = {id(piece): per_draw(piece.columns, metric, piece.draw) for piece in line.pieces}
    means = [_mean_over([draws[id(piece)] for piece in some]) for some in line.splits.values()]
    mean, sd = mean_sd(np.concatenate(means).tolist())
    return Figure(mean, sd, _over_seeds([_mean(draws[id(piece)]) for piece in line.pieces], line))


def _over_splits(line: Line, metric: str) -> float | None:
    """Return the deviation of the splits' means, for a metric without a figure per task."""
    means = []
    for some in line.splits.values():
        told = [piece.summary.metrics.get(metric) for piece in some]
        means.append(mean_sd([None if one is None else one.mean for one in told])[0])
    return mean_sd(means)[1]


def _over_seeds(means: Sequence[float | None], line: Line) -> float | None:
    """Return the deviation of the seeds' means, where every split has every seed."""
    seeds = line.seeds
    if any({piece.seed for piece in some} != set(seeds) for some in line.splits.values()):
        return None
    by_seed = [
        mean_sd([mean for mean, one in zip(means, line.pieces, strict=True) if one.seed == seed])[0]
        for seed in seeds
    ]
    return mean_sd(by_seed)[1]


def _mean_over(several: Sequence[FloatArray]) -> FloatArray:
    mean: FloatArray = np.mean(several, axis=0)
    return mean


def _mean(values: FloatArray) -> float | None:
    return mean_sd(values.tolist())[0]
