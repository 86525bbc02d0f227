"""The tables of a run: the headline rows in order, then the curve, the folder last."""

import re
from pathlib import Path

import pytest

from fewrec_cli.cli.render import CELL_WIDTH, headline, show
from fewrec_cli.experiment.result import RunResult
from tests.cli.conftest import result


def test_rows_stand_in_the_order_model_unadapted_floors_oracle() -> None:
    names = [line[0] for line in headline(result(Path("run"))).lines]
    assert names == ["maml", "maml (unadapted)", "item mean", "global mean", "oracle"]


def test_only_metrics_with_figures_are_shown() -> None:
    assert headline(result(Path("run"))).head == ("", "mae", "rmse", "ndcg@5", "ms/task")


def test_the_run_folder_is_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(result(Path("/runs/one")))
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "/runs/one"
    assert "maml beats its floors." in out
    assert "5 shots, 668 tasks, 5 draws, mean ± sd over draws" in out
    assert re.search(r"^maml +0\.700 ±\.004 +0\.800 ±\.004 +0\.650 ±\.004 +0\.42$", out, re.M)


def test_the_curve_compares_the_model_with_its_best_floor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(result(Path("run")))
    out = capsys.readouterr().out
    assert re.search(r"^ +0 +5 +all$", out, re.M)
    assert re.search(r"^item mean, mae +0\.800 +0\.800 +0\.800$", out, re.M)
    assert "global mean, mae" not in out


def test_one_draw_has_no_spread(capsys: pytest.CaptureFixture[str]) -> None:
    show(result(Path("run"), draws=1))
    out = capsys.readouterr().out
    assert "±" not in out
    assert "668 tasks, 1 draw\n" in out


def test_lines_fit_a_hundred_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(result(Path("run")))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_a_narrow_terminal_gets_fewer_metrics(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(24 + 9 + 2 * CELL_WIDTH))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert headline(result(Path("run"))).head == ("", "mae", "ndcg@5", "ms/task")
    show(result(Path("run")))
    assert capsys.readouterr().out.splitlines()[-1] == "run"


def test_a_result_without_rows_still_tells_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    show(RunResult(Path("run"), "", 5, (), ()))
    assert capsys.readouterr().out == "\nrun\n"
