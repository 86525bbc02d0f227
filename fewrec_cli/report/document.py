"""A table as JSON, rows as in ``metrics.json``."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fewrec_cli.report.lined import lined
from fewrec_cli.report.model import Figure, Table, TableRow, Verdict, Versus


def document(table: Table) -> str:
    """Return the table as JSON, a line for each row; an undefined figure is null."""
    content = {
        "title": table.title,
        "metrics": table.metrics,
        "against": table.against,
        "sections": [asdict(section) for section in table.sections],
        "rows": [_row(row) for row in table.rows],
        "curve": [_row(row) for row in table.curve],
        "checks": [_verdict(one) for one in table.verdicts],
        "notes": table.notes,
    }
    return lined(content)


def _row(row: TableRow) -> dict[str, Any]:
    beside = _told({name: figure.beside for name, figure in row.metrics.items()})
    return {
        "row": row.row,
        "kind": row.kind,
        "state": row.state,
        "track": row.track,
        "shots": row.shots,
        "draws": row.draws,
        "tasks": row.tasks,
        "seeds": row.seeds,
        "splits": row.splits,
        "adapt_ms_per_task": row.adapt_ms_per_task,
        "parameters": None if row.parameters is None else asdict(row.parameters),
        "metrics": {name: _figure(figure) for name, figure in row.metrics.items()},
        "versus": _told({name: figure.versus for name, figure in row.metrics.items()}),
        **({"beside": beside} if beside else {}),
        "words": dict(row.words),
        "source": row.source,
        "runs": ["/".join(Path(run).parts[-2:]) for run in row.runs],
    }


def _told(several: Mapping[str, Versus | None]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in several.items() if one is not None}


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "mean": figure.mean,
        "sd": figure.sd,
        "sd_seeds": figure.sd_seeds,
        "low": figure.low,
        "high": figure.high,
        "best": figure.best,
    }


def _verdict(one: Verdict) -> dict[str, Any]:
    return {**asdict(one.check), "ours": one.ours, "theirs": one.theirs, "verdict": one.word}
