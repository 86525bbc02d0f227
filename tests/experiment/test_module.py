"""The LightningModule: shares, two step sizes, a cosine, losses that are no number."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from fewrec_cli.core.errors import RunError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.feed import Steps
from fewrec_cli.experiment.module import ADAPTER_RATE, FINAL_SHARE, FewShotModule
from fewrec_cli.experiment.world import World, build
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed


def made(*words: str) -> tuple[World, FewShotModule]:
    world = build(composed(*SHRUNK_DATA, *SHRUNK_RUN, *words), Reporter(quiet=True))
    module = FewShotModule(world.backbone.eval(), world.strategy, world.strategy)
    module.trainer = SimpleNamespace(  # type: ignore[assignment]
        estimated_stepping_batches=100,
        global_step=7,
        loggers=[],
        gradient_clip_val=None,
        precision="32-true",
    )
    module.log = lambda *_, **__: None  # type: ignore[method-assign]
    return world, module


def batch_of(world: World) -> Any:
    return Steps(world.rows, world.strategy.feed, 0, "0", 0, 1)[0, 0]


def test_the_loss_is_weighed_by_the_share_of_the_process() -> None:
    world, module = made()
    batch = batch_of(world)
    whole = module.training_step(batch, 0)
    torch.testing.assert_close(whole, world.strategy.loss(world.backbone, batch))
    half = module.training_step(replace(batch, share=0.5), 0)
    torch.testing.assert_close(half, 0.5 * whole)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_told_with_its_step(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, module = made()

    def broken(*_: object) -> Tensor:
        return torch.tensor(value)

    monkeypatch.setattr(world.strategy, "loss", broken)
    with pytest.raises(RunError, match=f"the loss of maml is {value} at step 7") as caught:
        module.training_step(batch_of(world), 0)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("clip", "precision", "fused"),
    [(None, "bf16-mixed", True), (1.0, "32-true", True), (1.0, "bf16-mixed", None)],
)
def test_weights_move_in_one_kernel_unless_scaled_gradients_are_clipped(
    clip: float | None, precision: str, fused: bool | None
) -> None:
    _, module = made()
    module.trainer.gradient_clip_val = clip
    module.trainer.precision = precision  # type: ignore[misc]
    found: Any = module.configure_optimizers()
    assert found["optimizer"].defaults["fused"] is fused


def test_the_adapter_moves_faster_and_all_step_sizes_fall_along_a_cosine() -> None:
    world, module = made("strategy/adapter=ridge", "strategy.outer_lr=0.002")
    found: Any = module.configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    shared, adapting = optimizer.param_groups
    own = {id(parameter) for parameter in world.strategy.adapter.parameters()}
    assert {id(parameter) for parameter in adapting["params"]} == own
    assert not {id(parameter) for parameter in shared["params"]} & own
    assert shared["lr"] == pytest.approx(0.002)
    assert adapting["lr"] == pytest.approx(0.002 * ADAPTER_RATE)
    rates = []
    for _ in range(120):
        rates.append(shared["lr"])
        optimizer.step()
        schedule.step()
    assert rates[50] == pytest.approx(0.002 * (1 + FINAL_SHARE) / 2)
    assert rates[100] == rates[110] == pytest.approx(0.002 * FINAL_SHARE)
    assert all(later <= earlier for earlier, later in pairwise(rates))


@pytest.mark.parametrize(
    ("optimizer", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.AdamW)]
)
def test_the_optimizer_is_the_one_that_the_strategy_names(optimizer: Any, kind: type) -> None:
    world, module = made()
    world.strategy.outer = replace(world.strategy.outer, optimizer=optimizer, weight_decay=0.1)
    found: Any = module.configure_optimizers()
    assert type(found["optimizer"]) is kind
    decay = found["optimizer"].param_groups[0]["weight_decay"]
    assert decay == (0.1 if optimizer == "adam" else 0)


def test_validation_logs_the_query_loss_after_adaptation() -> None:
    world, module = made()
    logged: dict[str, Tensor] = {}
    module.log = lambda name, value, **_: logged.update({name: value})  # type: ignore[method-assign]
    with torch.no_grad():
        module.validation_step(batch_of(world), 0)
    assert float(logged["val/loss"]) > 0


def test_batches_move_whole() -> None:
    world, module = made()
    batch = batch_of(world)
    moved = module.transfer_batch_to_device(batch, torch.device("cpu"), 0)
    assert torch.equal(moved.query.item, batch.query.item)
