"""What a reader sees of a table: blocks of grids of cells, the same in every format."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.report import cells
from fewrec_cli.report.assemble import ORDER
from fewrec_cli.report.build import plotted
from fewrec_cli.report.differences import differences, variants
from fewrec_cli.report.grid import Cell, Grid, kinds_of, name_of, titled
from fewrec_cli.report.model import Section, Shots, Table, TableRow, Verdict, place_of

Spread = Literal["sd", "interval"]


@dataclass(frozen=True)
class Block:
    """One section as it is shown.

    Attributes:
        title: State and track; empty where the table has one section only.
        grids: Figures first.
        lines: Sources of published rows, then the signature.
    """

    title: str
    grids: tuple[Grid, ...]
    lines: tuple[str, ...]


def blocks(table: Table, spread: Spread = "sd") -> tuple[Block, ...]:
    """Lay out every section of a table.

    Args:
        table: The table.
        spread: What stands beside a mean: the deviation over draws, or the 95% interval.
    """
    return tuple(_block(table, section, spread) for section in table.sections)


def _block(table: Table, section: Section, spread: Spread) -> Block:
    rows = [row for row in table.rows if _of(row, section)]
    sizes = sorted({row.shots for row in rows}, key=place_of)
    told = [one for one in table.verdicts if (one.check.state, one.check.track) == _key(section)]
    one_size = len(sizes) < 2
    grids = (
        [_by_metric(table, rows, spread, told)]
        if one_size
        else [_by_shots(rows, metric, sizes, spread) for metric in table.metrics]
    )
    grids += differences(table, rows, sizes)
    grids += variants(table, rows, sizes)
    if one_size:
        grids += _curves(table, section)
    grids += _intervals(table, rows, spread) if one_size else []
    grids += [_verdicts(told)] if told else []
    title = section.title if len(table.sections) > 1 else ""
    return Block(title, tuple(grid for grid in grids if grid.lines), _under(section, rows))


def _by_metric(
    table: Table, rows: Sequence[TableRow], spread: Spread, told: Sequence[Verdict]
) -> Grid:
    """One column per metric: the table of one support size."""
    timed = any(row.adapt_ms_per_task is not None for row in rows)
    sized = any(row.parameters is not None for row in rows)
    head = ["", *map(titled, table.metrics)]
    head += [name for name, there in (("ms/task", timed), ("parameters", sized)) if there]
    head += ["check"] if told else []
    lines = []
    for row in rows:
        line = [Cell(name_of(row)), *(_cell(row, metric, spread) for metric in table.metrics)]
        line += [Cell(cells.milliseconds(row.adapt_ms_per_task))] if timed else []
        line += [Cell(cells.parameters(row.parameters))] if sized else []
        line += [Cell(_checked(row, told))] if told else []
        lines.append(tuple(line))
    return Grid(_caption(rows, spread), tuple(head), tuple(lines), kinds_of(rows))


def _by_shots(
    rows: Sequence[TableRow], metric: str, sizes: Sequence[Shots], spread: Spread
) -> Grid:
    """One column per support size: the table of one metric.

    Unadapted models are left out where the column of 0 shots says the same.
    """
    lines, kinds = [], []
    for name, kind in _names(rows):
        if kind == "unadapted" and 0 in sizes:
            continue
        at = {row.shots: row for row in rows if (row.row, row.kind) == (name, kind)}
        told = [_cell(at[size], metric, spread) if size in at else Cell("") for size in sizes]
        if any(cell.text not in ("", cells.NOTHING) for cell in told):
            lines.append((Cell(name_of(next(iter(at.values())))), *told))
            kinds.append(kind)
    head = ("", *(cells.shots(size) for size in sizes))
    title = f"{titled(metric)}; {_caption(rows, spread)}"
    return Grid(title, head, tuple(lines), tuple(kinds))


def _curves(table: Table, section: Section) -> list[Grid]:
    """The means of two metrics at every support size, of models and of the best floors."""
    rows = [row for row in table.curve if _of(row, section)]
    sizes = sorted({row.shots for row in rows}, key=place_of)
    lines: list[tuple[Cell, ...]] = []
    kinds = []
    if len(sizes) < 2:
        return []
    for metric in plotted(table.metrics):
        for name, kind in _telling(rows, metric):
            at = {row.shots: row for row in rows if (row.row, row.kind) == (name, kind)}
            means = [at[size].metrics[metric].mean if size in at else None for size in sizes]
            lines.append((Cell(f"{name}, {metric}"), *(Cell(cells.number(one)) for one in means)))
            kinds.append(kind)
    head = ("", *(cells.shots(size) for size in sizes))
    return [Grid("By support size (mean)", head, tuple(lines), tuple(kinds))]


def _telling(rows: Sequence[TableRow], metric: str) -> list[tuple[str, str]]:
    """Models that have the metric, and the floor that is best at most support sizes."""
    models = [(name, kind) for name, kind in _names(rows) if kind == "model"]
    there = [key for key in models if any(_mean(row, metric) for row in rows if _is(row, key))]
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    won: dict[tuple[str, str], int] = {}
    for size in dict.fromkeys(row.shots for row in rows):
        floors = [row for row in rows if row.kind == "floor" and row.shots == size]
        told = [(sign * mean, row.row) for row in floors if (mean := _mean(row, metric))]
        if told:
            key = (min(told)[1], "floor")
            won[key] = won.get(key, 0) + 1
    return [*there, *([max(won, key=lambda key: won[key])] if won else [])]


def _intervals(table: Table, rows: Sequence[TableRow], spread: Spread) -> list[Grid]:
    """What stands not beside the mean: the 95% intervals, or the deviations over draws."""
    other: Spread = "interval" if spread == "sd" else "sd"
    own = [row for row in rows if row.kind != "published"]
    lines = tuple(
        (Cell(name_of(row)), *(Cell(cells.spread(row.metrics[m], other)) for m in table.metrics))
        for row in own
    )
    title = "Mean and 95% interval over users and seeds" if other == "interval" else _caption(own)
    return [Grid(title, ("", *map(titled, table.metrics)), lines, kinds_of(own), detail=True)]


def _verdicts(told: Sequence[Verdict]) -> Grid:
    lines = tuple(
        (
            Cell(f"{one.check.row} as {one.check.published}, {one.check.metric}"),
            Cell(cells.number(one.ours, 4)),
            Cell(cells.number(one.theirs, 4)),
            Cell(f"{one.check.tolerance:g}"),
            Cell(one.word),
        )
        for one in told
    )
    head = ("", "ours", "published", "tolerance", "verdict")
    return Grid("Do our reruns agree with the papers?", head, lines, ("",) * len(lines))


def _checked(row: TableRow, told: Sequence[Verdict]) -> str:
    own = [one for one in told if one.check.row == row.row and row.kind != "published"]
    return ", ".join(f"{one.word} {one.check.metric}" for one in own)


def _under(section: Section, rows: Sequence[TableRow]) -> tuple[str, ...]:
    sources = {row.row: row.source for row in rows if row.source}
    cited: dict[str, list[str]] = {}
    for name, source in sources.items():
        cited.setdefault(source, []).append(name)
    told = [f"{', '.join(names)}: {source}" for source, names in cited.items()]
    return (*told, section.signature) if section.signature else tuple(told)


def _caption(rows: Sequence[TableRow], spread: Spread = "sd") -> str:
    """Say what was averaged: support size, tasks, draws, seeds, splits."""
    own = [row for row in rows if row.draws]
    if not own:
        return "published figures"
    sizes = {row.shots for row in own}
    counts = sorted({len(row.seeds) for row in own})
    seeds, draws = counts[-1], own[0].draws
    splits = max(row.splits for row in own)
    told = [cells.shots(own[0].shots, "shot")] if len(sizes) == 1 else []
    told += [f"{own[0].tasks:,} tasks", cells.several(draws, "draw")]
    told += [cells.several(seeds, "seed") if len(counts) == 1 else f"{counts[0]} to {seeds} seeds"]
    told += [cells.several(splits, "split")] if splits > 1 else []
    over = "seeds" if draws == splits == 1 < seeds else "draws"
    beside = f"± sd over {over}" if spread == "sd" else "[95% interval over users and seeds]"
    return f"{', '.join(told)}; mean {beside}"


def _cell(row: TableRow, metric: str, spread: Spread) -> Cell:
    figure = row.metrics[metric]
    if row.kind == "published":
        return Cell(cells.exact(figure.mean))
    return Cell(cells.spread(figure, spread), figure.best)


def _names(rows: Sequence[TableRow]) -> list[tuple[str, str]]:
    found = dict.fromkeys((row.row, row.kind) for row in rows)
    order: dict[str, int] = {kind: place for place, kind in enumerate(ORDER)}
    return sorted(found, key=lambda key: order[key[1]])


def _is(row: TableRow, key: tuple[str, str]) -> bool:
    return (row.row, row.kind) == key


def _mean(row: TableRow, metric: str) -> float | None:
    return row.metrics[metric].mean


def _of(row: TableRow, section: Section) -> bool:
    return (row.state, row.track) == _key(section)


def _key(section: Section) -> tuple[str, str]:
    return section.state, section.track
