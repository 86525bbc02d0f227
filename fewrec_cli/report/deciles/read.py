"""The errors by decile of one run, summed up for each user."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewrec_cli.core.errors import ConfigError, RunFolderError
from fewrec_cli.core.types import FloatArray, IntArray
from fewrec_cli.report.deciles.model import USER_SIDES, Group, Side
from fewrec_cli.report.model import Shots
from fewrec_cli.report.run import MANIFEST, Run
from fewrec_cli.report.scores import Scores, read_scores

FILE = "deciles.parquet"
SUMS = {"mae": "mae_sum", "mae_median": "mae_median_sum", "bias": "bias_sum"}
"""Metrics of single ratings and the column that holds their sums."""
WIDTH = 11
"""Deciles 1 to 10, and 0."""


@dataclass(frozen=True)
class Lines:
    """The lines of one row at one support size, ``(n,)`` each.

    Attributes:
        place: Which (draw, task) of the run's ``Scores``.
        item: Decile of the items.
        ratings: How many.
        sums: Sum of errors by metric (stars), NaN for rows that only rank.
    """

    place: IntArray
    item: IntArray
    ratings: IntArray
    sums: Mapping[str, FloatArray]


@dataclass(frozen=True)
class PerUser:
    """Sums and counts of each user in each group, ``(users, groups)``."""

    total: FloatArray
    count: FloatArray

    def __add__(self, other: "PerUser") -> "PerUser":
        return PerUser(self.total + other.total, self.count + other.count)

    def columns(self) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield sums and counts of each group, ``(users,)`` each."""
        yield from zip(self.total.T, self.count.T, strict=True)

    def minus(self, other: "PerUser") -> "PerUser":
        """Return the differences to another row on the same ratings or tasks.

        Raises:
            ConfigError: The rows were not scored on the same ratings.
        """
        if (self.count != other.count).any():
            raise ConfigError(
                "two rows have figures of different tasks: they cannot be paired",
                "take another metric, or evaluation.no_positive=zero",
            )
        return PerUser(self.total - other.total, self.count)


