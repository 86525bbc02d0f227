"""``fewrec report`` as a user types it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.report.making import write_run

if TYPE_CHECKING:
    from tests.cli.conftest import Call

HEAVY = ("torch", "pytorch_lightning", "lightning", "transformers", "hydra")


@pytest.fixture
def sweep(folder: Path) -> Path:
    """Two runs that differ in the seed."""
    random = np.random.default_rng(0)
    floor = random.normal(1.0, 0.1, (2, 12)).tolist()
    for seed in (0, 1):
        ours = random.normal(0.5, 0.1, (2, 12)).tolist()
        rows = {
            ("maml", "model", 5): {"mae": ours, "ndcg@5": floor},
            ("item mean", "floor", 5): {"mae": floor, "ndcg@5": floor},
        }
        write_run(
            folder / "sweep" / str(seed),
            rows,  # type: ignore[arg-type]
            users=range(12),
            words={"seed": seed},
            parameters={"trainable": 12, "adapted": 3},
        )
    return folder / "sweep"


@pytest.mark.usefixtures("sweep")
def test_a_sweep_becomes_one_table_in_markdown(fewrec: "Call") -> None:
    done = fewrec("report", "sweep")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("# toy\n")
    assert "5 shots, 12 tasks, 2 draws, 2 seeds" in done.out
    assert done.out.count("| maml |") == 3  # figures, difference, interval
    assert "**" in done.out


@pytest.mark.usefixtures("sweep")
def test_files_are_written_and_the_folder_is_the_last_line(fewrec: "Call", folder: Path) -> None:
    done = fewrec("report", "sweep", "--out", "table", "--format=json,csv", "--title", "mine")
    assert (done.code, done.out) == (0, "table\n")
    told = json.loads((folder / "table" / "table.json").read_text())
    assert told["title"] == "mine"
    assert [row["row"] for row in told["rows"]] == ["maml", "item mean"]
    assert sorted(path.name for path in (folder / "table").iterdir()) == [
        "figures",
        "table.csv",
        "table.json",
    ]


@pytest.mark.usefixtures("sweep")
@pytest.mark.slow
def test_nothing_of_training_is_imported(folder: Path) -> None:
    code = (
        "import sys\nfrom fewrec_cli.cli import main\n"
        "code = main(['report', 'sweep', '--format', 'latex'])\n"
        f"sys.exit(code or [name for name in {HEAVY!r} if name in sys.modules] or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\toprule" in done.stdout


@pytest.mark.usefixtures("sweep")
@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        ("", "report lacks the runs", "write fewrec report FOLDER"),
        ("nowhere", "no folder nowhere", "give run folders"),
        ("out", "no folder out", "give run folders"),
        ("file", "file is a file, not a folder", "give run folders, or a folder that holds some"),
        ("sweep/0/metrics.json", "sweep/0/metrics.json is a file", "sweep/0"),
        ("empty", "empty holds no run", "give the last line"),
        ("sweep --formt md", "report has no flag --formt", "did you mean '--format'?"),
        ("sweep against=maml", "against=maml is no folder", "did you mean --against maml?"),
        ("sweep --format pdf", "no format 'pdf'", "one of: md, latex, csv, json, html"),
        ("sweep --format md,csv", "2 formats cannot be printed", "--out FOLDER"),
        ("sweep --out file", "cannot create the folder file", "choose another with --out FOLDER"),
        ("sweep --out", "--out lacks its value", "write --out FOLDER"),
        ("sweep --out a --out b", "--out is given twice", "once"),
        ("sweep --metrics ,", "--metrics lacks its value", "write --metrics mae,ndcg@5"),
        ("sweep --metrics maee", "no run has the metric 'maee'", "did you mean mae?"),
        ("sweep --shots few", "--shots cannot be 'few'", "--shots 1,5,all"),
        ("sweep --shots 3", "no run has 3 shots", "there: 5"),
        ("sweep --against mamll", "no row is called 'mamll'", "did you mean 'maml'?"),
        ("sweep --over scenario.sed", "--over scenario.sed: no run", "scenario.seed"),
        ("sweep --spread sdd", "--spread cannot be 'sdd'", "did you mean 'sd'?"),
    ],
)
def test_a_mistake_is_two_lines(
    words: str, problem: str, remedy: str, fewrec: "Call", folder: Path
) -> None:
    (folder / "empty").mkdir()
    (folder / "file").touch()
    done = fewrec("report", *words.split())
    lines = done.err.splitlines()
    assert (done.code, done.out, len(lines)) == (2, "", 2)
    assert lines[0].startswith(f"error: {problem}")
    assert remedy in lines[1]


def test_words_are_completed(fewrec: "Call", monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        return fewrec("-sc", "query=bash").out.split()

    assert ask("fewrec report x --fo") == ["--format"]
    assert ask("fewrec report x --format h") == ["html"]
    assert ask("fewrec report ") == []


@pytest.mark.usefixtures("sweep")
def test_a_terminal_gets_boxes_that_fit(fewrec: "Call", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    done = fewrec("report", "sweep")
    assert done.code == 0
    assert "─" in done.out
    assert "*0." in done.out
    assert "left out for width" in done.out
