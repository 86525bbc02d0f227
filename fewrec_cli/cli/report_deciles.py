"""``report --deciles``: the same runs split by decile of items and of users."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewrec_cli.cli.report import Wanted
    from fewrec_cli.report.deciles.model import DecileTable


def show(wanted: "Wanted") -> None:
    """Print the deciles in the format asked for."""
    from fewrec_cli.report.deciles.write import text

    table = _table(wanted)
    for word in wanted.formats or ("md",):
        sys.stdout.write(text(table, word))


def write_beside(wanted: "Wanted", folder: Path, formats: Sequence[str]) -> tuple[Path, ...]:
    """Write the deciles where they were asked for; return their files."""
    from fewrec_cli.report.deciles.write import write

    return () if wanted.deciles is None else write(_table(wanted), folder, formats)


def _table(wanted: "Wanted") -> "DecileTable":
    from fewrec_cli.report.deciles.build import build
    from fewrec_cli.report.group import entries_of
    from fewrec_cli.report.run import find_runs

    found = find_runs(wanted.folders)
    names = dict.fromkeys(run.signature.get("data", "").partition("@")[0] for run in found.runs)
    return build(
        entries_of(found.runs, wanted.over).entries,
        title=", ".join(names) if wanted.title is None else wanted.title,
        metrics=wanted.deciles or (),
        shots=wanted.shots,
    )
