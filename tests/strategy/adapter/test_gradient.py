"""Gradient steps as an adapter: its step sizes, their scale by rows, both engines, both orders."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.strategy.adapter.gradient import Gradient
from tests.contracts import constructor_keys
from tests.engine.case import Case, adapt_by_hand, case, close, stacked

WORDS: dict[str, Any] = {
    "inner_lr": 0.1,
    "inner_steps": 3,
    "order": "second",
    "adapted": "head",
    "learn_lr": "tensor",
    "shrinkage": 2.0,
    "engine": "auto",
    "strengths": [1.0],
}


def adapter(made: Case, **words: Any) -> Gradient:
    found = Gradient(**{**WORDS, **words})
    found.prepare(made.backbone)
    return found.double()


def adapted(made: Case, found: Gradient, *, training: bool = True) -> TaskWeights:
    return found.adapt(made.backbone, made.user, made.support, training=training)


def by_hand(made: Case, found: Gradient, order: str = "second") -> dict[str, Tensor]:
    """Return the hand-written loop with the adapter's own learned numbers."""
    rates = dict(zip(found.names, found.log_rates, strict=True))
    own = replace(made, log_rates=rates, shrinkage=found.shrinkage)
    return dict(stacked(own, adapt_by_hand(own, found.inner_steps, order)).values)


def test_constructor_takes_keywords_without_defaults() -> None:
    assert constructor_keys(Gradient) == list(WORDS)


@pytest.mark.parametrize("engine", ["auto", "fast", "vmap", "loop"])
@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("learn_lr", ["none", "tensor", "element"])
def test_engines_give_the_hand_s_weights_and_gradients(engine, order, learn_lr) -> None:
    kind = "mf" if learn_lr == "element" else "mlp"  # there the fast path has no closed form
    made = case(kind, "head")
    found = adapter(made, engine=engine, order=order, learn_lr=learn_lr)
    values, expected = dict(adapted(made, found).values_by_name()), by_hand(made, found, order)
    learned = [
        p for p in (*made.backbone.head.parameters(), *found.parameters()) if p.requires_grad
    ]

    def slopes(of: dict[str, Tensor]) -> tuple[Tensor, ...]:
        total = sum((value**3).sum() for value in of.values())
        return torch.autograd.grad(total, learned)  # type: ignore[arg-type]

    for name, value in values.items():
        close(value, expected[name])
    for one, other in zip(slopes(values), slopes(expected), strict=True):
        close(one, other)


@pytest.mark.parametrize(
    ("learn_lr", "shapes"),
    [("none", [(), ()]), ("tensor", [(), ()]), ("element", [(3,), ()])],
)
def test_step_sizes_start_at_inner_lr_and_learn_as_told(learn_lr, shapes) -> None:
    found = adapter(case("mf"), inner_lr=0.25, learn_lr=learn_lr)
    assert [tuple(rate.shape) for rate in found.rates().values()] == shapes
    assert list(found.rates()) == ["head.factor", "head.bias"]
    for rate in found.rates().values():
        torch.testing.assert_close(rate, torch.full_like(rate, 0.25))
    learns = [p.requires_grad for p in found.parameters()]
    assert all(learns) if learn_lr != "none" else not any(learns)


def test_a_task_moves_by_its_share_of_rows() -> None:
    """One step from the same point: half of the plain one at as many rows as the shrinkage."""
    made = case("mf", lengths=(4, 4))
    weight = torch.tensor([[1.0] * 4, [0.25] * 4], dtype=torch.float64)
    made = replace(made, support=made.support.reweighted(weight))
    plain = adapter(made, inner_steps=1, shrinkage=0)
    shrunk = adapter(made, inner_steps=1, shrinkage=4)
    start = made.backbone.get_parameter("head.factor")
    whole, part = (
        adapted(made, one).values_by_name()["head.factor"] - start for one in (plain, shrunk)
    )
    close(part[0], whole[0] * 4 / (4 + 4))
    close(part[1], whole[1] * 1 / (1 + 4))


def test_no_shrinkage_is_plain_maml_and_learns_none() -> None:
    made = case("mf", lengths=(3,))
    found = adapter(made, inner_steps=1, shrinkage=0.0)
    assert not found.shrinkage.requires_grad
    user, item, rating, weight = (
        int(made.user[0]),
        made.support.item[0],
        made.support.rating[0],
        made.support.weight[0],
    )
    p = dict(made.backbone.named_parameters())
    error = made.written.scores(p, user, item) - rating
    slope = 2 * (weight * error).sum() / weight.sum()
    close(
        adapted(made, found).values_by_name()["head.bias"][0],
        p["head.bias"] - found.rates()["head.bias"] * slope,
    )


def test_a_task_without_rows_keeps_the_shared_weights_to_the_bit() -> None:
    for shrinkage in (0.0, 2.0):
        made = case("mlp")
        shared = dict(made.backbone.named_parameters())
        for name, value in (
            adapted(made, adapter(made, shrinkage=shrinkage)).values_by_name().items()
        ):
            assert torch.equal(value[2], shared[name])


def test_strength_multiplies_the_step_sizes() -> None:
    made = case("mf")
    strong, twice = adapter(made, inner_lr=0.1), adapter(made, inner_lr=0.2)
    strong.strength = 2.0
    for name, value in adapted(made, strong).values_by_name().items():
        torch.testing.assert_close(
            value, adapted(made, twice).values_by_name()[name], rtol=1e-6, atol=1e-6
        )
        assert not torch.allclose(value, adapted(made, adapter(made)).values_by_name()[name])


def test_outside_training_no_graph_goes_through_the_steps() -> None:
    made = case("mlp")
    found = adapter(made, order="second")
    table = made.backbone.get_parameter("item")
    total = sum(value.sum() for value in adapted(made, found).values_by_name().values())
    assert torch.autograd.grad(total, table)[0].any()  # type: ignore[arg-type]
    total = sum(v.sum() for v in adapted(made, found, training=False).values_by_name().values())
    assert torch.autograd.grad(total, table, allow_unused=True)[0] is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("which", "numbers"), [("bias", 1), ("head", 4), ("last", 4), ("all", 4 + 4 * (12 + 5 + 3))]
)
def test_numbers_of_one_task_s_weights(which, numbers) -> None:
    made = case("mf")
    found = adapter(made, adapted=which)
    assert found.numbers(made.backbone) == numbers
    assert sum(v[0].numel() for v in adapted(made, found).values_by_name().values()) == numbers


def test_whole_numbers_are_as_good_as_others() -> None:
    made = case("mf")
    whole = adapter(made, inner_lr=1, shrinkage=2, learn_lr="element")
    same = adapter(made, inner_lr=1.0, shrinkage=2.0, learn_lr="element")
    for name, value in adapted(made, whole).values_by_name().items():
        assert torch.equal(value, adapted(made, same).values_by_name()[name])
