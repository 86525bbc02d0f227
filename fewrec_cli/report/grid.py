"""The cells that every format writes, and the words at the edges of their grids."""

from collections.abc import Sequence
from dataclasses import dataclass

from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.report.model import TableRow
from fewrec_cli.report.pair import ranked


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and whether it is the best of its column beyond chance."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Grid:
    """One grid.

    Attributes:
        title: One line above it.
        head: Column names; the first column is text, all others are figures.
        lines: One list of cells per line.
        kinds: Kind of each line's row, empty for a line that is none.
        detail: Whether a format that can fold may fold it.
    """

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    kinds: tuple[str, ...]
    detail: bool = False


def titled(metric: str) -> str:
    """Return a metric with the direction in which it is better."""
    if not ranked(metric):
        return metric
    return f"{metric} ↓" if metric in LOWER_IS_BETTER else f"{metric} ↑"


def name_of(row: TableRow) -> str:
    """Return a row's name, and whether it stands in a paper."""
    return f"{row.row} (published)" if row.kind == "published" else row.row


def kinds_of(rows: Sequence[TableRow]) -> tuple[str, ...]:
    """Return the kind of each row."""
    return tuple(row.kind for row in rows)