@dataclass(frozen=True)
class Split:
    """A run's figures, ready to be summed by user and group.

    Attributes:
        user: Number of the user of each (draw, task), ``(n,)``.
        users: How many users there are.
        tenth: Decile of each (draw, task) by ``activity`` and ``mainstream``, ``(n,)``.
        lines: By row name and support size.
        scores: Figures of each (draw, task).
        groups: Columns of each side, all together last.
    """

    user: IntArray
    users: int
    tenth: Mapping[str, IntArray]
    lines: Mapping[tuple[str, Shots], Lines]
    scores: Scores
    groups: Mapping[str, tuple[Group, ...]]

    @property
    def sizes(self) -> set[Shots]:
        """Support sizes that the run was split at."""
        return {shots for _, shots in self.lines}

    def per_user(self, row: str, shots: Shots, side: Side, metric: str) -> PerUser | None:
        """Sum a metric over each user's ratings (of items) or tasks (of users) in each group.

        Returns:
            None where the row has no such figure.
        """
        if side == "item":
            lines = self.lines[row, shots]
            place, decile = lines.place, lines.item
            total, count = lines.sums[metric], lines.ratings.astype(np.float64)
        else:
            place, decile = np.arange(len(self.user)), self.tenth[side]
            total = self._per_task(row, shots, metric)
            count = np.ones(len(total))
        defined = ~np.isnan(total) & (decile >= 0)
        if not defined.any():
            return None
        key = self.user[place[defined]] * WIDTH + decile[defined]
        tables = [
            np.bincount(key, values[defined], self.users * WIDTH).reshape(self.users, WIDTH)
            for values in (total, count)
        ]
        kept = [one.decile for one in self.groups[side] if one.decile is not None]
        return PerUser(*(np.column_stack([one[:, kept], one.sum(axis=1)]) for one in tables))

    def _per_task(self, row: str, shots: Shots, metric: str) -> FloatArray:
        if metric not in SUMS:
            return np.asarray(self.scores.columns[row, shots].values[metric], dtype=np.float64)
        lines, tasks = self.lines[row, shots], len(self.user)
        total = np.bincount(lines.place, lines.sums[metric], tasks)
        count = np.bincount(lines.place, lines.ratings, tasks)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def read_split(run: Run, metrics: Sequence[str]) -> Split:
    """Read a run's errors by decile.

    Args:
        run: A finished run.
        metrics: Those wanted.

    Raises:
        ConfigError: The run was not split by deciles, or has no such metric.
        RunFolderError: A file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run.folder / FILE
    if not path.is_file():
        raise ConfigError(
            f"{run.folder} has no {FILE}",
            f"write fewrec evaluate run={run.folder} evaluation.deciles=[5,all]",
        )
    lists = [metric for metric in metrics if metric not in SUMS]
    scores = read_scores(run, lists)
    missing = [
        metric for metric in lists if metric not in next(iter(scores.columns.values())).values
    ]
    if missing:
        raise ConfigError(
            f"{run.folder} has no {missing[0]} of each task",
            f"choose one of {', '.join(SUMS)}, or a column of tasks.parquet such as ndcg@5",
        )
    try:
        table = pq.read_table(path, read_dictionary=["row", "shots"])
        tenths = json.loads((run.folder / MANIFEST).read_text(encoding="utf-8"))["deciles"]
        return _split(table, tenths, scores)
    except (OSError, ValueError, KeyError, IndexError, TypeError, pa.ArrowException) as fault:
        raise RunFolderError(
            f"cannot read {path}: {type(fault).__name__}: {' '.join(str(fault).split())[:80]}",
            "the files were changed since the run; leave this run out",
        ) from fault


def _split(table: Any, tenths: Any, scores: Scores) -> Split:
    names = ("draw", "task", "item", "ratings", *USER_SIDES)
    numbers = {name: table[name].to_numpy().astype(np.int64) for name in names}
    place = np.searchsorted(scores.draw, numbers["draw"]) + numbers["task"]
    sums = {name: table[column].to_numpy().astype(np.float64) for name, column in SUMS.items()}
    ids, user = np.unique(scores.user, return_inverse=True)
    tenth: dict[str, IntArray] = {side: np.full(len(user), -1) for side in USER_SIDES}
    for side in USER_SIDES:
        tenth[side][place] = numbers[side]
    lines = {}
    for (row, shots), own in _rows(table).items():
        size: Shots = "all" if shots == "all" else int(shots)
        lines[row, size] = Lines(
            place[own],
            numbers["item"][own],
            numbers["ratings"][own],
            {name: column[own] for name, column in sums.items()},
        )
    one = next(iter(lines.values()))  # the query rows are the same for all
    split: dict[str, IntArray] = {"item": one.item}
    split |= {side: tenth[side][one.place] for side in USER_SIDES}
    groups = {
        side: _groups(tenths[side], np.bincount(split[side], one.ratings, WIDTH)) for side in split
    }
    return Split(user, len(ids), tenth, lines, scores, groups)


def _rows(table: Any) -> dict[tuple[str, str], IntArray]:
    """Return the lines of each (row, shots)."""
    columns = [table[name].unify_dictionaries().combine_chunks() for name in ("row", "shots")]
    columns = [one.chunk(0) if hasattr(one, "chunks") else one for one in columns]
    (row, size), (names, sizes) = (
        [one.indices.to_numpy().astype(np.int64) for one in columns],
        [one.dictionary.to_pylist() for one in columns],
    )
    code = row * len(sizes) + size
    order = np.argsort(code, kind="stable")
    there, starts = np.unique(code[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {
        (names[one // len(sizes)], sizes[one % len(sizes)]): part
        for one, part in zip(there.tolist(), parts, strict=True)
    }


def _groups(
    tenths: Sequence[Mapping[str, Any]], ratings: IntArray | FloatArray
) -> tuple[Group, ...]:
    found = [
        Group(one["decile"], one["low"], one["high"], one["members"], int(ratings[one["decile"]]))
        for one in tenths
    ]
    held = [one for one in found if one.members]
    every = Group(
        None,
        min((one.low for one in held if one.low is not None), default=None),
        max((one.high for one in held if one.high is not None), default=None),
        sum(one.members for one in found),
        sum(one.ratings for one in found),
    )
    return (*found, every)
