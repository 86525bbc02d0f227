"""Losses through the solve, parts and lookups shared, against solving and scoring in turn."""

from typing import Any

import pytest
import torch

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine import fast_ridge, ridge
from fewrec_cli.engine.base import query_losses
from tests.engine.case import Case, case, close
from tests.engine.test_rank import OtherHead
from tests.strategy.feeding import batch, strategy

LENGTHS = (5, 1, 0, 9, 2, 2)


def both(made: Case, kind: Any) -> tuple[torch.Tensor, ...]:
    """Return the losses of the two ways and their gradients, precision included."""
    columns = len(made.backbone.head.linear_weights())
    log = torch.linspace(-1, 1, columns, dtype=torch.float64).requires_grad_()
    user, support, query = made.user, made.support, made.query
    found = fast_ridge.query_losses(made.backbone, user, support, query, log.exp(), kind)
    adapted = ridge.solve(made.backbone, user, support, log.exp())
    expected = query_losses(made.backbone, adapted, user, query, kind)
    weights = torch.linspace(0.5, 1.5, len(user), dtype=torch.float64)
    learned = [*made.learned()[: -1 - len(made.log_rates)], log]
    gradients = [
        torch.autograd.grad((weights * one).sum(), learned, materialize_grads=True)
        for one in (found, expected)
    ]
    assert any(bool(one.abs().max() > 1e-3) for one in gradients[1])
    for one, other in zip(*gradients, strict=True):
        close(one, other)
    return found, expected


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("feedback", ["explicit", "implicit"])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_losses_and_gradients_equal_those_of_solving_and_scoring(kind, feedback, loss) -> None:
    close(*both(case(kind, "last", feedback, LENGTHS), loss))


@pytest.mark.parametrize("lengths", [(0, 0), (1,), (12, 12, 3)])
@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_supports_of_any_lengths(kind, lengths) -> None:
    close(*both(case(kind, "last", lengths=lengths), "squared"))


def test_attributes_may_be_missing() -> None:
    close(*both(case("mf", "last", lengths=LENGTHS, fields=False), "squared"))


def test_meta_training_takes_this_path_where_it_can(monkeypatch) -> None:
    taken = []
    real = fast_ridge.query_losses

    def listening(backbone: Backbone, *rest: Any) -> torch.Tensor:
        taken.append(backbone)
        return real(backbone, *rest)

    monkeypatch.setattr(fast_ridge, "query_losses", listening)
    for feedback, number in (("explicit", 1), ("mixup", 1), ("implicit", 2)):
        made = case("mlp", "last", feedback)
        found = strategy(made, "strategy=maml", "strategy/adapter=ridge")
        found.loss(made.backbone, batch(made)).backward()
        assert len(taken) == number  # mixed rows have features of their own


def test_other_heads_are_refused_with_a_reason() -> None:
    made = case("mlp")
    assert fast_ridge.refusal(made.backbone, made.support) is None
    assert "mixed" in str(fast_ridge.refusal(made.backbone, case("mlp", "head", "mixup").support))
    made.backbone.head = OtherHead(3)
    assert "neither factors" in str(fast_ridge.refusal(made.backbone, made.support))
