"""The tables of a run: the headline rows in order, then the curve, the folder last."""

import re
from pathlib import Path

import pytest

from fewrec_cli.cli.render import curve, headline, show, show_sweep
from fewrec_cli.experiment.result import Row, RunResult, Summary
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
    monkeypatch.setenv("COLUMNS", "59")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert headline(result(Path("run"))).head == ("", "mae", "ndcg@5", "ms/task")
    show(result(Path("run")))
    out = capsys.readouterr().out
    assert "left out for width: rmse; all are in metrics.json" in out
    assert out.splitlines()[-1] == "run"


def test_a_result_without_rows_still_tells_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    show(RunResult(Path("run"), "", 5, (), ()))
    assert capsys.readouterr().out == "\nrun\n"


def cut(*names: str) -> RunResult:
    """A result whose rows have the given metrics only, at six support sizes."""
    figures = dict.fromkeys(names, Summary(0.5, 0.01))
    rows = tuple(
        Row("maml (unadapted)", kind, shots, 5, 9, 0.4, figures)  # type: ignore[arg-type]
        for shots in (0, 1, 3, 5, 10, "all")
        for kind in ("model", "floor")
    )
    return RunResult(Path("run"), "", 5, rows, ())


@pytest.mark.parametrize(
    ("present", "shown"),
    [
        (["mae", "ndcg@3", "hit@3"], ["mae", "ndcg@3"]),
        (["ndcg@20", "ndcg@50", "auc_user"], ["ndcg@20", "auc_user"]),
        (["ndcg@1", "ndcg@5", "ndcg@10", "mae"], ["mae", "ndcg@5", "ndcg@10"]),
        (["ndcg@3", "recall@3", "mrr@3"], ["ndcg@3", "recall@3", "mrr@3"]),
        (["mae"], ["mae"]),
    ],
)
def test_metrics_follow_the_cut_offs_of_the_rows(present: list[str], shown: list[str]) -> None:
    assert headline(cut(*present)).head == ("", *shown, "ms/task")
    assert all(metric in str(curve(cut(*present)).lines) for metric in shown[:1])


def test_a_narrow_shots_table_leaves_sizes_out_and_cuts_no_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show(cut("mae", "ndcg@5"))
    out = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
    assert curve(cut("mae", "ndcg@5")).head == ("", "0", "1", "3", "5", "all")
    assert "left out for width: 10; all are in metrics.json" in out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 60


def test_a_sweep_ends_with_a_line_per_job_and_its_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_sweep(Path("/sweep"), [("seed=0", result(Path("a"))), ("seed=1", result(Path("b")))])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["job", "mae", "best", "floor", "ndcg@5", "best", "floor"]
    assert lines[2].split() == ["0", "seed=0", "0.700", "0.800", "0.650", "0.600"]
    assert lines[-1] == "/sweep"
