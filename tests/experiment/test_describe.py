"""What ``fewrec data check`` prints."""

import hashlib
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.describe import needed_rows, reason_of, run
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
    assert "users with 50 or more interactions (scenario.shots=40 + scenario.query=10)" in out
    assert "interactions per user" in out
    assert "\x1b" not in out


def test_needed_rows_follow_the_scenario() -> None:
    assert needed_rows(config("synthetic")) is None
    assert needed_rows(config("synthetic", shots=5, query=10, min_interactions=None)) == 15
    assert needed_rows(config("synthetic", shots="all", query=10, min_interactions=None)) == 11
    assert needed_rows(config("synthetic", shots=5, query=10, min_interactions=20)) == 20


def test_reason_of_the_needed_rows_is_told() -> None:
    every = config("synthetic", shots="all", query=10, min_interactions=None)
    assert reason_of(every) == "scenario.shots=all of at least 1 + scenario.query=10"
    asked = config("synthetic", shots=5, query=10, min_interactions=20)
    assert reason_of(asked) == "scenario.min_interactions"


def test_lines_are_not_wrapped_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = tmp_path / f"{'long' * 20}.csv"
    path.write_text("user_id,item_id\n1,1\n1,2\n2,1\n")
    cfg = config("table")
    cfg.data.interactions = str(path)
    run(cfg, Reporter(quiet=True))
    lines = capsys.readouterr().out.splitlines()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert [line.split() for line in lines if digest in line] == [[path.name, "28", digest]]
    assert lines == [line.rstrip() for line in lines]


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
