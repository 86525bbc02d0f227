"""Finished runs as parts of another run: joined end to end, and refused where they do not fit."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.experiment.conftest import QUICK, Outcome, call


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two finished runs on the same tasks."""
    folder = tmp_path_factory.mktemp("members")
    first = call("train", *QUICK, f"hydra.run.dir={folder / 'maml'}")
    words = ("strategy=meta_ridge", f"hydra.run.dir={folder / 'ridge'}")
    return first.run, call("train", *QUICK, *words).run


def blend(runs: Sequence[Path], *words: str) -> Outcome:
    joined = ",".join(map(str, runs))
    return call("train", *QUICK, "strategy=blend", f"strategy.runs=[{joined}]", *words)


def figures(folder: Path) -> dict[str, float]:
    rows = json.loads((folder / "metrics.json").read_text())["rows"]
    return {
        f"{row['row']}@{row['shots']} {name}": figure["mean"]
        for row in rows
        for name, figure in row["metrics"].items()
    }


@pytest.mark.slow
@pytest.mark.usefixtures("no_figure")
def test_runs_are_joined_and_the_blend_is_a_run_like_any_other(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    joined = blend(runs, f"hydra.run.dir={tmp_path / 'blend'}")
    assert "Nothing was trained" not in joined.out
    found = figures(joined.run)
    assert found["blend@2 mae"] > 0
    again = call("evaluate", f"run={joined.run}", f"hydra.run.dir={tmp_path / 'again'}")
    assert figures(again.run) == found
    nested = blend((joined.run, runs[0]), f"hydra.run.dir={tmp_path / 'nested'}")
    assert figures(nested.run)["item mean@2 mae"] == found["item mean@2 mae"]


@pytest.mark.slow
@pytest.mark.usefixtures("no_figure")
def test_the_weights_are_fitted_on_validation_tasks_alone(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    """Other test draws and sizes leave the weights as they are."""
    kept = []
    for number, word in enumerate(("scenario.draws=2", "scenario.draws=1")):
        folder = blend(runs, word, f"hydra.run.dir={tmp_path / str(number)}").run
        state = torch.load(folder / "checkpoint.ckpt", weights_only=True)["state_dict"]
        kept.append(state["strategy.mixer.pull"])
    assert torch.equal(*kept)
    assert kept[0].abs().max() > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scenario.seed=1",), "was trained with scenario.seed=0, and this is 1"),
        (("data.seed=9",), "was trained on synthetic@"),
        (("scenario.validation=null",), "fitted on validation tasks, and scenario.validation=null"),
    ],
)
def test_runs_that_do_not_fit_are_refused(
    words: tuple[str, ...], said: str, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    done = blend(runs, *words, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 2
    assert said in done.told
    assert not (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "strategy.runs names none"),
        (("strategy.runs=[x,y,./x]",), "strategy.runs names the run ./x twice, also as x"),
        (("strategy.runs=[x]", "strategy/adapter=ridge"), "no adapter or augment of its own"),
        (("strategy.runs=[x]", "strategy/augment=[drop]"), "no adapter or augment of its own"),
    ],
)
def test_a_blend_of_nothing_or_with_an_adapter_is_refused(
    words: tuple[str, ...], said: str, folder: Path
) -> None:
    done = call("train", *QUICK, "strategy=blend", *words)
    assert done.code == 2
    assert said in done.told


@pytest.mark.slow
def test_a_folder_without_a_finished_run_is_refused(folder: Path) -> None:
    (folder / "empty").mkdir()
    told = {
        "nowhere": "no run folder nowhere\n  write strategy.runs=[FOLDER,FOLDER]",
        "empty": "empty holds no finished run",
    }
    for name, said in told.items():
        done = call("train", *QUICK, "strategy=blend", f"strategy.runs=[{name}]")
        assert done.code == 2
        assert said in done.err
