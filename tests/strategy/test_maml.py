"""MAML: the contract, and its outer gradient against autograd through a hand-written loop."""

from typing import ClassVar

import pytest
import torch

from fewrec_cli.engine.base import query_losses
from tests.contracts import HELD_OUT, StrategyContract, planted_tasks, train
from tests.engine.case import adapt_by_hand, case, close, of_task, query_loss_by_hand
from tests.strategy.feeding import ADAPTER, batch, row_batch, strategy, with_rates_of


class TestMAML(StrategyContract):
    words = ("strategy=maml",)


class TestFirstOrderANIL(StrategyContract):
    words = ("strategy=maml", "strategy.order=first", "strategy.adapted=last")


class TestMAMLThroughRidge(StrategyContract):
    words: ClassVar = ("strategy=maml", "strategy/adapter=ridge")


class TestUnadaptedMAML(StrategyContract):
    words: ClassVar = ("strategy=maml", "strategy/adapter=none")
    adapts = False


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("which", ["head", "last"])
@pytest.mark.parametrize("feedback", ["explicit", "implicit"])
def test_outer_gradient_is_that_of_the_hand_written_loop(kind, order, which, feedback) -> None:
    made = case(kind, which, feedback)
    found = strategy(
        made,
        "strategy=maml",
        f"strategy.order={order}",
        f"strategy.adapted={which}",
        "strategy.inner_steps=3",
        "strategy.loss=squared",
        f"{ADAPTER}.learn_lr=element",
    )
    made = with_rates_of(made, found)
    loss = found.loss(made.backbone, batch(made))
    expected = query_loss_by_hand(made, adapt_by_hand(made, 3, order))
    expected = expected + made.backbone.penalty(made.query.item, made.query.weight)
    close(loss, expected)
    for one, other in zip(made.gradients(loss), made.gradients(expected), strict=True):
        close(one, other)


def test_query_is_judged_by_the_loss_that_the_yaml_names() -> None:
    made = case("mf")
    found = strategy(made, "strategy=maml", "strategy.loss=huber", "strategy.inner_steps=2")
    made = with_rates_of(made, found)
    losses = []
    for task, own in enumerate(adapt_by_hand(made, 2, "second")):
        query = of_task(made.query, task)
        off = (made.written.scores(own, int(made.user[task]), query.item) - query.rating).abs()
        each = torch.where(off < 0.25, off**2 / 0.5, off - 0.125)
        losses.append((each * query.weight).sum() / query.weight.sum())
    penalty = made.backbone.penalty(made.query.item, made.query.weight)
    close(found.loss(made.backbone, batch(made)), torch.stack(losses).mean() + penalty)


def test_anil_moves_the_last_layer_alone() -> None:
    made = case("mlp")
    found = strategy(made, "strategy=maml", "strategy.adapted=last")
    weights = found.adapt(made.backbone, made.user, made.support, seed=0, training=True)
    assert set(weights.values_by_name()) == {"head.layers.2.weight", "head.layers.2.bias"}
    found.loss(made.backbone, batch(made)).backward()  # the rest learns in the outer loop
    for name in ("head.layers.0.weight", "item", "item_side.table"):
        assert made.backbone.get_parameter(name).grad.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("learn_lr", ["none", "tensor", "element"])
def test_step_sizes_are_learned_where_the_yaml_says_so(learn_lr) -> None:
    made = case("mf")
    found = strategy(made, "strategy=maml", f"{ADAPTER}.learn_lr={learn_lr}")
    before = [value.clone() for value in found.parameters()]
    loss = found.loss(made.backbone, batch(made))
    loss.backward()
    for value in found.parameters():
        assert (value.grad is not None and bool(value.grad.any())) == (learn_lr != "none")
    torch.optim.SGD(found.parameters(), lr=0.1).step()
    for value, start in zip(found.parameters(), before, strict=True):
        assert torch.equal(value, start) == (learn_lr == "none")
    assert all(rate.min() > 0 for rate in found.adapter.rates().values())  # type: ignore[operator]


def test_augmented_supports_are_adapted_to_in_training_too() -> None:
    made = case("mf")
    words = ("strategy=maml", "strategy/augment=[noise]", "strategy.augment.noise.sd=3")
    found = strategy(made, *words)
    first, again = (found.loss(made.backbone, batch(made, seed=1)) for _ in range(2))
    assert first == again
    assert first != found.loss(made.backbone, batch(made, seed=2))


def test_rows_instead_of_tasks_are_refused() -> None:
    made = case("mf")
    with pytest.raises(TypeError, match="maml is fed with tasks, got RowBatch"):
        strategy(made, "strategy=maml").loss(made.backbone, row_batch())


@pytest.mark.slow
def test_meta_training_lowers_the_adapted_query_loss_of_users_never_seen() -> None:
    found, backbone = TestMAML().ready()
    tasks = planted_tasks(HELD_OUT)

    def loss() -> torch.Tensor:
        weights = found.adapt(backbone.eval(), tasks.user, tasks.support, seed=0, training=False)
        return query_losses(backbone, weights, tasks.user, tasks.query).mean()

    before = loss()
    train(found, backbone, 60)
    assert loss() < 0.5 * before


def test_feed_and_outer_loop_are_those_of_the_yaml() -> None:
    found = strategy(
        case("mf"),
        "strategy=maml",
        "strategy.tasks_per_step=7",
        "strategy.support=[2,9]",
        "strategy.query=5",
        "strategy.outer_lr=0.5",
    )
    assert (found.feed.kind, found.feed.per_step) == ("tasks", 7)
    assert (found.feed.support, found.feed.query) == ((2, 9), 5)
    assert (found.outer.optimizer, found.outer.lr) == ("adam", 0.5)
