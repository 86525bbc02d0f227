"""Pretraining: best weights, chosen strength, runs without validation, losses that blow up."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment import pretrain as module
from fewrec_cli.experiment.pretrain import choose_strength, pretrain, validation_batches
from fewrec_cli.experiment.world import World, build
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed

if TYPE_CHECKING:
    from tests.experiment.conftest import Call

pytestmark = pytest.mark.usefixtures("no_figure")
Words = tuple[str, ...]
QUIET = Reporter(quiet=True)


def prepared(*words: str) -> tuple[Any, World]:
    cfg = composed(*SHRUNK_DATA, *SHRUNK_RUN, *words)
    return cfg, build(cfg, QUIET)


def validation_loss(world: World) -> float:
    world.backbone.eval()
    return module._validation_loss(world, validation_batches(world))


@pytest.mark.slow
def test_the_best_validated_weights_are_kept(tmp_path: Path) -> None:
    words = ("strategy=transfer", "strategy.outer_lr=0.3", "strategy.rows_per_step=64")
    more = ("trainer.max_steps=-1", "strategy.epochs=12", "strategy.patience=99")
    cfg, world = prepared(*words, *more)
    chosen, trainer = pretrain(cfg, world, tmp_path, QUIET)
    per_epoch = -(-len(world.train) // 64)
    assert trainer.global_step == 12 * per_epoch
    assert 0 < chosen.steps["transfer"] < trainer.global_step  # so large a step overshoots
    world.strategy.adapter.strength = 1.0
    kept = chosen.losses["transfer"]
    assert kept is not None
    assert validation_loss(world) == pytest.approx(kept, rel=1e-4)


def test_training_stops_after_patience(tmp_path: Path) -> None:
    words = ("strategy=transfer", "strategy.outer_lr=0.3", "strategy.rows_per_step=64")
    more = ("trainer.max_steps=-1", "strategy.epochs=50", "strategy.patience=2")
    cfg, world = prepared(*words, *more)
    chosen, trainer = pretrain(cfg, world, tmp_path, QUIET)
    per_epoch = -(-len(world.train) // 64)
    assert trainer.global_step == chosen.steps["transfer"] + 2 * per_epoch


def test_every_phase_is_trained_and_reported(tmp_path: Path) -> None:
    cfg, world = prepared("strategy=combined")
    before = {name: value.clone() for name, value in world.backbone.state_dict().items()}
    chosen, _ = pretrain(cfg, world, tmp_path, QUIET)
    assert list(chosen.steps) == list(chosen.losses) == ["transfer", "maml"]
    assert any(not torch.equal(v, before[k]) for k, v in world.backbone.state_dict().items())


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.slow
def test_max_steps_are_kept(limit: int, tmp_path: Path) -> None:
    cfg, world = prepared(f"trainer.max_steps={limit}", "strategy.tasks_per_step=5")
    _, trainer = pretrain(cfg, world, tmp_path, QUIET)
    assert trainer.global_step == limit


def test_without_validation_the_last_weights_stay(tmp_path: Path) -> None:
    cfg, world = prepared("scenario.validation=null", "trainer.max_steps=3")
    assert validation_batches(world) == []
    chosen, _ = pretrain(cfg, world, tmp_path, QUIET)
    assert chosen.steps == {"maml": 3}
    assert chosen.losses == {"maml": None}
    assert chosen.strength == 1.0


def test_validation_tasks_come_at_every_support_size_above_zero() -> None:
    _, world = prepared("scenario.curve=[0,1,2,all]")
    batches = validation_batches(world)
    tasks = len(world.split.valid)
    assert [len(batch) for batch in batches] == [tasks] * 3
    sizes = [int(batch.support.weight.sum(1).max()) for batch in batches]
    assert sizes[:2] == [1, 2]
    assert sizes[2] > 2
    valid = set(world.split.valid.user)
    assert all(set(batch.user.tolist()) == valid for batch in batches)
    assert not valid & set(world.split.test.user)


@pytest.fixture(scope="module")
def rated() -> World:
    """A world whose adapter has several strengths to choose from."""
    _, world = prepared("strategy=transfer", "strategy/adapter=ridge")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in world.backbone.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    world.strategy.adapter.strengths = (0.01, 1.0, 100.0)
    return world


def test_the_strength_with_the_least_validation_loss_is_chosen(rated: World) -> None:
    losses = {}
    for strength in rated.strategy.adapter.strengths:
        rated.strategy.adapter.strength = strength
        losses[strength] = validation_loss(rated)
    assert len(set(losses.values())) == 3
    found = choose_strength(rated, validation_batches(rated))
    assert found == rated.strategy.adapter.strength == min(losses, key=lambda s: losses[s])


def test_equal_losses_choose_the_strength_nearest_to_one(
    rated: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = validation_batches(rated)
    for value in (0.5, float("nan")):
        monkeypatch.setattr(module, "_validation_loss", lambda *_, value=value: value)
        assert choose_strength(rated, batches) == 1.0


def test_without_validation_the_strength_is_one(rated: World) -> None:
    assert choose_strength(rated, []) == 1.0
    rated.strategy.adapter.strengths = (0.5,)
    assert choose_strength(rated, validation_batches(rated)) == 0.5
    rated.strategy.adapter.strengths = (0.01, 1.0, 100.0)


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_run_with_1(
    folder: Path, fewrec: "Call", quick: Words
) -> None:
    words = ("strategy=transfer", "strategy.outer_lr=1e30", "strategy.loss=squared")
    done = fewrec("train", *quick, *words, "trainer.max_steps=20", "hydra.run.dir=run")
    assert done.code == 1
    assert "the loss of transfer is" in done.told
    assert "lower strategy.outer_lr" in done.err
    assert not (folder / "run" / "metrics.json").exists()
    assert not list(folder.rglob("*.part"))


@pytest.mark.slow
def test_a_run_without_validation_finishes(folder: Path, fewrec: "Call", quick: Words) -> None:
    done = fewrec("train", *quick, "scenario.validation=null", "logger=none").run
    manifest = json.loads((done / "manifest.json").read_text())
    assert manifest["tasks"]["valid"] == 0
    assert manifest["chosen"]["losses"] == {"maml": None}
    assert manifest["leaks"]["draws"] == 2


def short_users(alone: int, others: int) -> tuple[str, ...]:
    """Write a table of cold users, of users with one row, and of users with several."""
    lines = [
        f"cold{user},i{item},{1 + (user * item) % 5}" for user in range(6) for item in range(7)
    ]
    lines += [f"one{user},i{user % 7},{1 + user % 5}" for user in range(alone)]
    lines += [f"more{user},i{item},{1 + item % 5}" for user in range(others) for item in range(4)]
    Path("r.csv").write_text("\n".join(["user_id,item_id,stars", *lines]) + "\n")
    Path("cold.txt").write_text("".join(f"cold{user}\n" for user in range(6)))
    return (
        *("data=table", "data.interactions=r.csv", "data.columns.rating=stars", "trainer=cpu"),
        *("scenario.by=list", "scenario.users=cold.txt", "scenario.validation=null"),
        *("scenario.shots=2", "scenario.query=3", "trainer.max_steps=2", "hydra.run.dir=run"),
    )


@pytest.mark.slow
def test_users_too_short_for_an_episode_are_counted(folder: Path, fewrec: "Call") -> None:
    done = fewrec("train", *short_users(alone=9, others=4))
    assert done.code == 0
    said = "9 of 13 users have one training interaction, too few to split: left out of maml"
    assert said in done.err


@pytest.mark.slow
def test_meta_training_without_a_single_task_is_refused(folder: Path, fewrec: "Call") -> None:
    words = short_users(alone=9, others=0)
    done = fewrec("train", *words)
    assert done.code == 2
    assert "maml has no task to train on: 9 of 9 users have one" in done.told
    assert not (folder / "run").exists()
    assert fewrec("train", *words, "strategy=transfer").code == 0


def test_the_headline_is_validated_even_if_the_curve_leaves_it_out() -> None:
    _, world = prepared("scenario.curve=[0]", "scenario.shots=2")
    (batch,) = validation_batches(world)
    assert batch.support.weight.sum(1).max() == 2
