"""Transfer: the contract, its pretraining loss by formula, and the interpolation."""

from typing import ClassVar

import pytest
import torch

from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.engine.weights import score as scored
from tests.contracts import StrategyContract
from tests.engine.case import case, close
from tests.strategy.feeding import batch, row_batch, strategy


class TestTransfer(StrategyContract):
    words = ("strategy=transfer",)


class TestTransferWithRidge(StrategyContract):
    words: ClassVar = ("strategy=transfer", "strategy/adapter=ridge")


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("loss", ["squared", "huber", "pairs"])
def test_pretraining_loss_is_the_formula(kind, loss) -> None:
    made, rows = case(kind), row_batch(implicit=loss == "pairs")
    word = "squared" if loss == "pairs" else loss
    found = strategy(made, "strategy=transfer", f"strategy.loss={word}")
    p = dict(made.backbone.named_parameters())

    def scored(row: int, item: torch.Tensor) -> torch.Tensor:
        x = made.written.features(p, int(rows.user[row]), item[row : row + 1], personal=True)
        return made.written.head(p, x)[0]

    each = []
    for row in range(len(rows)):
        off = (scored(row, rows.item) - rows.rating[row]).abs()
        if rows.negative is not None:
            ahead = scored(row, rows.item) - scored(row, rows.negative)
            each.append(-torch.log(1 / (1 + torch.exp(-ahead))))
        elif loss == "huber":
            each.append(off**2 / 0.5 if off < 0.25 else off - 0.125)
        else:
            each.append(off**2)
    expected = torch.stack(each).mean() + made.backbone.personal_penalty(rows.user)
    expected = expected + made.backbone.penalty(rows.item, torch.ones(len(rows)))
    value = found.loss(made.backbone, rows)
    torch.testing.assert_close(value, expected, rtol=1e-7, atol=1e-7)
    found_slope, slope = (torch.autograd.grad(x, p["personal"])[0] for x in (value, expected))
    torch.testing.assert_close(found_slope, slope, rtol=1e-6, atol=1e-7)
    assert slope.any()


@pytest.mark.parametrize("alpha", [0, 0.25, 1])
@pytest.mark.parametrize("adapter", ["gradient", "ridge"])
def test_alpha_goes_the_share_of_the_way_to_the_adapted_weights(alpha, adapter) -> None:
    made = case("mf")
    words = ("strategy=transfer", f"strategy/adapter={adapter}")
    part = strategy(made, *words, f"strategy.alpha={alpha}")
    arguments = (made.backbone, made.user, made.support)
    whole = strategy(made, *words).adapter.adapt(*arguments, training=False)
    found = part.adapt(*arguments, seed=0, training=False)
    shared = dict(made.backbone.named_parameters())
    assert set(found.values_by_name()) == {"head.factor", "head.bias"}
    for name, value in found.values_by_name().items():
        close(value, (1 - alpha) * shared[name] + alpha * whole.values_by_name()[name])


def test_half_way_of_a_linear_head_is_half_way_of_the_score() -> None:
    made = case("mf")
    score = {}
    for alpha in (0.0, 0.5, 1.0):
        found = strategy(made, "strategy=transfer", f"strategy.alpha={alpha}")
        weights = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
        score[alpha] = weights.predict(made.backbone, made.user, made.query.item).score
    unadapted = scored(made.backbone, TaskWeights({}), made.user, made.query.item)
    close(score[0.0], unadapted)
    close(score[0.5], (score[0.0] + score[1.0]) / 2)


def test_pretraining_leaves_the_adapter_alone() -> None:
    made = case("mf")
    found = strategy(made, "strategy=transfer")
    found.loss(made.backbone, row_batch()).backward()
    assert all(value.grad is None for value in found.parameters())


def test_tasks_instead_of_rows_are_refused() -> None:
    made = case("mf")
    with pytest.raises(TypeError, match="transfer is fed with rows, got TaskBatch"):
        strategy(made, "strategy=transfer").loss(made.backbone, batch(made))
