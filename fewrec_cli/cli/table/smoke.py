"""``--smoke``: a table's whole path in seconds, on generated data in the layouts of the real."""

from pathlib import Path

from fewrec_cli.cli.table.plan import Plan

WORDS = (
    "scenario.draws=2",
    "trainer=cpu",
    "trainer.max_steps=2",
    "logger=none",
)
"""Two draws and two steps; a table may add its own with ``smoke:``."""
DATA = "FEWREC_DATA"


def cover(plan: Plan) -> Plan:
    """Return few runs of a plan in which every row and every section occurs.

    Rows are averaged over two values at most. A run is kept where its row or its section has not
    occurred yet, or where it completes the first two of its row in a section that is kept.
    """
    rows: set[str] = set()
    cells: set[str] = set()
    kept: dict[tuple[str, str], int] = {}
    runs = []
    for run in plan.runs:
        here = (run.row, str(run.cell))
        if here not in kept and run.row in rows and str(run.cell) in cells:
            continue
        if kept.get(here, 0) >= 2:
            continue
        rows.add(run.row)
        cells.add(str(run.cell))
        kept[here] = kept.get(here, 0) + 1
        runs.append(run)
    return Plan(plan.spec, plan.folder, tuple(runs))


def generated(folder: Path) -> dict[str, str]:
    """Write the generated data and return the variables with which runs find them."""
    from fewrec_cli.cli.table.smoke_data import write_all

    if not (folder / "written").is_file():
        write_all(folder)
        (folder / "written").touch()
    return {DATA: str(folder.absolute())}
