"""The words of ``ask``, and its table."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from fewrec_cli.cli import ask as module
from fewrec_cli.experiment.ask import Question, Questions, as_json

if TYPE_CHECKING:
    from tests.cli.conftest import Call

SURE = Questions(
    "planted",
    60,
    (1.5, 1.4, 1.2),
    (
        Question("50", "Star Wars (1977). Action, Adventure.", 1402, 1.0714),
        Question("a:7", "", 9, 0.99),
    ),
)
ONE = Questions("planted", 60, (1.5, 1.5, 1.2), SURE.asked[:1])
MOVED = Questions("planted", 60, None, (Question("50", "Star Wars (1977).", 402, 0.66123),))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for the job, which would import torch; return what it was called with."""
    seen: list[dict[str, Any]] = []

    def job(base: Path, **words: Any) -> Questions:
        del words["reporter"]
        seen.append({"base": base, **words})
        return MOVED if words["k"] == 1 else SURE

    fake = ModuleType("fewrec_cli.experiment.ask")
    fake.ask, fake.as_json = job, as_json  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    return seen


@pytest.fixture
def run(folder: Path) -> Path:
    """A folder that looks like a finished run."""
    base = folder / "run"
    base.mkdir()
    (base / "config.yaml").write_text("seed: 0\n")
    (base / "metrics.json").write_text("{}")
    return base


def test_words_reach_the_job_read(fewrec: "Call", calls: list[dict[str, Any]], run: Path) -> None:
    fewrec("ask", "run=run")
    fewrec("ask", "k=3", "rated=50:5, a:7:2.5", "about=gender=F,age=25-34", "known=0", "run=run")
    plain = {"base": run, "k": 10, "known": 1.0, "rated": {}, "about": {}}
    assert calls == [
        plain,
        plain
        | {"k": 3, "known": 0.0, "rated": {"50": 5.0, "a:7": 2.5}}
        | {"about": {"gender": "F", "age": "25-34"}},
    ]


def test_the_table_in_a_pipe_has_every_word(
    fewrec: "Call", calls: list[dict[str, Any]], run: Path
) -> None:
    lines = fewrec("ask", "run=run").out.splitlines()
    assert lines[1:4] == [
        "   item  rated  sd then",
        "1  50    1,402    1.071  Star Wars (1977). Action, Adventure.",
        "2  a:7       9    0.990",
    ]
    assert lines[-1] == (
        "80% of ratings lie within ±1.50 stars of what is foretold before any is known, "
        "±1.40 with the ratings given, ±1.20 once all 2 are rated"
    )
    assert "moves: how far" in fewrec("ask", "run=run", "k=1").out


def test_one_question_is_told_in_the_singular() -> None:
    assert module.table(ONE)[-1].endswith(
        "lie within ±1.50 stars of what is foretold before any is known, ±1.20 once it is rated"
    )


def test_a_terminal_gets_short_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "45")
    lines = module.table(SURE)[1:4]
    assert max(map(len, lines)) == 45
    assert lines[1].endswith("Star Wars (1977). A…")


def test_json_is_all_that_stdout_gets(
    fewrec: "Call", calls: list[dict[str, Any]], run: Path
) -> None:
    assert json.loads(fewrec("ask", "--json", "run=run").out) == as_json(SURE)
    told = json.loads(fewrec("ask", "run=run", "k=1", "--json").out)
    assert told["interval80_half"] is None
    assert told["items"][0]["moves"] == 0.66123


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        ("", "ask lacks the run", "write run=FOLDER"),
        ("run", "ask cannot read 'run'", "did you mean run=run?"),
        ("rn=run", "ask has no word 'rn'", "did you mean 'run'?"),
        ("run=run k=0", "k= cannot be '0'", "a whole number from 1"),
        ("run=run k=1.5", "k= cannot be '1.5'", "a whole number from 1"),
        ("run=run known=-1", "known= cannot be '-1'", "0 or more"),
        ("run=run known=nan", "known= cannot be 'nan'", "0 or more"),
        ("run=run rated=50", "rated= cannot read '50'", "write rated=50:5,181:4"),
        ("run=run rated=50:good", "rated= cannot be 'good'", "give stars"),
        ("run=run rated=50:5,50:4", "rated= has 50 twice", "keep one"),
        ("run=run about=F", "about= cannot read 'F'", "write about=gender=F"),
        ("run=run k=1 k=2", "k= is given twice", "keep one"),
        ("run=run --multirun", "ask has no flag --multirun", "--json"),
        ("run=nowhere", "no run folder nowhere", "the last line"),
    ],
)
def test_words_that_do_not_fit_are_told_in_two_lines(
    words: str, problem: str, remedy: str, fewrec: "Call", calls: list[dict[str, Any]], run: Path
) -> None:
    done = fewrec("ask", *words.split())
    lines = done.err.splitlines()
    assert (done.code, done.out, len(lines)) == (2, "", 2)
    assert lines[0].startswith(f"error: {problem}")
    assert remedy in lines[1]
    assert not calls


def test_the_page_names_every_word(fewrec: "Call") -> None:
    page = fewrec("ask", "--help").out
    assert all(
        f"  {word}" in page for word in ("run=", "k=", "rated=", "about=", "known=", "--json")
    )
