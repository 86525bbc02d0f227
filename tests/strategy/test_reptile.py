"""Reptile: the contract, and its step against Σ αi (θi - θ) added up by hand."""

from typing import Any

import pytest
import torch

from fewrec_cli.engine import loop
from tests.contracts import StrategyContract
from tests.engine.case import RAGGED, Case, adapt_by_hand, case, close
from tests.strategy.feeding import batch, row_batch, strategy, with_rates_of


class TestReptile(StrategyContract):
    words = ("strategy=reptile",)


def moved_by_hand(made: Case, found: Any, shares: list[float]) -> dict[str, torch.Tensor]:
    """Return Σ αi (θi - θ) of each adapted parameter."""
    made = with_rates_of(made, found)
    shared = dict(made.backbone.named_parameters())
    adapted = adapt_by_hand(made, found.adapter.inner_steps, "first")
    return {
        name: sum(
            share * (own[name] - shared[name]) for share, own in zip(shares, adapted, strict=True)
        )
        for name in made.log_rates
    }  # type: ignore[misc]


def shares_of(made: Case, weighting: str) -> list[float]:
    rows = made.support.weight.sum(1)
    counted = rows if weighting == "rows" else torch.tensor([float(n > 0) for n in RAGGED]).double()
    return (counted / counted.sum()).tolist()


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("weighting", ["uniform", "rows"])
@pytest.mark.parametrize("feedback", ["explicit", "implicit"])
def test_gradient_is_the_step_with_its_sign_turned(kind, weighting, feedback) -> None:
    made = case(kind, "all", feedback)
    found = strategy(made, "strategy=reptile", f"strategy.weighting={weighting}")
    expected = moved_by_hand(made, found, shares_of(made, weighting))
    assert set(expected) == set(made.backbone.adapted_names("all"))
    found.loss(made.backbone, batch(made)).backward()
    for name, value in made.backbone.named_parameters():
        if name == "personal":
            assert value.grad is None
        else:
            close(value.grad, -expected[name])  # type: ignore[arg-type]
    assert any(bool(step.abs().max() > 1e-3) for step in expected.values())


@pytest.mark.parametrize("epsilon", [1.0, 0.3])
def test_one_step_of_sgd_is_the_paper_s_update(epsilon) -> None:
    made = case("mf", "all")
    found = strategy(
        made, "strategy=reptile", "strategy.optimizer=sgd", f"strategy.outer_lr={epsilon}"
    )
    assert (found.outer.optimizer, found.outer.lr) == ("sgd", epsilon)
    by_hand = moved_by_hand(made, found, shares_of(made, "uniform"))
    expected = {n: made.backbone.get_parameter(n) + epsilon * s for n, s in by_hand.items()}
    expected = {name: value.detach().clone() for name, value in expected.items()}
    found.loss(made.backbone, batch(made)).backward()
    torch.optim.SGD(made.backbone.parameters(), lr=found.outer.lr).step()
    for name, value in expected.items():
        close(made.backbone.get_parameter(name), value)


def test_a_full_step_on_one_task_lands_on_its_weights() -> None:
    made = case("mlp", "all", lengths=(4,))
    found = strategy(made, "strategy=reptile")
    settings = with_rates_of(made, found).loop(found.adapter.inner_steps, "first")  # type: ignore[arg-type]
    goal = loop.inner_loop(made.backbone, made.user, made.support, settings).detach()
    found.loss(made.backbone, batch(made)).backward()
    torch.optim.SGD(made.backbone.parameters(), lr=1.0).step()
    for name, value in goal.values_by_name().items():
        close(made.backbone.get_parameter(name), value[0])


def test_the_query_plays_no_part() -> None:
    made, other = case("mf", "all"), case("mf", "all", seed=5)
    found = strategy(made, "strategy=reptile")
    one = batch(made)
    for query in (made.query, other.query):
        made.backbone.zero_grad()
        found.loss(made.backbone, type(one)(one.user, one.support, query)).backward()
        gradient = made.backbone.get_parameter("item").grad.clone()  # type: ignore[union-attr]
        kept = gradient if query is made.query else kept  # noqa: F821
        assert torch.equal(gradient, kept)


def test_only_what_is_adapted_is_learned() -> None:
    made = case("mf")
    found = strategy(made, "strategy=reptile", "strategy.adapted=head")
    found.loss(made.backbone, batch(made)).backward()
    learned = {name for name, p in made.backbone.named_parameters() if p.grad is not None}
    assert learned == {"head.factor", "head.bias"}


def test_rows_instead_of_tasks_are_refused() -> None:
    made = case("mf", "all")
    with pytest.raises(TypeError, match="reptile is fed with tasks, got RowBatch"):
        strategy(made, "strategy=reptile").loss(made.backbone, row_batch())
