"""Combined: the contract, and that its phases share one adapter and come in order."""

from functools import partial

import torch

from fewrec_cli.strategy.augment.drop import Drop
from fewrec_cli.strategy.augmentation import Augmentation
from fewrec_cli.strategy.combined import Combined
from fewrec_cli.strategy.maml import MAML
from fewrec_cli.strategy.transfer import Transfer
from tests.composed import built
from tests.contracts import StrategyContract, fed, planted_tasks, train
from tests.engine.case import case, close
from tests.strategy.feeding import ADAPTER, Spy, batch, strategy

OUTER = {"outer_lr": 0.01, "weight_decay": 0.0, "epochs": 1, "patience": 1, "loss": "squared"}
TRANSFER = partial(Transfer, **OUTER, rows_per_step=8, alpha=1.0)
MAML_ = partial(MAML, **OUTER, tasks_per_step=4, support=[1, 8], query=4)


class TestCombined(StrategyContract):
    words = ("strategy=combined",)


class TestCombinedWithGradientSteps(StrategyContract):
    words = ("strategy=combined", "strategy/adapter=gradient", "strategy/augment=[]")


def combined(*phases: partial, adapter: Spy | None = None) -> Combined:
    return Combined(
        adapter=adapter or Spy(),
        augment={},
        augment_weight=1.0,
        phases={str(number): phase for number, phase in enumerate(phases)},
    )


def test_by_default_transfer_comes_first_then_maml_with_augmentation() -> None:
    found = built("strategy", "strategy=combined")
    assert [phase.name for phase in found.phases] == ["transfer", "maml"]
    assert [phase.feed.kind for phase in found.phases] == ["rows", "tasks"]
    assert [type(augment) for augment in found.augments] == [Drop]
    assert all(phase.augments == found.augments for phase in found.phases)


def test_phases_keep_the_order_in_which_they_are_given() -> None:
    assert [p.name for p in combined(MAML_, TRANSFER).phases] == ["maml", "transfer"]
    assert [p.name for p in combined(TRANSFER, MAML_, TRANSFER).phases] == [
        "transfer",
        "maml",
        "transfer",
    ]


def test_phases_of_a_held_strategy_take_its_place() -> None:
    found = combined(partial(Augmentation, pretrain=TRANSFER), MAML_)
    assert [phase.name for phase in found.phases] == ["transfer", "maml"]


def test_all_phases_share_one_adapter() -> None:
    made = case("mf")
    found = strategy(made, "strategy=combined", "strategy/adapter=gradient")
    assert all(phase.adapter is found.adapter for phase in found.phases)
    once = {id(value) for value in found.parameters()}
    assert once == {id(value) for value in found.adapter.parameters()}
    for phase in found.phases:
        assert {id(value) for value in phase.parameters()} == once


def test_tasks_are_adapted_to_as_the_last_phase_does() -> None:
    made = case("mf")
    arguments = (made.backbone, made.user, made.support)
    half = partial(Transfer, **OUTER, rows_per_step=8, alpha=0.5)
    last = combined(MAML_, half).adapt(*arguments, seed=0, training=False)
    first = combined(half, MAML_).adapt(*arguments, seed=0, training=False)
    start = made.backbone.get_parameter("head.bias")
    close(last.values_by_name()["head.bias"], start.expand(4) + 0.5)  # the spy adds one
    close(first.values_by_name()["head.bias"], start.expand(4) + 1.0)


def test_loss_feed_and_outer_loop_are_the_last_phase_s() -> None:
    made = case("mf")
    words = ("strategy.order=second", "strategy.inner_steps=2", f"{ADAPTER}.engine=loop")
    found = strategy(made, "strategy=combined", "strategy/adapter=gradient", *words)
    assert (found.feed, found.outer) == (found.phases[-1].feed, found.phases[-1].outer)
    close(found.loss(made.backbone, batch(made)), found.phases[-1].loss(made.backbone, batch(made)))


def test_the_second_phase_goes_on_from_the_weights_of_the_first() -> None:
    """Meta-training after transfer starts where transfer ended, far below an untrained start."""
    found, backbone = TestCombined().ready()
    tasks = planted_tasks((60, 80))
    transfer, maml = found.phases
    untrained = maml.loss(backbone, tasks)
    train(transfer, backbone, 60)
    handed_over = {name: value.clone() for name, value in backbone.state_dict().items()}
    pretrained = maml.loss(backbone.eval(), tasks)
    assert pretrained < 0.7 * untrained
    train(maml, backbone, 1)
    moved = [
        (value - handed_over[name]).abs().max().item()
        for name, value in backbone.state_dict().items()
        if value.is_floating_point() and value.numel()
    ]
    assert 0 < max(moved) <= 0.04  # one step of Adam at 0.03, from there
    assert torch.isfinite(maml.loss(backbone.eval(), fed(maml)))
