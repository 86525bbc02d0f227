"""The tables of a run on stdout: boxed on a terminal, aligned plain text elsewhere."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fewrec_cli.experiment.result import Kind, Row, RunResult, Summary

ON_SCREEN = ("mae", "mae_median", "rmse", "ndcg@5", "ndcg@10", "auc_user")
WHEN_NARROW = ("mae", "mae_median", "ndcg@5", "rmse", "auc_user", "ndcg@10")
ON_CURVE = ("mae", "ndcg@5", "ndcg@10", "auc_user", "rmse", "mae_median")
CURVE_METRICS = 2
ORDER: tuple[Kind, ...] = ("model", "unadapted", "published", "floor", "oracle")
ROW_WIDTH = 24
CELL_WIDTH = 13
TIME_WIDTH = 9
PLAIN_WIDTH = 100
GAP = "  "


@dataclass(frozen=True)
class Grid:
    """A table as text.

    Attributes:
        title: One line above it.
        head: Column names; the first column is text, all others are figures.
        lines: Cells, one list per line.
        strong: Which lines stand out.
    """

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    strong: tuple[bool, ...]


def show(result: RunResult) -> None:
    """Print the headline table, the shot curve, the sentences, and last the run folder."""
    for grid in (headline(result), curve(result)):
        if grid.lines:
            _print(grid)
    for sentence in result.sentences:
        sys.stdout.write(f"{sentence}\n")
    sys.stdout.write(f"\n{result.folder}\n")
    sys.stdout.flush()


def headline(result: RunResult) -> Grid:
    """All rows at the headline shots: model, unadapted, published, floors, oracle."""
    rows = _at(result.rows, result.shots)
    timed = any(row.adapt_ms_per_task is not None for row in rows)
    fit = max(1, (_width() - ROW_WIDTH - (TIME_WIDTH if timed else 0)) // CELL_WIDTH)
    shown = _present(rows, WHEN_NARROW)[:fit]
    metrics = [metric for metric in ON_SCREEN if metric in shown]
    lines = []
    for row in rows:
        cells = [_cell(row.metrics.get(metric)) for metric in metrics]
        cells += [_milliseconds(row.adapt_ms_per_task)] if timed else []
        lines.append((_name(row), *cells))
    return Grid(
        _title(result, rows),
        ("", *metrics, *(["ms/task"] if timed else [])),
        tuple(lines),
        tuple(row.kind == "model" for row in rows),
    )


def curve(result: RunResult) -> Grid:
    """Few metrics of the model and of what it stands on, one column per support size."""
    sizes = sorted({row.shots for row in result.rows}, key=_size)
    first = _at(result.rows, result.shots)
    metrics = _present(first, ON_CURVE)[:CURVE_METRICS]
    lines, strong = [], []
    for metric in metrics:
        for name, kind in _curves(result.rows, metric):
            found = {row.shots: row for row in result.rows if (row.row, row.kind) == (name, kind)}
            cells = [_mean(found[s].metrics.get(metric)) if s in found else "" for s in sizes]
            lines.append((f"{_short(name)}, {metric}", *cells))
            strong.append(kind == "model")
    few = len(sizes) < 2
    return Grid(
        "shots",
        ("", *(str(size) for size in sizes)),
        () if few else tuple(lines),
        tuple(strong),
    )


def _curves(rows: Sequence[Row], metric: str) -> Iterator[tuple[str, Kind]]:
    """The model, its unadapted self, and the floor that is best by this metric."""
    lower_is_better = metric.startswith(("mae", "rmse"))
    best: dict[str, float] = {}
    for row in rows:
        figure = row.metrics.get(metric)
        if row.kind == "floor" and figure is not None and figure.mean is not None:
            best.setdefault(row.row, figure.mean)
            better = min if lower_is_better else max
            best[row.row] = better(best[row.row], figure.mean)
    seen = []
    for row in rows:
        if row.kind in ("model", "unadapted") and (row.row, row.kind) not in seen:
            seen.append((row.row, row.kind))
    yield from sorted(seen, key=lambda pair: ORDER.index(pair[1]))
    if best:
        choose = min if lower_is_better else max
        yield choose(best, key=lambda name: best[name]), "floor"


def _title(result: RunResult, rows: Sequence[Row]) -> str:
    tasks = max((row.tasks for row in rows), default=0)
    draws = max((row.draws for row in rows), default=0)
    spread = "mean ± sd over draws"
    shot = "shot" if result.shots == 1 else "shots"
    drawn = f"{draws} draws, {spread}" if draws > 1 else "1 draw"
    return f"{result.shots} {shot}, {tasks:,} tasks, {drawn}"


def _at(rows: Sequence[Row], shots: object) -> list[Row]:
    """Rows of one support size in the order of the screen; rows that have no such size too."""
    chosen = [row for row in rows if row.shots == shots]
    return sorted(chosen, key=lambda row: ORDER.index(row.kind))


def _present(rows: Sequence[Row], wanted: Sequence[str]) -> list[str]:
    """Those metrics that some row has a figure for."""
    return [
        metric
        for metric in wanted
        if any(row.metrics.get(metric, Summary(None, None)).mean is not None for row in rows)
    ]


def _name(row: Row) -> str:
    name = _short(row.row)
    return f"{name} (oracle)" if row.kind == "oracle" and "oracle" not in name else name


def _short(name: str) -> str:
    return name if len(name) <= ROW_WIDTH else f"{name[: ROW_WIDTH - 1]}…"


def _size(shots: int | str) -> float:
    return float("inf") if isinstance(shots, str) else float(shots)


def _cell(figure: Summary | None) -> str:
    if figure is None or figure.mean is None:
        return "-"
    if figure.sd is None:
        return f"{figure.mean:.3f}"
    return f"{figure.mean:.3f} ±{f'{figure.sd:.3f}'.removeprefix('0')}"


def _mean(figure: Summary | None) -> str:
    return "-" if figure is None or figure.mean is None else f"{figure.mean:.3f}"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_WIDTH


def _print(grid: Grid) -> None:
    if sys.stdout.isatty():
        _print_rich(grid)
    else:
        _print_plain(grid)


def _print_plain(grid: Grid) -> None:
    rows = [grid.head, *grid.lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(grid.head))]
    sys.stdout.write(f"{grid.title}\n")
    for row in rows:
        first, *rest = (
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        sys.stdout.write(f"{GAP.join([first, *rest]).rstrip()}\n")
    sys.stdout.write("\n")


def _print_rich(grid: Grid) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=grid.title,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column(grid.head[0], no_wrap=True)
    for name in grid.head[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for cells, strong in zip(grid.lines, grid.strong, strict=True):
        table.add_row(*cells, style="bold" if strong else None)
    Console(highlight=False).print(table, "")
