"""The table itself, from the runs that have finished."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fewrec_cli.cli.table.plan import FINISHED, Plan, Run
from fewrec_cli.cli.table.spec import Spec
from fewrec_cli.core.errors import RunFolderError

if TYPE_CHECKING:
    from fewrec_cli.report.group import Entry
    from fewrec_cli.report.model import Table

FILE = "table.json"
MISSING = "Missing: "


@dataclass(frozen=True)
class Outcome:
    """What was written.

    Attributes:
        table: The table as a value.
        further: Tables beside it, as Markdown.
        missing: Rows without all of their runs, each with how many there are of how many.
        failed: Checks against a paper that did not pass.
    """

    table: "Table"
    further: str
    missing: tuple[str, ...]
    failed: tuple[str, ...]


def write_table(plan: Plan, notes: Sequence[str] = ()) -> Outcome:
    """Write the table in every format into the plan's folder.

    Args:
        plan: Its finished runs make the table.
        notes: Further sentences for under it.

    Raises:
        RunFolderError: No run of the plan has finished.
        FewrecError: The runs do not fit together.
    """
    from fewrec_cli.report.build import build
    from fewrec_cli.report.group import Entry
    from fewrec_cli.report.run import read_run
    from fewrec_cli.report.write import write

    spec, groups = plan.spec, _by_row_and_cell(plan.runs)
    missing = _missing(groups)
    shown = {name: row.shown or name for name, row in spec.rows.items()}
    entries = []
    for runs in groups.values():
        done = tuple(read_run(run.folder) for run in runs if _done(run))
        if done:
            entries.append(Entry(shown[runs[0].row], done, runs[0].cell.state, runs[0].cell.track))
    if not entries:
        raise RunFolderError(
            f"no run of table {spec.name} has finished in {plan.folder}",
            f"run them: fewrec table {spec.name}",
        )
    there = {(entry.state, entry.track) for entry in entries}
    ours = {(entry.name, entry.state, entry.track) for entry in entries}
    tracks = [f"{name}: {track.text}." for name, track in spec.tracks.items() if track.text.strip()]
    absent = [f"{MISSING}{', '.join(missing)}."] if missing else []
    table = build(
        entries,
        title=spec.title,
        metrics=spec.metrics,
        shots=spec.shots,
        variants={shown[one]: shown[row.against] for one, row in spec.rows.items() if row.against},
        published=[one for one in spec.published if (one.state, one.track) in there],
        checks=[one for one in spec.checks if (one.row, one.state, one.track) in ours],
        notes=(*tracks, *spec.notes, *notes, *absent),
        selection=" ".join(spec.chosen),
        states=tuple(spec.states),
    )
    files = write(table, plan.folder)
    for stale in set((plan.folder / "figures").iterdir()) - set(files):
        stale.unlink()  # of sections that the table no longer has
    failed = tuple(
        f"{one.check.row}, {one.check.state} {one.check.track}".rstrip()
        + f": {one.check.metric} {_shown(one.ours)}, {one.check.published} has "
        f"{_shown(one.theirs)}, tolerance {one.check.tolerance:g}"
        for one in table.verdicts
        if not one.passed
    )
    split = _write_deciles(entries, spec, plan.folder) if spec.deciles else ""
    return Outcome(table, split, missing, failed)


def _write_deciles(entries: "Sequence[Entry]", spec: Spec, folder: Path) -> str:
    """Write the same runs split by decile, at every size that they were split at."""
    from fewrec_cli.report.deciles.build import build
    from fewrec_cli.report.deciles.write import text, write

    table = build(entries, title=f"{spec.title}, by decile", metrics=spec.deciles, shots=None)
    write(table, folder)
    return f"\n{text(table, 'md')}"


def status(folder: Path) -> str:
    """What there is of a table, told from its folder without composing anything."""
    if (folder / FILE).is_file():
        notes = json.loads((folder / FILE).read_text(encoding="utf-8"))["notes"]
        missing = sum(note.count(",") + 1 for note in notes if note.startswith(MISSING))
        return f"written, {missing} rows missing" if missing else "finished"
    done = len(list(folder.glob(f"runs/*/{FINISHED}")))
    return f"{done} runs finished" if done else "not run"


def _by_row_and_cell(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.row, str(run.cell)), []).append(run)
    return found


def _missing(groups: dict[tuple[str, str], list[Run]]) -> tuple[str, ...]:
    told = []
    for runs in groups.values():
        done = sum(_done(run) for run in runs)
        part = f" ({done} of {len(runs)} runs are there)" if done else ""
        if done < len(runs):
            told.append(f"{runs[0].row} in {runs[0].cell}{part}")
    return tuple(told)


def _done(run: Run) -> bool:
    return (run.folder / FINISHED).is_file()


def _shown(figure: float | None) -> str:
    return "nothing" if figure is None else f"{figure:.4f}"
