"""The tables of a run on stdout: boxed on a terminal, aligned plain text elsewhere."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fewrec_cli.experiment.result import Kind, Row, RunResult, Summary
from fewrec_cli.metric.settings import LOWER_IS_BETTER, further_metrics, shown_metrics

RATING = ("mae", "mae_median", "rmse")
CURVE_METRICS = 2
ORDER: tuple[Kind, ...] = ("model", "unadapted", "published", "floor", "oracle")
ROW_WIDTH = 26
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
        left_out: Columns that the terminal has no room for.
    """

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    strong: tuple[bool, ...]
    left_out: tuple[str, ...] = ()

    def only(self, columns: Sequence[int], left_out: Sequence[str]) -> "Grid":
        """Return the grid with some of its columns."""
        lines = tuple(tuple(line[column] for column in columns) for line in self.lines)
        head = tuple(self.head[column] for column in columns)
        return Grid(self.title, head, lines, self.strong, tuple(left_out))


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
    metrics, by_weight = _metrics(rows)
    timed = any(row.adapt_ms_per_task is not None for row in rows)
    lines = []
    for row in rows:
        cells = [_cell(row.metrics.get(metric)) for metric in metrics]
        cells += [_milliseconds(row.adapt_ms_per_task)] if timed else []
        lines.append((_name(row), *cells))
    grid = Grid(
        _title(result, rows),
        ("", *metrics, *(["ms/task"] if timed else [])),
        tuple(lines),
        tuple(row.kind == "model" for row in rows),
    )
    return _fitted(grid, [*(["ms/task"] if timed else []), *by_weight])


def curve(result: RunResult) -> Grid:
    """Few metrics of the model and of what it stands on, one column per support size."""
    sizes = sorted({row.shots for row in result.rows}, key=_size)
    if len(sizes) < 2:
        return Grid("shots", (), (), ())
    lines, strong = [], []
    for metric in _telling(_at(result.rows, result.shots)):
        for name, kind in _curves(result.rows, metric):
            found = {row.shots: row for row in result.rows if (row.row, row.kind) == (name, kind)}
            cells = [_mean(found[s].metrics.get(metric)) if s in found else "" for s in sizes]
            lines.append((f"{_short(name)}, {metric}", *cells))
            strong.append(kind == "model")
    names = [str(size) for size in sizes]
    grid = Grid("shots", ("", *names), tuple(lines), tuple(strong))
    return _fitted(grid, [str(result.shots), names[0], names[-1], *names])


def _metrics(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """The metrics on screen in their order, and the same ones, those to be kept longest first."""
    cuts = tuple(sorted({int(m[5:]) for row in rows for m in row.metrics if m[:5] == "ndcg@"}))
    rated = bool(_present(rows, RATING))
    wanted = shown_metrics(cuts, implicit=not rated) if cuts else (*RATING, "auc_user")
    asked = [
        metric for row in rows[:1] for metric in row.metrics if metric in further_metrics(cuts)
    ]
    ranks = [*asked, *(metric for metric in wanted if metric.startswith("ndcg@") or not rated)]
    if not _present(rows, ranks):  # lists of one candidate have no order
        ranks = ["auc"]
    order = _present(rows, dict.fromkeys([*RATING, *ranks, "auc_user", "interval_coverage"]))
    first = ["mae", "mae_median", *ranks[:1], "rmse", "auc_user"]
    return order, [*(metric for metric in first if metric in order), *order]


def _telling(rows: Sequence[Row]) -> list[str]:
    """The two metrics that tell most: the rating error, then the ranking."""
    order, _ = _metrics(rows)
    ranks = [metric for metric in order if metric.startswith("ndcg@") or metric == "auc"]
    return list(dict.fromkeys([*order[:1], *ranks[:1], *order[1:]]))[:CURVE_METRICS]


def _fitted(grid: Grid, by_weight: Sequence[str]) -> Grid:
    """Leave out the columns that matter least until the lines fit the terminal."""
    widths = _widths(grid)
    room = _width() - widths[0]
    kept = {0}
    for name in dict.fromkeys(by_weight):
        column = grid.head.index(name, 1)
        room -= len(GAP) + widths[column]
        if room < 0 and len(kept) > 1:
            break
        kept.add(column)
    out = [name for column, name in enumerate(grid.head) if column not in kept]
    return grid.only(sorted(kept), out)


def show_sweep(folder: Path, jobs: Sequence[tuple[str, RunResult]]) -> None:
    """Print a line per job, model and best floor beside each other, and last the sweep's folder.

    A job is named by its number, which begins its folder's name, and by the words that it does not
    share with all others.
    """
    metrics = list(dict.fromkeys(m for _, one in jobs for m in _telling(_at(one.rows, one.shots))))
    head = ["job", *(part for metric in metrics for part in (metric, "best floor"))]
    common = set.intersection(*(set(words.split()) for words, _ in jobs)) if jobs[1:] else set()
    lines = []
    for number, (words, one) in enumerate(jobs):
        rows = _at(one.rows, one.shots)
        own = " ".join(word for word in words.split() if word not in common)
        cells = [f"{number} {own}".rstrip()]
        for metric in metrics:
            model = [row for row in rows if row.kind == "model"]
            figures = [row.metrics.get(metric) for row in (*model[:1], *_best_floor(rows, metric))]
            cells += [_mean(figure) for figure in (*figures, None, None)[:2]]
        lines.append(tuple(cells))
    _print(Grid(f"sweep of {len(jobs)}", tuple(head), tuple(lines), (False,) * len(lines)))
    sys.stdout.write(f"{folder}\n")
    sys.stdout.flush()


def _best_floor(rows: Sequence[Row], metric: str) -> list[Row]:
    names = [name for name, kind in _curves(rows, metric) if kind == "floor"]
    return [row for row in rows if row.kind == "floor" and row.row in names][:1]


def _curves(rows: Sequence[Row], metric: str) -> Iterator[tuple[str, Kind]]:
    """The model, its unadapted self, and the floor that is best by this metric."""
    lower_is_better = metric in LOWER_IS_BETTER
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


def _present(rows: Sequence[Row], wanted: Iterable[str]) -> list[str]:
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
    if grid.left_out:
        names = ", ".join(grid.left_out)
        sys.stdout.write(f"left out for width: {names}; all are in metrics.json\n\n")


def _widths(grid: Grid) -> list[int]:
    rows = [grid.head, *grid.lines]
    return [max(len(row[column]) for row in rows) for column in range(len(grid.head))]


def _print_plain(grid: Grid) -> None:
    rows, widths = [grid.head, *grid.lines], _widths(grid)
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
    Console(highlight=False, width=_width()).print(table, "")
