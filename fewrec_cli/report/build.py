"""From the runs behind each row to a table with intervals, differences and checks."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.metric.settings import LOWER_IS_BETTER, shown_metrics
from fewrec_cli.report.assemble import Part, assemble
from fewrec_cli.report.compare import FLOOR, Comparisons, Variants, compared
from fewrec_cli.report.group import Entry
from fewrec_cli.report.interval import intervals
from fewrec_cli.report.line import Line, cluster_of
from fewrec_cli.report.model import (
    Check,
    Figure,
    Published,
    Section,
    Shots,
    Table,
    TableRow,
)
from fewrec_cli.report.published import papers_only, verdict, with_published
from fewrec_cli.report.run import Run
from fewrec_cli.report.scores import read_all

RESAMPLES = 2_000
SEED = 0
"""Of the resampling: the same runs give the same table."""


def build(
    entries: Sequence[Entry],
    *,
    title: str = "",
    metrics: Sequence[str] | None = None,
    shots: Sequence[Shots] | None = None,
    against: str = FLOOR,
    variants: Variants | None = None,
    published: Sequence[Published] = (),
    checks: Sequence[Check] = (),
    states: Sequence[str] = (),
    selection: str = "",
    notes: Sequence[str] = (),
    resamples: int = RESAMPLES,
) -> Table:
    """Make a table.

    Args:
        entries: The rows' runs, at least one; rows stand in this order.
        title: One line above the table.
        metrics: Columns; None for the few that a run shows on a terminal.
        shots: Support sizes; None for each section's own headline size.
        against: ``floor`` for the best floor of each section and metric, or a row's name.
        variants: Rows that are also compared with another row, which they are a variant of.
        published: Rows of papers.
        checks: Promises of agreement with published rows.
        states: Order of the sections; states that are not named follow in the order of entries.
        selection: How values were chosen, for the signature.
        notes: Sentences for under the table, before its own.
        resamples: Bootstrap samples behind an interval.

    Raises:
        ConfigError: A metric, a support size or a row is in no run.
        RunFolderError: A run cannot be read, or rows that were asked to be paired have different
            episodes.
    """
    runs = [run for entry in entries for run in entry.runs]
    columns = columns_of(runs, metrics)
    scores = read_all(runs, columns)
    parts, unlike = assemble(entries, scores, selection)
    parts = _ordered(parts, states)
    _check_shots(parts, shots)
    found = compared(parts, columns, shots, against, variants or {}, resamples, SEED)
    rows: list[TableRow] = []
    curve: list[TableRow] = []
    for part in parts:
        sizes = (part.section.shots,) if shots is None else shots
        shown = [line for size in sizes for line in part.at(size)]
        own = _rows(part, shown, columns, found, resamples)
        rows += with_published(own, part.section, sizes, published, columns)
        curve += _rows(part, part.lines, plotted(columns), None, resamples)
    sections = tuple(part.section for part in parts)
    rows, more = papers_only(rows, sections, published, columns)
    return Table(
        title,
        columns,
        (*sections, *more),
        tuple(rows),
        tuple(curve),
        tuple(verdict(check, rows, (*sections, *more)) for check in checks),
        against,
        (*notes, *unlike, *found.notes),
    )


def columns_of(runs: Sequence[Run], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the metrics of the columns: those wanted, or the shown ones that some row has.

    Args:
        runs: Finished runs.
        wanted: As the user names them; None for the few that a run shows on a terminal.

    Raises:
        ConfigError: A metric is in no run.
    """
    there = {
        metric: None
        for run in runs
        for row in run.rows
        for metric, figure in row.metrics.items()
        if figure.mean is not None
    }
    if wanted is None:
        cuts = tuple(sorted({cut for run in runs for cut in run.cut_offs}))
        shown = shown_metrics(cuts, implicit=all(run.implicit for run in runs)) if cuts else there
        return tuple(metric for metric in shown if metric in there)
    for metric in wanted:
        if metric not in there:
            close = get_close_matches(metric, there, n=1)
            hint = f"did you mean {close[0]}?" if close else ""
            told = hint or f"there: {', '.join(there)}"
            raise ConfigError(f"no run has the metric {metric!r}", told)
    return tuple(dict.fromkeys(wanted))


def plotted(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the two metrics that a figure shows: the rating error, then the ranking.

    Example:
        >>> plotted(("mae", "rmse", "ndcg@1", "ndcg@5"))
        ('mae', 'ndcg@5')
    """
    errors = [metric for metric in metrics if metric in LOWER_IS_BETTER]
    ranks = [metric for metric in metrics if metric.startswith("ndcg@")]
    usual = [metric for metric in ranks if metric == "ndcg@5"]
    return tuple(dict.fromkeys([*errors[:1], *usual, *ranks, *metrics]))[:2]


def _ordered(parts: Sequence[Part], states: Sequence[str]) -> tuple[Part, ...]:
    order = {state: place for place, state in enumerate(states)}
    return tuple(sorted(parts, key=lambda part: order.get(part.section.state, len(order))))


def _check_shots(parts: Sequence[Part], shots: Sequence[Shots] | None) -> None:
    there = list(dict.fromkeys(line.shots for part in parts for line in part.lines))
    for size in shots or ():
        if size not in there:
            raise ConfigError(
                f"no run has {size} shots", f"there: {', '.join(str(one) for one in there)}"
            )


def _rows(
    part: Part,
    lines: Sequence[Line],
    metrics: Sequence[str],
    found: Comparisons | None,
    resamples: int,
) -> list[TableRow]:
    """Make rows of some lines of a section, with intervals, and differences where given."""
    figures = {(id(line), metric): line.figure(metric) for line in lines for metric in metrics}
    tasked = [(line, m) for line in lines for m in metrics if line.per_task(m)]
    clusters = [cluster_of(line, metric, part.users) for line, metric in tasked]
    ends = intervals(clusters, resamples=resamples, seed=SEED)
    for (line, metric), both in zip(tasked, ends, strict=True):
        low, high = both if both is not None else (None, None)
        figures[id(line), metric] = replace(figures[id(line), metric], low=low, high=high)
    rows = []
    for line in lines:
        told = {metric: figures[id(line), metric] for metric in metrics}
        if found is not None:
            told = {metric: found.add(figure, line, metric) for metric, figure in told.items()}
        rows.append(_row(line, part.section, told))
    return rows


def _row(line: Line, section: Section, figures: dict[str, Figure]) -> TableRow:
    summaries = [piece.summary for piece in line.pieces]
    return TableRow(
        row=line.row,
        kind=line.kind,
        state=section.state,
        track=section.track,
        shots=line.shots,
        draws=max(one.draws for one in summaries),
        tasks=max(one.tasks for one in summaries),
        seeds=line.seeds,
        splits=len(line.splits),
        adapt_ms_per_task=line.adapt_ms_per_task,
        parameters=line.parameters,
        metrics=figures,
        words=line.words,
        runs=tuple(piece.run for piece in line.pieces),
    )
