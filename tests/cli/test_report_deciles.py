"""``fewrec report --deciles``, in this process."""

from pathlib import Path

import pytest

from fewrec_cli.cli import main
from tests.report.deciles.made import made_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(made_run(tmp_path_factory.mktemp("run") / "run"))


def test_deciles_are_printed_in_the_table_s_place(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", run, "--deciles", "bias", "--shots", "2", "--title", "Mine"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Mine\n")
    assert out.count("## user_cold, 2 shots: bias") == 3


@pytest.mark.slow
def test_deciles_stand_beside_the_table_in_files(
    run: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--metrics", "mae", "--deciles", "bias", "--format", "csv", "--out", "made")
    assert main(["report", run, *words]) == 0
    capsys.readouterr()
    assert (folder / "made" / "table.csv").is_file()
    assert (folder / "made" / "deciles.csv").is_file()


def test_a_size_without_deciles_is_told_in_two_lines(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", run, "--deciles", "mae", "--shots", "7"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"error: {run} is split by deciles at 2, all shots, not at 7"
    assert told[1].endswith("evaluation.deciles=[7]")
