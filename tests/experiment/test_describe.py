"""What ``fewrec data check`` prints."""

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.describe import needed_rows, run
from tests.data.reading import CONFIGS


def config(option: str, **scenario: object) -> DictConfig:
    """Return a config with data, and with a scenario where keys are given."""
    parts = {"data": OmegaConf.load(CONFIGS / f"{option}.yaml")}
    if scenario:
        parts["scenario"] = OmegaConf.create(scenario)
    return OmegaConf.create(parts)


def test_counts_attributes_and_notes_are_printed_to_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cfg = config("synthetic", shots=40, query=10, min_interactions=None)
    run(cfg, Reporter(quiet=True))
    out = capsys.readouterr().out
    for words in ("synthetic, hash ", "600", "300", "1 to 5 in steps of 1", "segment", "genres"):
        assert words in out
    assert "users with 50 or more interactions" in out
    assert "interactions per user" in out
    assert "\x1b" not in out


def test_needed_rows_follow_the_scenario() -> None:
    assert needed_rows(config("synthetic")) is None
    assert needed_rows(config("synthetic", shots=5, query=10, min_interactions=None)) == 15
    assert needed_rows(config("synthetic", shots="all", query=10, min_interactions=None)) == 11
    assert needed_rows(config("synthetic", shots=5, query=10, min_interactions=20)) == 20


def test_implicit_data_are_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user_id,item_id\n1,1\n1,2\n2,1\n[bold]x,2\n")
    cfg = config("table")
    cfg.data.interactions = str(path)
    run(cfg, Reporter(quiet=True))
    out = capsys.readouterr().out
    assert "none (implicit data)" in out
    assert "r.csv" in out


def test_missing_data_end_in_the_two_line_error() -> None:
    cfg = config("table")
    with pytest.raises(DataError, match=r"data\.interactions=FILE"):
        run(cfg, Reporter(quiet=True))
