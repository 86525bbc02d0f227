"""Rows of papers beside ours, and whether our reruns agree with them."""

from collections.abc import Sequence
from dataclasses import replace

from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.report.assemble import ORDER
from fewrec_cli.report.model import (
    Check,
    Figure,
    Published,
    Section,
    Shots,
    TableRow,
    Verdict,
)


def with_published(
    rows: Sequence[TableRow],
    section: Section,
    sizes: Sequence[Shots],
    published: Sequence[Published],
    metrics: Sequence[str],
) -> list[TableRow]:
    """Add the published rows of a section, and take the bold from ours that lose to them."""
    own = [
        _paper(one, section, metrics)
        for one in published
        if (one.state, one.track) == (section.state, section.track)
    ]
    there = [row for row in own if row.shots in sizes]
    kept = [_unbolden(row, there) for row in rows]
    place = {size: number for number, size in enumerate(sizes)}
    return sorted([*kept, *there], key=lambda row: (place[row.shots], ORDER.index(row.kind)))


def _paper(one: Published, section: Section, metrics: Sequence[str]) -> TableRow:
    figures = {metric: Figure(one.metrics.get(metric)) for metric in metrics}
    shots = section.shots if one.shots is None else one.shots
    return TableRow(
        one.row,
        "published",
        one.state,
        one.track,
        shots,
        0,
        0,
        (),
        1,
        None,
        None,
        figures,
        source=one.source,
    )


def _unbolden(row: TableRow, papers: Sequence[TableRow]) -> TableRow:
    """Return the row without bold where a published figure of its size is as good or better."""
    figures = {
        metric: replace(figure, best=figure.best and not _beaten(metric, figure, row.shots, papers))
        for metric, figure in row.metrics.items()
    }
    return replace(row, metrics=figures)


def _beaten(metric: str, figure: Figure, shots: Shots, papers: Sequence[TableRow]) -> bool:
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    theirs = [row.metrics[metric].mean for row in papers if row.shots == shots]
    means = [sign * mean for mean in theirs if mean is not None]
    return figure.mean is not None and bool(means) and min(means) <= sign * figure.mean


def papers_only(
    rows: list[TableRow],
    sections: Sequence[Section],
    published: Sequence[Published],
    metrics: Sequence[str],
) -> tuple[list[TableRow], tuple[Section, ...]]:
    """Give published rows whose state no run has a section of their own."""
    there = {(section.state, section.track) for section in sections}
    more: dict[tuple[str, str], Section] = {}
    for one in published:
        key = (one.state, one.track)
        if key not in there:
            shots = sections[0].shots if one.shots is None else one.shots
            section = more.setdefault(key, Section(*key, shots, ""))
            rows = [*rows, _paper(one, section, metrics)]
    return rows, tuple(more.values())


def verdict(check: Check, rows: Sequence[TableRow], sections: Sequence[Section]) -> Verdict:
    """Hold a row against its published figure; what is missing is a FAIL."""
    key = (check.state, check.track)
    headline = next((one.shots for one in sections if (one.state, one.track) == key), "all")
    shots = headline if check.shots is None else check.shots

    def mean(name: str, *, paper: bool) -> float | None:
        for row in rows:
            same = (row.row, row.state, row.track, row.shots) == (name, *key, shots)
            if same and (row.kind == "published") == paper and check.metric in row.metrics:
                return row.metrics[check.metric].mean
        return None

    return Verdict(check, mean(check.row, paper=False), mean(check.published, paper=True))
