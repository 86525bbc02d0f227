"""A table as CSV: one line per row and metric, for any program."""

import csv
import io

from fewrec_cli.report.model import Figure, Table, TableRow, Versus

HEAD = (
    "state",
    "track",
    "row",
    "kind",
    "shots",
    "metric",
    "mean",
    "sd",
    "sd_seeds",
    "low",
    "high",
    "best",
    "against",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "users",
    "variant_of",
    "variant_difference",
    "variant_low",
    "variant_high",
    "variant_p",
    "variant_p_holm",
    "variant_users",
    "draws",
    "tasks",
    "seeds",
    "splits",
    "adapt_ms_per_task",
    "trainable",
    "adapted",
    "source",
    "check",
)


def delimited(table: Table) -> str:
    """Return the table as CSV, figures in full, an empty field where there is none."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEAD)
    for row in table.rows:
        for metric in table.metrics:
            writer.writerow(_line(table, row, metric, row.metrics[metric]))
    return file.getvalue()


def _line(table: Table, row: TableRow, metric: str, figure: Figure) -> list[object]:
    size = row.parameters
    seeds = " ".join(str(seed) for seed in row.seeds)
    return [
        row.state,
        row.track,
        row.row,
        row.kind,
        row.shots,
        metric,
        figure.mean,
        figure.sd,
        figure.sd_seeds,
        figure.low,
        figure.high,
        int(figure.best),
        *_versus(figure.versus),
        *_versus(figure.beside),
        row.draws,
        row.tasks,
        seeds,
        row.splits,
        row.adapt_ms_per_task,
        None if size is None else size.trainable,
        None if size is None else size.adapted,
        row.source,
        _check(table, row, metric),
    ]


def _versus(one: Versus | None) -> tuple[object, ...]:
    if one is None:
        return (None,) * 7
    return one.against, one.difference, one.low, one.high, one.p, one.p_holm, one.users


def _check(table: Table, row: TableRow, metric: str) -> str:
    for one in table.verdicts:
        told = one.check
        if (told.row, told.state, told.track, told.metric) == (
            row.row,
            row.state,
            row.track,
            metric,
        ) and row.kind != "published":
            return one.word
    return ""
