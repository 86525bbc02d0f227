"""``report --deciles``: the same runs split by decile of items and of users."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewrec_cli.report.deciles.model import DecileTable
    from fewrec_cli.report.model import Shots


def split(
    folders: Sequence[Path],
    *,
    metrics: Sequence[str],
    shots: "Sequence[Shots] | None",
    over: Sequence[str],
    title: str | None,
) -> "DecileTable":
    """Read the runs in some folders, and split their figures.

    Args:
        folders: Where runs are looked for.
        metrics: What is split.
        shots: Support sizes; None takes all that every run was split at.
        over: Words averaged over besides the seed.
        title: None takes the data sets' names.
    """
    from fewrec_cli.report.deciles.build import build
    from fewrec_cli.report.group import entries_of
    from fewrec_cli.report.run import find_runs

    runs = find_runs(folders).runs
    names = dict.fromkeys(run.signature.get("data", "").partition("@")[0] for run in runs)
    return build(
        entries_of(runs, over).entries,
        title=", ".join(names) if title is None else title,
        metrics=metrics,
        shots=shots,
    )


def printed(table: "DecileTable", formats: Sequence[str]) -> str:
    """Return a table in the one format asked for, Markdown if none was."""
    from fewrec_cli.report.deciles.write import text

    return "".join(text(table, word) for word in formats or ("md",))


def files(table: "DecileTable | None", folder: Path, formats: Sequence[str]) -> tuple[Path, ...]:
    """Write a table where there is one; return its files."""
    from fewrec_cli.report.deciles.write import write

    return () if table is None else write(table, folder, formats)
