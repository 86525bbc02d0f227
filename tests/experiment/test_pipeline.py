"""Whole runs: every scenario, implicit data, interrupts at every stage, figures that repeat."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from fewrec_cli.experiment import pipeline
from fewrec_cli.experiment.evaluate import Evaluator
from fewrec_cli.experiment.module import FewShotModule
from tests.command import fewrec as fewrec_process

if TYPE_CHECKING:
    from tests.experiment.conftest import Call

Words = tuple[str, ...]
BARE = ("logger=none", "hydra.run.dir=run")
SHORT = ("scenario.draws=1", "scenario.curve=[2]", "trainer.max_steps=3")


def read(folder: Path, name: str = "metrics.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return content


def without_times(folder: Path) -> dict[str, Any]:
    content = read(folder)
    for row in content["rows"]:
        del row["adapt_ms_per_task"]
    return content


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


SCENARIOS = {
    "user_cold": (),
    "item_cold": (),
    "both_cold": ("data.users=200",),
    "warm": (),
}


@pytest.mark.usefixtures("no_figure")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_runs_and_leaks_nothing(
    scenario: str, folder: Path, fewrec: "Call", quick: Words
) -> None:
    more = (f"scenario={scenario}", "scenario.query=2", *SCENARIOS[scenario])
    done = fewrec("train", *quick, *more, *BARE).run
    assert done == folder / "run"
    leaks = read(done, "manifest.json")["leaks"]
    assert leaks["query_rows"] > 0
    assert leaks["support_rows"] > 0
    broken = ("support_in_query", "history_in_query", "query_in_train", "repeated", "foreign")
    assert [leaks[name] for name in (*broken, "shared")] == [0] * 6
    kinds = {row["kind"] for row in read(done)["rows"]}
    assert kinds == {"model", "unadapted", "floor", "oracle"}


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table without ratings: users click what their group likes."""
    rng = np.random.default_rng(0)
    lines = ["user_id,item_id"]
    for user in range(60):
        own = [item for item in range(48) if item % 4 == user % 4]
        chosen = [*rng.choice(own, 10, replace=False), *rng.choice(48, 3, replace=False)]
        lines += [f"u{user},i{item}" for item in sorted(set(chosen))]
    path = tmp_path_factory.mktemp("clicks") / "clicks.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def implicit(clicks: Path) -> Words:
    return (
        *("data=table", f"data.interactions={clicks}", "scenario.draws=2", "scenario.shots=4"),
        *("scenario.query=4", "scenario.curve=[0,4]", "trainer=cpu", *BARE),
    )


@pytest.mark.usefixtures("no_figure")
@pytest.mark.parametrize(
    "words",
    [
        ("scenario.candidates=sampled:20", "trainer.max_steps=4"),
        ("scenario.candidates=catalogue", "trainer.max_steps=4", "strategy=transfer",
         "strategy/adapter=ridge"),
        ("scenario.candidates=sampled:20", "trainer.max_steps=4", "backbone=mlp"),
        ("scenario.candidates=catalogue", "trainer.max_steps=4", "backbone=mlp",
         "strategy=transfer", "strategy/adapter=ridge"),
    ],
    ids=["mf-gradient", "mf-ridge", "mlp-gradient", "mlp-ridge"],
)  # fmt: skip
@pytest.mark.slow
def test_implicit_data_runs_end_to_end(
    words: Words, clicks: Path, folder: Path, fewrec: "Call"
) -> None:
    rows = read(fewrec("train", *implicit(clicks), *words).run)["rows"]
    assert {row["row"] for row in rows if row["kind"] == "floor"} == {"popularity", "random"}
    for row in rows:
        for metric in ("mae", "mae_median", "rmse", "rmse_user", "accuracy"):
            assert row["metrics"][metric] == {"mean": None, "sd": None}
        assert 0 < row["metrics"]["ndcg@5"]["mean"] < 1
        assert 0 < row["metrics"]["auc_user"]["mean"] < 1


@pytest.mark.usefixtures("no_figure")
@pytest.mark.slow
def test_pairwise_training_learns_what_a_group_likes(
    clicks: Path, folder: Path, fewrec: "Call"
) -> None:
    words = ("strategy.tasks_per_step=8", "strategy.epochs=40", "scenario.validation=null")
    words = ("scenario.candidates=sampled:20", *words)
    rows = read(fewrec("train", *implicit(clicks), *words).run)["rows"]
    found = {row["row"]: row["metrics"]["auc_user"]["mean"] for row in rows if row["shots"] == 4}
    assert found["maml"] > found["maml (unadapted)"] + 0.1
    assert found["maml"] > max(found["popularity"], found["random"]) + 0.1


@pytest.mark.slow
def test_implicit_data_are_not_ranked_among_liked_items_only(
    clicks: Path, folder: Path, fewrec: "Call"
) -> None:
    done = fewrec("train", *implicit(clicks))
    assert done.code == 2
    assert "scenario.candidates=query ranks liked items only" in done.told
    assert not files(folder)


