"""The figures of every task of a run, as they stand in its Parquet files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewrec_cli.core.errors import RunFolderError
from fewrec_cli.core.types import FloatArray, IdArray, IntArray
from fewrec_cli.metric.alone import Alone
from fewrec_cli.metric.rating import aggregate
from fewrec_cli.report.model import Shots
from fewrec_cli.report.run import EPISODES, TASKS, Run

AUC = "auc"
"""The metric that has no figure per task, and is made of the tasks' scores anew."""
POOLED = "rmse"
"""The metric whose aggregate is no mean over tasks: it pools all ratings."""
WEIGHTED = ("rmse", "gauc")
"""Metrics in which a task weighs as much as it has query rows."""
AGREE = 1e-6
"""Largest difference between ``metrics.json`` and what ``tasks.parquet`` gives."""
Owners = tuple[IdArray, IntArray]


@dataclass(frozen=True)
class Columns:
    """One row at one support size on one run, ``(n,)`` each: draws one after another.

    Attributes:
        values: Figure of each (draw, task) by metric, NaN where undefined.
        n_query: Rated query rows.
        alone: The only candidate of each task where each has one, and ``auc`` was wanted.
    """

    values: Mapping[str, FloatArray]
    n_query: IntArray
    alone: Alone | None = None


@dataclass(frozen=True)
class Scores:
    """All rows of one run, task by task.

    Attributes:
        user: Whose task it is, ids as found in the files, ``(n,)``.
        draw: Number of the draw, ascending, ``(n,)``.
        columns: By row name and support size.
    """

    user: IdArray
    draw: IntArray
    columns: Mapping[tuple[str, Shots], Columns]


def read_all(runs: Sequence[Run], metrics: Sequence[str]) -> dict[Path, Scores]:
    """Read the figures per task of several runs, by folder; whose tasks they are, once per hash.

    Raises:
        RunFolderError: A file cannot be read, or the files are not of one run.
    """
    owners: dict[str, Owners] = {}
    found = {}
    for run in runs:
        found[run.folder] = read_scores(run, metrics, owners.get(run.episode_hash))
        owners[run.episode_hash] = (found[run.folder].user, found[run.folder].draw)
    return found


def read_scores(run: Run, metrics: Sequence[str], owners: Owners | None = None) -> Scores:
    """Read a run's figures per task.

    Args:
        run: A finished run.
        metrics: Those wanted; one without a figure per task is left out.
        owners: Users and draws of its tasks, where a run of the same episodes was read before.

    Raises:
        RunFolderError: A file cannot be read, or the files are not of one run.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ("row", "shots")
    path = run.folder / TASKS
    try:
        there = set(pq.read_schema(path).names)
        wanted = [name for name in metrics if name in there]
        alone = ["score", "liked"] if AUC in metrics and "liked" in there else []
        table = pq.read_table(
            path,
            columns=[*names, "draw", "task", "n_query", *wanted, *alone],
            read_dictionary=list(names),
        )
        user, draw = _owners(run) if owners is None else owners
    except (OSError, ValueError, KeyError, pa.ArrowException) as fault:
        raise _broken(
            run, f"{type(fault).__name__}: {' '.join(str(fault).split())[:80]}"
        ) from fault
    code, kinds = _codes([_dictionary(table[name]) for name in names])
    head = ("draw", "task", "n_query")
    numbers = {name: table[name].to_numpy() for name in (*head, *wanted, *alone)}
    columns: dict[tuple[str, Shots], Columns] = {}
    order = np.lexsort((numbers["task"], numbers["draw"], code))
    ends = np.searchsorted(code[order], np.arange(len(kinds) + 1))
    for (row, shots), start, stop in zip(kinds, ends[:-1], ends[1:], strict=True):
        place = order[start:stop]
        if len(place) != len(draw) or (numbers["draw"][place] != draw).any():
            raise _broken(run, f"{TASKS} and {EPISODES} differ in tasks or draws")
        columns[row, "all" if shots == "all" else int(shots)] = Columns(
            {name: numbers[name][place] for name in wanted},
            numbers["n_query"][place],
            Alone(numbers["score"][place], numbers["liked"][place]) if alone else None,
        )
    scores = Scores(user, draw, columns)
    _agree(run, scores)
    return scores


def per_draw(columns: Columns, metric: str, draw: IntArray) -> FloatArray:
    """Return the figure of each draw, NaN where undefined, ``(draws,)``."""
    values, n_query = columns.values[metric], columns.n_query
    places = np.split(np.arange(len(draw)), np.flatnonzero(np.diff(draw)) + 1)
    found = [aggregate(metric, values[place], n_query[place]) for place in places]
    return np.array([np.nan if one is None else one for one in found])


def _agree(run: Run, scores: Scores) -> None:
    """Refuse a folder whose table was not made of its own tasks."""
    for row in run.rows:
        columns = scores.columns.get((row.row, row.shots))
        if columns is None:
            raise _broken(run, f"{TASKS} lacks {row.row!r} at {row.shots} shots")
        for metric in columns.values:
            mean = row.metrics[metric].mean
            found = per_draw(columns, metric, scores.draw)
            defined = found[~np.isnan(found)]
            if (mean is None) != (not len(defined)) or (
                mean is not None and abs(defined.mean() - mean) > AGREE * max(1.0, abs(mean))
            ):
                raise _broken(run, f"metrics.json and {TASKS} differ in {metric} of {row.row!r}")


def _owners(run: Run) -> Owners:
    """Return user and draw of every task of every draw, ordered by draw and task."""
    import pyarrow.parquet as pq

    columns = ["draw", "task", "user_id"]
    first = [("role", "=", "query"), ("position", "=", 0)]
    table = pq.read_table(run.folder / EPISODES, columns=columns, filters=first)
    draw, task, user = (table[name].to_numpy(zero_copy_only=False) for name in columns)
    order = np.lexsort((task, draw))
    return user[order], draw[order]


def _dictionary(column: Any) -> tuple[IntArray, list[str]]:
    """Return codes and values of a text column."""
    whole = column.unify_dictionaries().combine_chunks()
    chunks = [whole] if not hasattr(whole, "chunks") else whole.chunks
    codes = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in chunks]
    values = chunks[0].dictionary.to_pylist() if chunks else []
    return np.concatenate(codes).astype(np.int64), values


def _codes(columns: Sequence[tuple[IntArray, list[str]]]) -> tuple[IntArray, list[tuple[str, ...]]]:
    """Number the combinations that occur, and return what each stands for."""
    (first, names), (second, sizes) = columns
    combined = first * len(sizes) + second
    there, code = np.unique(combined, return_inverse=True)
    return code, [(names[one // len(sizes)], sizes[one % len(sizes)]) for one in there]


def _broken(run: Run, what: str) -> RunFolderError:
    return RunFolderError(
        f"cannot read the run {run.folder}: {what}",
        "the files were changed since the run; leave this run out",
    )
