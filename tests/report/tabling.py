"""A table of run folders as the command makes it, for the tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fewrec_cli.report.build import build, columns_of
from fewrec_cli.report.group import entries_of
from fewrec_cli.report.model import Table, TableRow
from fewrec_cli.report.run import find_runs
from tests.report.making import write_run

FLOOR = [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]


def run(folder: Path, mae: Sequence[Sequence[float]], **more: object) -> Path:
    """Write a run of one model and one floor, two draws of three users."""
    name = str(more.pop("name", "maml"))
    floor = more.pop("floor", FLOOR)
    shots = more.pop("shots", 5)
    ranks = np.full(np.shape(mae), 0.5).tolist()
    rows = {
        (name, "model", shots): {"mae": mae, "ndcg@5": ranks},
        ("item mean", "floor", shots): {"mae": floor, "ndcg@5": ranks},
    }
    return write_run(folder, rows, **more)  # type: ignore[arg-type]


def table(*folders: Path, over: Sequence[str] = ("seed",), **more: object) -> Table:
    """Read and build as the command does."""
    runs = find_runs(folders).runs
    columns = columns_of(runs, more.pop("metrics", None))  # type: ignore[arg-type]
    grouped = entries_of(runs, over, columns)
    return build(grouped.entries, metrics=columns, notes=grouped.notes, resamples=200, **more)  # type: ignore[arg-type]


def row(found: Table, name: str, **more: object) -> TableRow:
    """Return the one row of that name, and of those attributes."""
    (one,) = (
        one
        for one in found.rows
        if one.row == name and all(getattr(one, key) == value for key, value in more.items())
    )
    return one
