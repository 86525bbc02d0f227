"""Fixtures of the command line: a call as a user types it, and a job that takes no time."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.cli import main
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.result import Row, RunResult, Summary


@dataclass(frozen=True)
class Outcome:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def fewrec(capsys: pytest.CaptureFixture[str], folder: Path) -> Call:
    """Call the command in an empty folder: ``fewrec("train", "seed=a")``."""

    def call(*words: str) -> Outcome:
        code = main(words)
        shown = capsys.readouterr()
        return Outcome(code, shown.out, shown.err)

    return call


@dataclass
class Jobs:
    """A stand-in for the pipeline: notes what it was called with, raises what it is told to."""

    configs: list[Any] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    lines: list[list[str]] = field(default_factory=list)
    bases: list[Path] = field(default_factory=list)
    fault: BaseException | None = None
    at: int = 0

    def train(self, cfg: DictConfig, folder: Path, reporter: Reporter) -> RunResult:
        self.configs.append(OmegaConf.to_container(cfg, resolve=True))
        self.folders.append(folder)
        self.lines.append(sys.argv[1:])
        if self.fault is not None and len(self.configs) > self.at:
            raise self.fault
        reporter.say("at work")
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
        (folder / "metrics.json").write_text("{}")
        return result(folder)

    def evaluate(self, cfg: DictConfig, folder: Path, reporter: Reporter, base: Path) -> RunResult:
        self.bases.append(base)
        return self.train(cfg, folder, reporter)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Put a stand-in in the place of the pipeline, which would import torch."""
    stand_in = Jobs()
    for module, name in (("pipeline", "train"), ("reevaluate", "evaluate")):
        fake = ModuleType(f"fewrec_cli.experiment.{module}")
        setattr(fake, name, getattr(stand_in, name))
        monkeypatch.setitem(sys.modules, fake.__name__, fake)
    return stand_in


def result(folder: Path, draws: int = 5) -> RunResult:
    """A small result with every kind of row."""
    sd = 0.004 if draws > 1 else None
    kinds = (
        ("item mean", "floor", 0.8),
        ("maml", "model", 0.7),
        ("global mean", "floor", 0.9),
        ("maml (unadapted)", "unadapted", 0.75),
        ("oracle", "oracle", 0.3),
    )
    rows = tuple(
        Row(
            name,
            kind,  # type: ignore[arg-type]
            shots,  # type: ignore[arg-type]
            draws,
            668,
            0.42 if kind == "model" else None,
            {
                "mae": Summary(mae, sd),
                "ndcg@5": Summary(1 - mae / 2, sd),
                "rmse": Summary(mae + 0.1, sd),
                "hit@1": Summary(0.5, sd),
                "auc_user": Summary(None, None),
            },
        )
        for shots in (0, 5, "all")
        for name, kind, mae in kinds
    )
    return RunResult(folder, "data=planted", 5, rows, ("maml beats its floors.",))
