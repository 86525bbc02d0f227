"""``fewrec table`` as a user types it."""

import json
import re
import shlex
import signal
import time
from pathlib import Path

import pytest

from fewrec_cli.cli.table.asked import take_apart
from fewrec_cli.cli.table.command import table
from fewrec_cli.core.errors import ConfigError
from tests.cli.table.conftest import ONE_RUN, Write
from tests.command import fewrec, started

SMALL = ["table", "small", "--config-dir", "my"]


def test_the_line_is_taken_apart_in_any_order() -> None:
    words = ["--jobs", "3", "melu", "scenario.draws=9", "--rows=a,b c", "--smoke", "shots"]
    asked = take_apart(words)
    assert asked.tables == ("melu", "shots")
    assert asked.words == ("scenario.draws=9",)
    assert asked.rows == ("a", "b c")
    assert (asked.jobs, asked.smoke, asked.every, asked.config_dir) == (3, True, False, None)


WRONG = {
    "flag": (["melu", "--row", "x"], "table has no flag --row", "did you mean '--rows'?"),
    "no value": (["melu", "--jobs"], "--jobs lacks its value", "write --jobs N"),
    "jobs": (["melu", "--jobs", "0"], "--jobs 0 is no number of runs at a time", "write --jobs 2"),
    "all": (["melu", "--all"], "--all and melu do not go together", "keep one of them"),
    "plan": (["melu", "--plan", "--report"], "--plan and --report do not", "keep one of them"),
    "name": (["mellu"], "no table 'mellu'", "did you mean 'melu'?"),
    "row": (["melu", "--rows", "meta_rige"], "--rows meta_rige: no such", "'meta_ridge'?"),
    "state": (["melu", "--states", "user"], "--states user: no such", "one of: user_cold,"),
    "nothing": (["seed=1"], "table lacks its name", "fewrec table lists them"),
    "plan of none": (["--plan"], "table lacks its name", "NAME, or --all"),
    "smoke of none": (["--smoke"], "table lacks its name", "NAME, or --all"),
    "report of none": (["--report"], "table lacks its name", "NAME, or --all"),
}


