"""Losses by hand, and what a stack of adapted weights says of itself."""

import math

import pytest
import torch

from fewrec_cli.engine.base import (
    InnerLoop,
    pairwise_loss,
    pointwise_loss,
    query_losses,
    weighted_mean,
)
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import Rows
from tests.engine.case import case


def test_losses_worked_out_by_hand() -> None:
    score, rating = torch.tensor([0.0, 1.0, -2.0]), torch.tensor([0.1, -1.0, -2.0])
    torch.testing.assert_close(pointwise_loss(score, rating), torch.tensor([0.01, 4.0, 0.0]))
    huber = torch.tensor([0.01 / (2 * 0.25), 2 - 0.25 / 2, 0.0])
    torch.testing.assert_close(pointwise_loss(score, rating, "huber"), huber)
    pairs = [math.log(2), math.log1p(math.exp(-2.0)), math.log1p(math.exp(3.0))]
    found = pairwise_loss(torch.tensor([1.0, 2.0, -1.0]), torch.tensor([1.0, 0.0, 2.0]))
    torch.testing.assert_close(found, torch.tensor(pairs))


def test_pairwise_loss_of_far_scores_is_finite() -> None:
    found = pairwise_loss(torch.tensor([-1e4, 1e4]), torch.tensor([1e4, -1e4]))
    torch.testing.assert_close(found, torch.tensor([2e4, 0.0]))


def test_huber_aims_at_the_median_and_squares_at_the_mean() -> None:
    rating = torch.tensor([0.0, 0.0, 0.0, 10.0])
    guesses = torch.linspace(-1, 11, 1201)[:, None].expand(-1, 4)
    best = {
        kind: guesses[
            pointwise_loss(guesses, rating.expand(1201, -1), kind).sum(1).argmin(), 0
        ].item()
        for kind in ("squared", "huber")
    }
    assert best["squared"] == pytest.approx(2.5, abs=0.01)
    assert best["huber"] == pytest.approx(0.0, abs=0.1)


def test_mean_is_over_the_task_s_own_rows() -> None:
    losses = torch.tensor([[1.0, 3.0, 100.0], [5.0, 6.0, 7.0]])
    weight = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(weighted_mean(losses, weight), torch.tensor([2.5 / 1.5, 0.0]))
    torch.testing.assert_close(  # weights are shares: only their proportion counts
        weighted_mean(losses, 0.01 * weight), torch.tensor([2.5 / 1.5, 0.0])
    )


def test_query_loss_of_each_task_by_hand() -> None:
    made = case("mf")
    weight = torch.tensor([[1.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 2]]).double()
    query = Rows(made.query.item, made.query.rating, weight)
    score = made.backbone(made.user, query.item)
    off = (score - query.rating).abs()
    for kind, each in (
        ("squared", off**2),
        ("huber", torch.where(off < 0.25, off**2 / 0.5, off - 0.125)),
    ):
        found = query_losses(made.backbone, TaskWeights({}), made.user, query, kind)
        expected = [(each[t] @ weight[t] / max(weight[t].sum(), 1)).item() for t in range(4)]
        assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_step_is_rate_times_scale_times_gradient() -> None:
    element = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    rates = {"scalar": torch.tensor(0.5), "element": element}
    loop = InnerLoop(tuple(rates), rates, 1, second_order=False, scale=torch.tensor([1.0, 0.1]))
    ones = torch.ones(2, 2, 3)
    torch.testing.assert_close(loop.step("scalar", ones)[1], torch.full((2, 3), 0.05))
    torch.testing.assert_close(loop.step("element", ones)[0], element)
    torch.testing.assert_close(loop.step("element", ones)[1], 0.1 * element)
    torch.testing.assert_close(loop.step("scalar", torch.ones(2)), torch.tensor([0.5, 0.05]))


def test_weights_know_whether_they_stay_in_the_head() -> None:
    value = torch.zeros(2, 3)
    assert TaskWeights({}).in_head
    assert TaskWeights({"head.factor": value}).in_head
    assert not TaskWeights({"head.factor": value, "item": value}).in_head
    assert not TaskWeights({"header.factor": value}).in_head


def test_interpolation_goes_the_share_of_the_way() -> None:
    weights = TaskWeights({"a": torch.tensor([[3.0], [7.0]])})
    for alpha, expected in ((0.0, [1.0, 1.0]), (0.25, [1.5, 2.5]), (1.0, [3.0, 7.0])):
        moved = weights.towards({"a": torch.tensor([1.0]), "b": torch.zeros(9)}, alpha)
        assert moved.values["a"][:, 0].tolist() == expected
        assert list(moved.values) == ["a"]


def test_detached_weights_carry_no_graph() -> None:
    leaf = torch.ones(2, requires_grad=True)
    weights = TaskWeights({"a": 2 * leaf})
    assert not weights.detach().values["a"].requires_grad
    assert torch.equal(weights.detach().values["a"], weights.values["a"])
    assert weights.values["a"].requires_grad
