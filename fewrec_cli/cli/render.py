"""The table of a run on stdout."""

from fewrec_cli.experiment.result import RunResult


def show(result: RunResult) -> None:
    """Show."""
    for row in result.rows:
        print(row)
    print(result.folder)
