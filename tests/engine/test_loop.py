"""The reference loop against the batched path and against a loop written out by hand."""

from itertools import product

import pytest
import torch

from fewrec_cli.engine import general, loop
from fewrec_cli.engine.base import query_losses
from tests.engine.case import (
    FEEDBACK,
    SETS,
    adapt_by_hand,
    case,
    close,
    query_loss_by_hand,
    stacked,
)

GRID = list(product(("mf", "mlp"), SETS, FEEDBACK, ("first", "second")))


@pytest.mark.parametrize(
    ("kind", "which", "feedback", "order", "steps"),
    [(*one, (1, 2, 5)[number % 3]) for number, one in enumerate(GRID)],
)
def test_loop_equals_the_batched_path_and_the_hand(kind, which, feedback, order, steps) -> None:
    made = case(kind, which, feedback)
    arguments = (made.backbone, made.user, made.support, made.loop(steps, order))
    found, batched = loop.inner_loop(*arguments), general.inner_loop(*arguments)
    by_hand = adapt_by_hand(made, steps, order)
    expected = stacked(made, by_hand)
    for name, value in found.values.items():
        close(value, batched.values[name])
        close(value, expected.values[name])
    loss = query_losses(made.backbone, found, made.user, made.query).mean()
    wanted = query_loss_by_hand(made, by_hand)
    for one, other in zip(made.gradients(loss), made.gradients(wanted), strict=True):
        close(one, other)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("order", ["first", "second"])
def test_data_without_attributes_has_tables_that_no_loss_reaches(kind, order) -> None:
    made = case(kind, "all", fields=False)
    arguments = (made.backbone, made.user, made.support, made.loop(2, order))
    found, batched = loop.inner_loop(*arguments), general.inner_loop(*arguments)
    assert found.values["item_side.table"].numel() == 0
    for name, value in found.values.items():
        close(value, batched.values[name])


@pytest.mark.parametrize("order", ["first", "second"])
def test_shared_weights_keep_every_bit(order) -> None:
    made = case("mlp", "all")
    before = {name: value.clone() for name, value in made.backbone.state_dict().items()}
    weights = loop.inner_loop(made.backbone, made.user, made.support, made.loop(2, order))
    for name, value in made.backbone.state_dict().items():
        assert torch.equal(value, before[name])
    for name, value in weights.values.items():
        assert torch.equal(value[2], before[name])  # the task without rows
    assert all(p.grad is None for p in made.backbone.parameters())


def test_adapting_without_gradients_gives_the_same_weights() -> None:
    made = case("mf", "head")
    arguments = (made.backbone, made.user, made.support, made.loop(3, "second"))
    expected = loop.inner_loop(*arguments).values
    with torch.no_grad():
        found = loop.inner_loop(*arguments).values
    for name, value in found.items():
        close(value, expected[name])


def test_one_task_s_settings_hold_its_own_scale() -> None:
    settings = case("mf").loop(1, "first")
    for task in range(4):
        assert torch.equal(loop.only(settings, task).scale, settings.scale[[task]])
