"""Grids of differences: to the best floor or a named row, and to what a row is a variant of."""

from collections.abc import Sequence

from fewrec_cli.report import cells
from fewrec_cli.report.grid import Cell, Grid, kinds_of, name_of, titled
from fewrec_cli.report.model import Shots, Table, TableRow

FINE = 4
"""Decimals of a difference between variants of a row, which is small by nature."""


def differences(table: Table, rows: Sequence[TableRow], sizes: Sequence[Shots]) -> list[Grid]:
    """Each row against the best floor or the named row, with interval and corrected p."""
    grids = []
    for size in sizes:
        compared = [row for row in rows if row.shots == size and _has_versus(row)]
        metrics = [m for m in table.metrics if any(row.metrics[m].versus for row in compared)]
        if not compared:
            continue
        other = "best floor" if table.against == "floor" else table.against
        lines = [_others(compared, metrics, other)] if table.against == "floor" else []
        lines += [
            (Cell(name_of(row)), *(Cell(cells.versus(row.metrics[m].versus)) for m in metrics))
            for row in compared
        ]
        at = f" at {cells.shots(size)}" if len(sizes) > 1 else ""
        title = (
            f"Difference to {other}{at}: mean over users [95% interval], p of the paired t test "
            "over users, Holm-corrected over all comparisons of the metric"
        )
        kinds = ("",) * (len(lines) - len(compared)) + kinds_of(compared)
        grids.append(Grid(title, ("", *map(titled, metrics)), tuple(lines), kinds))
    return grids


def variants(table: Table, rows: Sequence[TableRow], sizes: Sequence[Shots]) -> list[Grid]:
    """Each variant of another row against that, finer than against the floors."""
    grids = []
    for size in sizes:
        lines, kinds = [], []
        for row in (row for row in rows if row.shots == size):
            told = {metric: row.metrics[metric].beside for metric in table.metrics}
            other = next((one.against for one in told.values() if one is not None), None)
            if other is not None:
                figures = [Cell(cells.versus(told[m], FINE)) for m in table.metrics]
                lines.append((Cell(f"{row.row} against {other}"), *figures))
                kinds.append(row.kind)
        at = f" at {cells.shots(size)}" if len(sizes) > 1 else ""
        title = f"Variants against the row that they vary{at}: interval and p as above"
        grids.append(Grid(title, ("", *map(titled, table.metrics)), tuple(lines), tuple(kinds)))
    return grids


def _others(rows: Sequence[TableRow], metrics: Sequence[str], name: str) -> tuple[Cell, ...]:
    told = []
    for metric in metrics:
        versus = [one for row in rows if (one := row.metrics[metric].versus) is not None]
        told.append(Cell(" / ".join(dict.fromkeys(one.against for one in versus))))
    return (Cell(name), *told)


def _has_versus(row: TableRow) -> bool:
    return any(figure.versus is not None for figure in row.metrics.values())
