"""Cached weights are those that training ends with, are told of, and are never others."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning.strategies import DDPStrategy

from fewrec_cli.core.cache import cache_folder, entries
from fewrec_cli.experiment import phases, stage
from fewrec_cli.experiment.module import FewShotModule
from fewrec_cli.experiment.stage import refusal
from tests.composed import composed

if TYPE_CHECKING:
    from tests.experiment.conftest import Call

Words = tuple[str, ...]
TAKEN = "pretrained weights taken from the cache (made "
pytestmark = pytest.mark.usefixtures("no_figure", "folder")


@pytest.fixture
def cached(quick: Words) -> Words:
    """Words of a run of half a second that may take weights from the cache."""
    return (*(word for word in quick if word != "cache=false"), "logger=none")


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Called, it forbids every step of training from then on."""

    def forbid() -> None:
        def step(*_: object) -> None:
            raise AssertionError("a step was trained")

        monkeypatch.setattr(FewShotModule, "training_step", step)

    return forbid


def manifest(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return found


def same_figures(one: Path, two: Path) -> None:
    """Compare weights, what was chosen and every task's figures, to the last bit."""
    assert manifest(one)["chosen"] == manifest(two)["chosen"]
    weights = [torch.load(run / "checkpoint.ckpt", weights_only=True) for run in (one, two)]
    assert list(weights[0]["state_dict"]) == list(weights[1]["state_dict"])
    for name, value in weights[0]["state_dict"].items():
        assert torch.equal(value, weights[1]["state_dict"][name]), name
        assert value.dtype == weights[1]["state_dict"][name].dtype
    tasks = [pd.read_parquet(run / "tasks.parquet") for run in (one, two)]
    pd.testing.assert_frame_equal(*tasks, check_exact=True)


@pytest.mark.slow
def test_a_second_run_takes_the_weights_of_the_first_and_says_so(
    fewrec: "Call", cached: Words, untrained: Any
) -> None:
    first = fewrec("train", *cached, "hydra.run.dir=one")
    assert TAKEN not in first.err
    untrained()
    second = fewrec("train", *cached, "hydra.run.dir=two")
    assert f"{TAKEN}" in second.err
    assert TAKEN in (second.run / "log.txt").read_text()
    same_figures(first.run, second.run)
    told = [manifest(run)["pretrained"] for run in (first.run, second.run)]
    assert [one["cached"] for one in told] == [False, True]
    assert told[0]["cpu_seconds"] == told[1]["cpu_seconds"] > 0
    assert "pretrain (maml)" in manifest(first.run)["seconds"]
    assert "pretrain (maml)" not in manifest(second.run)["seconds"]
    assert "cache" not in OmegaConf.load(first.run / "config.yaml")


@pytest.mark.slow
def test_the_cache_is_left_alone_when_switched_off(fewrec: "Call", cached: Words) -> None:
    done = fewrec("train", *cached, "cache=false", "hydra.run.dir=one")
    assert done.code == 0
    assert entries() == []
    fewrec("train", *cached, "hydra.run.dir=two")
    again = fewrec("train", *cached, "cache=false", "hydra.run.dir=three")
    assert TAKEN not in again.err
    assert manifest(again.run)["pretrained"]["cached"] is False
    same_figures(done.run, again.run)


@pytest.mark.slow
def test_a_damaged_entry_is_told_of_and_trained_anew(fewrec: "Call", cached: Words) -> None:
    first = fewrec("train", *cached, "hydra.run.dir=one")
    (entry,) = entries()
    content = bytearray((entry.folder / "weights.ckpt").read_bytes())
    content[len(content) // 2] ^= 1
    (entry.folder / "weights.ckpt").write_bytes(content)
    second = fewrec("train", *cached, "hydra.run.dir=two")
    assert "is not used: weights.ckpt is not what was written; it is made anew" in second.err
    assert TAKEN not in second.err
    same_figures(first.run, second.run)
    assert TAKEN in fewrec("train", *cached, "hydra.run.dir=three").err


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_to_ends_no_run(
    fewrec: "Call", cached: Words, own_cache: Path
) -> None:
    own_cache.parent.mkdir(exist_ok=True)
    own_cache.write_text("a file")
    done = fewrec("train", *cached, "hydra.run.dir=one")
    assert done.code == 0
    assert f"cache: the weights are not kept: cannot write into the cache {own_cache}" in done.err


@pytest.mark.slow
def test_an_entry_that_goes_away_while_it_is_read_is_trained_anew(
    fewrec: "Call", cached: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fewrec("train", *cached, "hydra.run.dir=one")
    real = stage.find

    def found_and_cleared(*given: Any, **words: Any) -> Path | None:
        place = real(*given, **words)
        if place is not None:
            (place / "weights.ckpt").unlink()
        return place

    monkeypatch.setattr(stage, "find", found_and_cleared)
    second = fewrec("train", *cached, "hydra.run.dir=two")
    assert "cache: an entry went away while it was read" in second.err
    same_figures(first.run, second.run)


@pytest.mark.slow
def test_an_interrupted_training_keeps_nothing(
    fewrec: "Call", cached: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(phases, "_fit", pressed)
    assert fewrec("train", *cached, "hydra.run.dir=one").code == 130
    assert entries() == []
    assert not list(cache_folder().rglob("*.part"))


@pytest.mark.slow
def test_jobs_that_differ_in_shots_and_metrics_train_once(fewrec: "Call", cached: Words) -> None:
    done = fewrec(
        "train",
        *cached,
        "-m",
        "scenario.min_interactions=8",
        "scenario.curve=[0,1,2]",
        "scenario.shots=1,2",
        "evaluation.k=[1],[2]",
        "hydra.sweep.dir=sweep",
    )
    assert done.code == 0, done.err
    assert done.err.count(TAKEN) == 3
    assert len(entries()) == 1


SETTINGS = (
    "strategy=transfer",
    "strategy=transfer strategy/adapter=ridge backbone=mlp",
    "strategy=transfer backbone.content=process scenario=item_cold",
    "strategy=anil strategy.learn_lr=element",
    "strategy=reptile",
    "strategy=augmentation strategy/augment=[noise,drop]",
    "strategy=combined",
    "strategy=meta_sgd",
    "strategy=meta_ridge scenario=item_cold scenario.history=true",
    "strategy=in_context",
    "strategy=neural_process",
    "strategy=maml scenario.validation=null",
    "strategy=features",
    "strategy=maml scenario=warm",
)


@pytest.mark.slow
@pytest.mark.parametrize("words", SETTINGS)
def test_cached_and_trained_runs_end_alike(
    words: str, fewrec: "Call", cached: Words, untrained: Any
) -> None:
    given = (*cached, "scenario.query=3", *words.split())
    first = fewrec("train", *given, "hydra.run.dir=one")
    assert first.code == 0, first.err
    assert manifest(first.run)["pretrained"]["cached"] is False
    kept = entries()
    untrained()
    second = fewrec("train", *given, "hydra.run.dir=two")
    assert (TAKEN in second.err) == bool(kept)
    assert bool(kept) == (words != "strategy=features")  # which has no phase
    same_figures(first.run, second.run)


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fewrec_cli", "train", *words, f"hydra.run.dir={folder}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["none", "auto"])
def test_two_processes_take_what_two_processes_trained(
    shard: str, cached: Words, folder: Path
) -> None:
    words = [word for word in cached if not word.startswith(("data.", "trainer="))]
    user = [number // 24 for number in range(60 * 24)]
    item = [(7 * number + number // 24) % 40 for number in range(60 * 24)]
    rating = [float(1 + (u * i) % 5) for u, i in zip(user, item, strict=True)]
    table = pa.table({"user_id": user, "item_id": item, "rating": rating})
    pq.write_table(table, folder / "r.parquet")
    data = ("data=table", "data.interactions=r.parquet", "data.columns.rating=rating")
    given = (*words, *data, "trainer=cpu_ddp")
    runs = [folder / name for name in ("one", "two")]
    for run in runs:
        done = command(run, *given, f"data.shard={shard}", "strategy=transfer")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(TAKEN) == (run.name == "two")
    same_figures(*runs)
    (entry,) = entries()
    assert entry.facts["processes"] == 2
    assert len(entry.facts["train"]) == (2 if shard == "auto" else 1)


def trainer_with(**words: Any) -> Any:
    outside = SimpleNamespace(creates_processes_externally=words.pop("outside", False))
    parallel = DDPStrategy(cluster_environment=outside)  # type: ignore[arg-type]
    return SimpleNamespace(**{"world_size": 2, "num_nodes": 1, "strategy": parallel, **words})


def test_the_cache_takes_no_part_where_it_could_not_be_exact() -> None:
    cfg = composed("strategy=transfer")
    assert refusal(cfg, trainer_with(), together=False) == ""
    assert refusal(cfg, trainer_with(outside=True, world_size=1), together=False) == ""
    assert refusal(cfg, trainer_with(outside=True), together=True) == ""
    assert "started from outside" in refusal(cfg, trainer_with(outside=True), together=False)
    assert "started from outside" in refusal(cfg, trainer_with(num_nodes=2), together=False)
    other = trainer_with(strategy=SimpleNamespace())
    assert "may hold the weights in parts" in refusal(cfg, other, together=False)
    double = composed("strategy=transfer", "trainer.precision=64-true")
    assert "weights of another type" in refusal(double, trainer_with(), together=False)
    timed = composed("strategy=transfer", "+trainer.max_time=00:01:00:00")
    assert "ends training by the clock" in refusal(timed, trainer_with(), together=False)
    cfg.strategy._target_ = "mine.Transfer"
    assert refusal(cfg, trainer_with(), together=False).startswith("mine.Transfer is none of")


@pytest.mark.slow
def test_a_user_s_class_is_trained_and_told_why(
    fewrec: "Call", cached: Words, folder: Path
) -> None:
    (folder / "my" / "strategy").mkdir(parents=True)
    (folder / "my" / "own_for_stage.py").write_text(
        "from fewrec_cli.strategy.transfer import Transfer\nclass Mine(Transfer):\n    pass\n"
    )
    (folder / "my" / "strategy" / "mine.yaml").write_text(
        "defaults: [transfer, _self_]\n_target_: own_for_stage.Mine\n"
    )
    given = ("--config-dir", "my", *cached, "strategy=mine")
    done = fewrec("train", *given, "hydra.run.dir=one")
    assert done.code == 0, done.err
    assert "cache: not used, as own_for_stage.Mine is none of fewrec's classes" in done.err
    assert entries() == []
