"""Runs made once for many tests, and the command called in this process."""

from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from fewrec_cli.cli import main
from tests.composed import SHRUNK_DATA

QUICK = (
    *SHRUNK_DATA,
    "scenario.draws=2",
    "scenario.shots=2",
    "scenario.query=6",
    "scenario.curve=[0,2,all]",
    "trainer=cpu",
    "trainer.max_steps=4",
    "cache=false",
)
"""Words of a run that takes half a second; it always trains, else equal figures said nothing."""


@dataclass(frozen=True)
class Outcome:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str

    @property
    def run(self) -> Path:
        """The folder named by the last line."""
        assert self.code == 0, self.err
        return Path(self.out.splitlines()[-1])

    @property
    def told(self) -> str:
        """The first line of the one error, after checking that it is told in two lines."""
        lines = self.err.splitlines()
        assert sum(line.startswith("error: ") for line in lines) == 1, self.err
        assert lines[-2].startswith("error: "), self.err
        assert lines[-1].startswith("  "), self.err
        assert "Traceback" not in self.err
        assert self.out == ""
        return lines[-2]


Call = Callable[..., Outcome]


def call(*words: str) -> Outcome:
    """Call ``fewrec WORDS`` in this process."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def fewrec() -> Call:
    """The command, in this process and the present folder: ``fewrec("train", "seed=1")``."""
    return call


@pytest.fixture(scope="session")
def quick() -> tuple[str, ...]:
    """Words of a run that takes half a second."""
    return QUICK


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run with predictions; look, but do not write."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    words = ("evaluation.save_predictions=true", f"hydra.run.dir={folder}")
    return call("train", *QUICK, *words).run


@pytest.fixture
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figure out, half of the time of a short run."""
    monkeypatch.setattr("fewrec_cli.experiment.pipeline.shot_curve", lambda *_: None)
