"""From scored draws to the rows of the table, its comparisons and its plain sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fewrec_cli.core.types import FloatArray, IntArray
from fewrec_cli.experiment.evaluate import Cell
from fewrec_cli.experiment.result import Row, Summary
from fewrec_cli.metric.alone import compare_auc
from fewrec_cli.metric.evaluate import summarise
from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.metric.statistics import compare

RESAMPLES = 10_000
LEVEL = 0.05


@dataclass(frozen=True)
class Versus:
    """The model against its best floor in one metric at one support size.

    Attributes:
        metric: Name of the metric.
        shots: Support size.
        row: The model.
        floor: The floor with the best mean among those that have the metric.
        model_mean: Mean over draws.
        floor_mean: Mean over draws.
        difference: Model minus floor, mean over users of each user's mean over draws; of ``auc``,
            which has no figure per user, the mean over draws.
        low: Lower end of the 95% interval of the difference, clustered over users.
        high: Upper end.
        p: Two-sided p of the paired t test over users; of ``auc``, of the bootstrap over users.
        users: Users compared.
    """

    metric: str
    shots: int | Literal["all"]
    row: str
    floor: str
    model_mean: float
    floor_mean: float
    difference: float
    low: float
    high: float
    p: float
    users: int

    @property
    def better(self) -> bool:
        """Whether the model's mean is on the better side."""
        lower = self.metric in LOWER_IS_BETTER
        return self.difference < 0 if lower else self.difference > 0


def rows_of(cells: Sequence[Cell]) -> tuple[Row, ...]:
    """Summarise cells over draws, in the order in which rows and support sizes first appear."""
    groups: dict[tuple[str, int | None], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.row, cell.shots), []).append(cell)
    return tuple(_row(group) for group in groups.values())


def _row(cells: list[Cell]) -> Row:
    first, tasks = cells[0], len(cells[0].n_query)
    spread = summarise([cell.figures for cell in cells])
    spent = [cell.adapt_s for cell in cells if cell.adapt_s is not None]
    return Row(
        first.row,
        first.kind,
        shots_word(first.shots),
        len(cells),
        tasks,
        1000 * float(np.median(spent)) / max(tasks, 1) if spent else None,
        {name: Summary(figure.mean, figure.sd) for name, figure in spread.items()},
    )


def shots_word(shots: int | None) -> int | Literal["all"]:
    """Return the number of shots, or the word for None."""
    return "all" if shots is None else shots


def comparisons(
    cells: Sequence[Cell], rows: Sequence[Row], users: IntArray, metrics: Sequence[str], seed: int
) -> tuple[Versus, ...]:
    """Compare the model with its best floor at every support size.

    Args:
        cells: All scored cells.
        rows: Their summaries.
        users: The user of each task, the same in every draw, ``(tasks,)``.
        metrics: Metrics with a column per task, and ``auc`` where each task has one candidate.
        seed: Of the bootstrap.
    """
    found = []
    for row in rows:
        if row.kind != "model":
            continue
        for metric in metrics:
            best = _best_floor(rows, row.shots, metric)
            if best is None or row.metrics[metric].mean is None:
                continue
            versus = _versus_auc if metric == "auc" else _versus
            found.append(versus(cells, row, best, users, metric, seed))
    return tuple(one for one in found if one is not None)


def _best_floor(rows: Sequence[Row], shots: int | Literal["all"], metric: str) -> Row | None:
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    floors = [
        (sign * mean, position)
        for position, row in enumerate(rows)
        if row.kind == "floor"
        and row.shots == shots
        and (mean := row.metrics[metric].mean) is not None
    ]
    return rows[min(floors)[1]] if floors else None


def _versus(
    cells: Sequence[Cell], row: Row, floor: Row, users: IntArray, metric: str, seed: int
) -> Versus | None:
    ours, theirs = (_column(cells, one, metric) for one in (row, floor))
    everyone = np.tile(users, row.draws)
    found = compare(ours, theirs, everyone, resamples=RESAMPLES, seed=seed)
    numbers = (found.difference, found.low, found.high, found.p_t)
    means = (row.metrics[metric].mean, floor.metrics[metric].mean)
    if any(number is None for number in (*numbers, *means)):
        return None
    difference, low, high, p = (float(number) for number in numbers if number is not None)
    mine, other = (float(mean) for mean in means if mean is not None)
    return Versus(
        metric, row.shots, row.row, floor.row, mine, other, difference, low, high, p, found.users
    )


def _versus_auc(
    cells: Sequence[Cell], row: Row, floor: Row, users: IntArray, metric: str, seed: int
) -> Versus | None:
    ours, theirs = (
        [cell.figures.alone for cell in _of(cells, one) if cell.figures.alone is not None]
        for one in (row, floor)
    )
    mine, other = row.metrics[metric].mean, floor.metrics[metric].mean
    if not ours or mine is None or other is None:
        return None
    found = compare_auc(ours, theirs, users, resamples=RESAMPLES, seed=seed)
    if found is None:
        return None
    numbers = (found.difference, found.low, found.high, found.p, found.users)
    return Versus(metric, row.shots, row.row, floor.row, mine, other, *numbers)


def _column(cells: Sequence[Cell], row: Row, metric: str) -> FloatArray:
    return np.concatenate([cell.figures.columns[metric] for cell in _of(cells, row)])


def _of(cells: Sequence[Cell], row: Row) -> list[Cell]:
    """Return the cells of one line of the table, draw by draw."""
    return [one for one in cells if one.row == row.row and shots_word(one.shots) == row.shots]


def sentences(versus: Sequence[Versus], shots: int | Literal["all"]) -> tuple[str, ...]:
    """Say in plain words, for each metric at the headline size, whether the floors are beaten."""
    return tuple(_sentence(one) for one in versus if one.shots == shots)


def _sentence(one: Versus) -> str:
    figures = f"{one.model_mean:.4f} against {one.floor_mean:.4f} of '{one.floor}'"
    name = "bootstrap" if one.metric == "auc" else "paired t"
    test = f"{name} over {one.users:,} users, p = {one.p:.2g}"
    at = f"in {one.metric} at {one.shots} shots"
    if one.better and one.p < LEVEL:
        return f"{one.row} beats its floors {at}: {figures} ({test})."
    if one.better:
        return f"{one.row} is ahead of its floors {at} by no more than chance: {figures} ({test})."
    return f"{one.row} does NOT beat its floors {at}: {figures} ({test})."
