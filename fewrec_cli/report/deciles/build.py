"""Holds each row against the best floor, group by group, with users as clusters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path

from fewrec_cli.core.errors import ConfigError, RunFolderError
from fewrec_cli.experiment.result import Kind, Row
from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.metric.statistics import holm
from fewrec_cli.report.deciles.model import (
    SIDES,
    USER_SIDES,
    Cell,
    DecileRow,
    DecileSection,
    DecileTable,
    Side,
)
from fewrec_cli.report.deciles.ratio import ratio
from fewrec_cli.report.deciles.read import SUMS, PerUser, Split, read_split
from fewrec_cli.report.group import Entry
from fewrec_cli.report.model import Shots

UNSIGNED = ("bias",)
"""Metrics without a better side: their means are shown, and nothing is compared."""
KINDS: tuple[Kind, ...] = ("model", "unadapted", "floor", "oracle")
Splits = Mapping[Path, Split]
Found = tuple[str, Kind, tuple[Cell, ...]]


def build(
    entries: Sequence[Entry], *, title: str, metrics: Sequence[str], shots: Sequence[Shots] | None
) -> DecileTable:
    """Split the figures of finished runs by decile, and compare models with the best floor.

    A row is compared with the floor of its own run, on the same ratings. The floor is one for all
    groups, the best over all tasks; the other floors stand beside it, so that a group where one of
    them is better is seen. Several runs of one entry (seeds) count together.

    Args:
        entries: At least one; those of one state and track must have the same tasks.
        title: One line.
        metrics: ``mae``, ``mae_median``, ``bias``, or metrics of lists such as ``ndcg@5``, which
            are split by users only.
        shots: Support sizes; None takes all that every run was split at.

    Raises:
        ConfigError: A run was not split at a size asked for, or has no such metric.
        RunFolderError: Runs have different tasks, or a file cannot be read.
    """
    sections: list[DecileSection] = []
    for place in dict.fromkeys((entry.state, entry.track) for entry in entries):
        own = [entry for entry in entries if (entry.state, entry.track) == place]
        _check_same_tasks(own)
        splits = {run.folder: read_split(run, metrics) for one in own for run in one.runs}
        for size in _sizes(splits, shots):
            sections += [
                _section(own, splits, size, side, metric)
                for metric in metrics
                for side in (SIDES if metric in SUMS else USER_SIDES)
            ]
    return DecileTable(title, tuple(sections))


def _check_same_tasks(entries: Sequence[Entry]) -> None:
    first, *others = [run for entry in entries for run in entry.runs]
    for run in others:
        if (run.episode_hash, run.data_hash) != (first.episode_hash, first.data_hash):
            raise RunFolderError(
                f"{first.folder} and {run.folder} have different tasks (episode hashes "
                f"{first.episode_hash[:8]} and {run.episode_hash[:8]}) and cannot be paired",
                "give runs of the same data and the same scenario",
            )


def _sizes(splits: Splits, shots: Sequence[Shots] | None) -> tuple[Shots, ...]:
    shared = set.intersection(*(split.sizes for split in splits.values()))
    wanted = tuple(sorted(shared, key=_place)) if shots is None else tuple(shots)
    for folder, split in splits.items():
        missing = [str(size) for size in wanted if size not in split.sizes]
        if missing or not wanted:
            told = ",".join(map(str, wanted)) or "5,all"
            has = ", ".join(map(str, sorted(split.sizes, key=_place)))
            raise ConfigError(
                f"{folder} is split by deciles at {has} shots, "
                f"not at {', '.join(missing) or 'those of the other runs'}",
                f"write fewrec evaluate run={folder} evaluation.deciles=[{told}]",
            )
    return wanted


def _section(
    entries: Sequence[Entry], splits: Splits, shots: Shots, side: Side, metric: str
) -> DecileSection:
    best = _best_floor(entries[0].runs[0].rows, metric, shots)
    found = _rows(entries, splits, (shots, side, metric), best)
    rows = _corrected(DecileRow(name, kind, cells) for name, kind, cells in found)
    place, groups = entries[0], splits[entries[0].runs[0].folder].groups[side]
    return DecileSection(place.state, place.track, shots, side, metric, best, groups, rows)


def _corrected(rows: Iterable[DecileRow]) -> tuple[DecileRow, ...]:
    """Correct the p of all models in all deciles; that of all together is another question."""
    given = tuple(rows)
    tested = [
        (row, place)
        for row, one in enumerate(given)
        for place, cell in enumerate(one.cells[:-1])
        if one.kind == "model" and cell.p is not None
    ]
    p = holm([given[row].cells[place].p or 0.0 for row, place in tested])
    found = dict(zip(tested, p, strict=True))
    return tuple(
        replace(
            one,
            cells=tuple(
                replace(cell, p_holm=found.get((row, place)))
                for place, cell in enumerate(one.cells)
            ),
        )
        for row, one in enumerate(given)
    )


def _rows(
    entries: Sequence[Entry], splits: Splits, what: tuple[Shots, Side, str], best: str | None
) -> Iterator[Found]:
    """Yield every row's means and differences: models of all entries, floors of the first."""
    for kind in KINDS:
        for entry in entries if kind in ("model", "unadapted") else entries[:1]:
            own = [splits[run.folder] for run in entry.runs]
            for row in entry.runs[0].rows:
                if row.kind != kind or row.shots != what[0]:
                    continue
                sums = _summed(own, row.row, None, what)
                if sums is None:
                    continue
                versus = None
                if best not in (None, row.row):
                    versus = _summed(own, row.row, best, what)
                names = {"model": entry.name, "unadapted": f"{entry.name} (unadapted)"}
                name = names.get(kind, row.row)
                yield name, kind, _cells(sums, versus)


def _summed(
    splits: Sequence[Split], row: str, minus: str | None, what: tuple[Shots, Side, str]
) -> PerUser | None:
    """Sum a row over runs, or its differences to a row of the same runs."""
    parts = []
    for split in splits:
        own = split.per_user(row, *what)
        other = None if minus is None else split.per_user(minus, *what)
        if own is None or (minus is not None and other is None):
            return None
        parts.append(own if other is None else own.minus(other))
    return reduce(add, parts)


def _cells(sums: PerUser, versus: PerUser | None) -> tuple[Cell, ...]:
    means = [ratio(*column) for column in sums.columns()]
    if versus is None:
        return tuple(Cell(one.mean, None, None, None, None, None, one.users) for one in means)
    others = [ratio(*column) for column in versus.columns()]
    return tuple(
        Cell(mean.mean, other.mean, other.low, other.high, other.p, None, mean.users)
        for mean, other in zip(means, others, strict=True)
    )


def _best_floor(rows: Sequence[Row], metric: str, shots: Shots) -> str | None:
    """Return the floor with the best mean over all tasks, as ``metrics.json`` has it."""
    if metric in UNSIGNED:
        return None
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    floors = [
        (sign * mean, place)
        for place, row in enumerate(rows)
        if row.kind == "floor"
        and row.shots == shots
        and metric in row.metrics
        and (mean := row.metrics[metric].mean) is not None
    ]
    return rows[min(floors)[1]].row if floors else None


def _place(size: Shots) -> float:
    return float("inf") if size == "all" else size