@pytest.mark.parametrize(("words", "problem", "remedy"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_told_in_two_lines(words: list[str], problem: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table(words)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.usefixtures("folder")
def test_alone_it_lists_the_tables(capsys: pytest.CaptureFixture[str], table_file: Write) -> None:
    table_file()
    assert table(["--config-dir", "my", "--jobs", "1"]) == 0
    told = capsys.readouterr().out
    assert "small  " in told
    assert re.search(r"7 runs, about 20 min; not run", told)
    assert told.splitlines()[-1].startswith("all: about ")


@pytest.mark.usefixtures("folder")
def test_the_plan_is_printed_as_commands(
    capsys: pytest.CaptureFixture[str], table_file: Write
) -> None:
    table_file(**ONE_RUN)
    assert table(["small", "--config-dir", "my", "--plan", "scenario.draws=4"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("fewrec train data=synthetic strategy=maml ")
    place = r"outputs/tables/small_scenario\.draws=4/runs/maml_[\w.=-]+-[0-9a-f]{8}"
    assert re.search(rf" seed=0 \"hydra\.run\.dir='{place}'\" --config-dir /\S+/my$", line)
    assert "'data.ratings_per_user=[24,36]'" in line


@pytest.mark.slow
def test_a_run_that_was_copied_from_the_plan_is_found(folder: Path, table_file: Write) -> None:
    table_file(**ONE_RUN)
    (line,) = fewrec([*SMALL, "--plan"], folder).stdout.splitlines()
    done = fewrec(shlex.split(line)[1:], folder)
    assert done.returncode == 0, done.stderr
    again = fewrec([*SMALL, "--report"], folder)
    assert again.returncode == 0, again.stderr
    assert "1 runs, all finished" in again.stderr


@pytest.mark.slow
def test_a_table_is_run_once_and_written_in_every_format(folder: Path, table_file: Write) -> None:
    table_file()
    done = fewrec([*SMALL, "--jobs", "2"], folder)
    assert done.returncode == 0, done.stderr
    out = folder / "outputs" / "tables" / "small"
    assert done.stdout.splitlines()[-1] == str(out)
    for name in ("table.md", "table.tex", "table.csv", "table.json", "report.html"):
        assert (out / name).is_file()
    assert "small: 7 of 7 runs in" in done.stderr
    rows = json.loads((out / "table.json").read_text(encoding="utf-8"))["rows"]
    ours = {(row["row"], row["state"], row["track"]) for row in rows if row["kind"] == "model"}
    assert ours == {
        ("maml", "new users", "A"),
        ("maml", "new users", "B"),
        ("maml", "few users", "A"),
        ("ridge", "new users", "A"),
        ("ridge", "new users", "B"),
    }
    times = {path: path.stat().st_mtime_ns for path in out.rglob("metrics.json")}
    assert "min; finished" in fewrec(["table", "--config-dir", "my"], folder).stdout
    again = fewrec(SMALL, folder)
    assert again.returncode == 0
    assert "7 runs, all finished" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in out.rglob("metrics.json")} == times
    assert again.stdout == done.stdout


@pytest.mark.slow
def test_a_row_is_joined_from_the_runs_of_others(folder: Path, table_file: Write) -> None:
    rows = {
        "maml": {"minutes": 1},
        "ridge": {"words": ["strategy=transfer", "strategy/adapter=ridge"], "minutes": 1},
        "joined": {"words": ["strategy=blend"], "of": ["maml", "ridge"], "minutes": 9},
    }
    states = {"new users": {"words": ["scenario.validation=0.2"]}}
    table_file(**ONE_RUN | {"table.states": states, "table.rows": rows})
    done = fewrec([*SMALL, "--jobs", "2"], folder)
    assert done.returncode == 0, done.stderr
    text = (folder / "outputs" / "tables" / "small" / "table.md").read_text(encoding="utf-8")
    assert "| joined" in text


@pytest.mark.slow
def test_a_run_that_fails_is_told_and_the_others_go_on(folder: Path, table_file: Write) -> None:
    nowhere = ["data=table", "data.interactions=nowhere.csv"]
    table_file(**{"table.rows.ridge.words": nowhere, "table.rows.ridge.more": {}})
    done = fewrec([*SMALL, "--states", "new users"], folder)
    assert done.returncode == 1
    told = done.stderr.splitlines()
    first = next(line for line in told if line.startswith("error: ridge, new users A, seed=0: "))
    assert "nowhere.csv" in first
    log = re.search(r"see (\S+);", told[told.index(first) + 1])
    assert log is not None
    assert (folder / log[1]).is_file()
    text = (folder / "outputs" / "tables" / "small" / "table.md").read_text(encoding="utf-8")
    assert "Missing: ridge in new users A, ridge in new users B, maml in few users A." in text
    assert "| maml |" in text
    listed = fewrec(["table", "--config-dir", "my"], folder).stdout
    assert "7 runs, about 10 min; written, 3 rows missing" in listed


@pytest.mark.slow
def test_a_report_without_a_finished_run_says_so(folder: Path, table_file: Write) -> None:
    table_file()
    done = fewrec([*SMALL, "--report"], folder)
    assert done.returncode == 2
    assert "error: no run of table small has finished" in done.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_what_has_finished(folder: Path, table_file: Write) -> None:
    table_file(**{"table.rows.ridge.words": ENDLESS, "table.rows.ridge.more": {}})
    log = folder / "outputs" / "tables" / "small" / "logs"
    with started(["-m", "fewrec_cli", *SMALL, "--jobs", "1"], folder) as process:
        until = time.monotonic() + 120
        while not any("pretrain" in one.read_text() for one in log.glob("ridge*")):
            assert time.monotonic() < until  # ridge takes longest by its estimate and starts first
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted; 0 of 7 runs are finished and kept" in told
    assert not list(folder.rglob("metrics.json"))
    assert "interrupted during pretraining" in "".join(one.read_text() for one in log.glob("*"))


ENDLESS = [
    "strategy=transfer",
    "strategy/adapter=ridge",
    "strategy.epochs=1000000",
    "strategy.patience=1000000",
    "trainer.max_steps=10000000",
]


@pytest.mark.slow
def test_the_smoke_needs_no_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEWREC_DATA", raising=False)
    done = fewrec(["table", "metahin", "--smoke"], folder)
    assert done.returncode == 0, done.stderr
    out = folder / "outputs" / "tables-smoke" / "metahin"
    assert done.stdout.splitlines()[-1] == str(out)
    text = (out / "table.md").read_text(encoding="utf-8")
    assert "On generated data with two steps of training: the figures mean nothing." in text
    assert "Missing" not in text
