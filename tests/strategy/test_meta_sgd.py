"""Meta-SGD: the contract, and one step of a learned size for every adapted number."""

import pytest
import torch

from fewrec_cli.strategy.adapter.gradient import Gradient
from tests.contracts import StrategyContract
from tests.engine.case import case, close, of_task, support_loss
from tests.strategy.feeding import batch, strategy


class TestMetaSGD(StrategyContract):
    words = ("strategy=meta_sgd",)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_each_number_moves_by_its_own_step_size(kind) -> None:
    """θ' = θ - s α ∘ ∇L(θ), with the gradient of a loss that is written out, not the engine's."""
    made = case(kind)
    found = strategy(made, "strategy=meta_sgd")
    adapter = found.adapter
    assert isinstance(adapter, Gradient)
    with torch.no_grad():
        for rate in adapter.log_rates:
            rate += torch.randn(rate.shape, generator=torch.Generator().manual_seed(1)).double()
    weights = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
    parameters = dict(made.backbone.named_parameters())
    for task, rows in enumerate((5, 1, 0, 3)):
        mine = of_task(made.support, task)
        own = support_loss(made.written, parameters, int(made.user[task]), mine, rows)
        moving = [parameters[name] for name in adapter.names]
        slopes = torch.autograd.grad(own, moving) if rows else [0.0 for _ in moving]
        total = mine.weight.sum()
        share = total / (total + adapter.shrinkage)
        for name, rate, slope in zip(adapter.names, adapter.log_rates, slopes, strict=True):
            assert rate.shape == parameters[name].shape
            step = share * rate.exp() * slope
            close(weights.values_by_name()[name][task], parameters[name] - step)


def test_every_step_size_is_learned() -> None:
    made = case("mf")
    found = strategy(made, "strategy=meta_sgd")
    found.loss(made.backbone, batch(made)).backward()
    adapter = found.adapter
    assert isinstance(adapter, Gradient)
    assert adapter.inner_steps == 1
    assert all(rate.grad is not None and bool(rate.grad.all()) for rate in adapter.log_rates)
