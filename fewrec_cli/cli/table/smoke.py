"""``--smoke``: a table's whole path in seconds, on generated data in the layouts of the real."""

from pathlib import Path

WORDS = (
    "scenario.draws=2",
    "trainer=cpu",
    "trainer.max_steps=2",
    "logger=none",
)
"""Two draws and two steps; a table may add its own with ``smoke:``. Only few runs are made."""
DATA = "FEWREC_DATA"


def generated(folder: Path) -> dict[str, str]:
    """Write the generated data and return the variables with which runs find them."""
    from fewrec_cli.cli.table.smoke_data import write_all

    if not (folder / "written").is_file():
        write_all(folder)
        (folder / "written").touch()
    return {DATA: str(folder.absolute())}