@pytest.mark.slow
def test_candidates_that_cannot_be_sampled_are_refused_before_training(
    folder: Path, fewrec: "Call", quick: Words
) -> None:
    done = fewrec("train", *quick, *BARE, "scenario.candidates=sampled:41")
    assert done.code == 2
    assert "asks for more items than the catalogue's 40" in done.told
    assert not files(folder)


def refusing(name: str, replace: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    """A rename that Ctrl-C interrupts when it would finish the file ``name``."""

    def interrupted(self: Path, target: Path) -> Path:
        if Path(target).name == name:
            assert self.exists()
            raise KeyboardInterrupt
        return replace(self, target)

    return interrupted


ORDER = (
    "config.yaml",
    "checkpoint.ckpt",
    "episodes.parquet",
    "tasks.parquet",
    "predictions.parquet",
    "shots.png",
    "manifest.json",
    "metrics.json",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDER)
def test_interrupted_while_writing_nothing_looks_finished(
    name: str, folder: Path, fewrec: "Call", quick: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "replace", refusing(name, Path.replace))
    done = fewrec("train", *quick, *BARE, *SHORT, "evaluation.save_predictions=true")
    monkeypatch.undo()
    os.chdir(folder)
    assert done.code == 130
    assert done.err.splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in done.err
    left = {Path(path).name for path in files(folder)}
    assert not [path for path in left if path.endswith(".part")]
    before = set(ORDER[: ORDER.index(name)])
    assert left - {"log.txt"} == before if left else before <= {"config.yaml"}
    assert fewrec("evaluate", "run=run").code == 2


def test_interrupted_in_training_the_weights_so_far_are_kept(
    folder: Path, fewrec: "Call", quick: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = FewShotModule.training_step

    def pressed(self: FewShotModule, batch: Any, index: int) -> torch.Tensor:
        if self.global_step == 2:
            raise KeyboardInterrupt
        return step(self, batch, index)

    monkeypatch.setattr(FewShotModule, "training_step", pressed)
    done = fewrec("train", *quick, *BARE, *SHORT)
    assert done.code == 130
    assert "interrupted during pretraining; kept in" in done.err.splitlines()[-1]
    assert files(folder / "run") == {"config.yaml", "log.txt", "interrupted.ckpt"}
    state = torch.load(folder / "run" / "interrupted.ckpt", weights_only=True)["state_dict"]
    assert all(torch.isfinite(value).all() for value in state.values())


@pytest.mark.slow
def test_interrupted_in_evaluation_the_checkpoint_stays(
    folder: Path, fewrec: "Call", quick: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Evaluator, "draw", pressed)
    assert fewrec("train", *quick, *BARE, *SHORT).code == 130
    assert files(folder / "run") == {"config.yaml", "log.txt", "checkpoint.ckpt"}


@pytest.mark.slow
def test_a_failed_write_leaves_no_half_file(
    folder: Path, fewrec: "Call", quick: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pipeline.run, "write_tasks", full)
    done = fewrec("train", *quick, *BARE, *SHORT)
    assert done.code == 1
    assert "No space left on device" in done.told
    assert "metrics.json" not in files(folder / "run")


def test_resuming_is_refused_by_name(folder: Path, fewrec: "Call", quick: Words) -> None:
    done = fewrec("train", *quick, *BARE, "resume=auto")
    assert (done.code, files(folder)) == (2, set())
    assert "resume=auto" in done.told


@pytest.mark.usefixtures("no_figure")
@pytest.mark.slow
def test_one_draw_has_no_sd(folder: Path, fewrec: "Call", quick: Words) -> None:
    done = fewrec("train", *quick, *BARE, *SHORT).run
    sds = [one["sd"] for row in read(done)["rows"] for one in row["metrics"].values()]
    assert set(sds) == {None}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, quick: Words) -> Path:
    """A sweep over two seeds, in a process of its own."""
    where = tmp_path_factory.mktemp("process")
    words = ["-m", "seed=0,1", "hydra.sweep.dir=sweep", "hydra.sweep.subdir=${hydra.job.num}"]
    done = fewrec_process(["train", *quick, "logger=none", *words], where)
    assert done.returncode == 0, done.stderr
    return where / "sweep"


@pytest.mark.slow
def test_the_same_command_and_seed_give_the_same_figures(sweep: Path, finished: Path) -> None:
    assert without_times(sweep / "0") == without_times(finished)
    episodes = [(run / "episodes.parquet").read_bytes() for run in (sweep / "0", finished)]
    assert episodes[0] == episodes[1]


@pytest.mark.slow
def test_another_seed_gives_other_figures_on_the_same_tasks(sweep: Path) -> None:
    first, other = (without_times(sweep / seed) for seed in ("0", "1"))
    by_row = [
        {(row["row"], row["shots"]): row["metrics"]["mae"]["mean"] for row in one["rows"]}
        for one in (first, other)
    ]
    assert by_row[0]["maml", 2] != by_row[1]["maml", 2]
    assert by_row[0]["item mean", 2] == by_row[1]["item mean", 2]
    hashes = {read(sweep / seed, "manifest.json")["episodes"]["hash"] for seed in "01"}
    assert len(hashes) == 1
