"""The batched inner loop against a loop written out by hand, weights, scores and gradients."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fewrec_cli.engine import general
from fewrec_cli.engine.base import query_losses
from fewrec_cli.engine.weights import TaskWeights, score
from tests.engine.case import (
    FEEDBACK,
    SETS,
    Case,
    adapt_by_hand,
    case,
    close,
    of_task,
    query_loss_by_hand,
    stacked,
    support_loss,
)

STEPS = (1, 2, 5)
GRID = [
    one
    for one in product(("mf", "mlp"), SETS, FEEDBACK, ("first", "second"), STEPS)
    if one[:2] != ("mf", "last")  # the same as head
]
backbones = pytest.mark.parametrize("kind", ["mf", "mlp"])


def adapt(made: Case, steps: int, order: str) -> TaskWeights:
    return general.inner_loop(made.backbone, made.user, made.support, made.loop(steps, order))


def outer_loss(made: Case, weights: TaskWeights) -> Tensor:
    return query_losses(made.backbone, weights, made.user, made.query).mean()


def agrees_with_the_hand(made: Case, steps: int, order: str) -> None:
    weights, by_hand = adapt(made, steps, order), adapt_by_hand(made, steps, order)
    assert list(weights.values) == list(made.log_rates)
    for name, value in stacked(made, by_hand).values.items():
        close(weights.values[name], value)
    scores = score(made.backbone, weights, made.user, made.query.item)
    for task, (own, user) in enumerate(zip(by_hand, made.user.tolist(), strict=True)):
        close(scores[task], made.written.scores(own, user, made.query.item[task]))
    loss, expected = outer_loss(made, weights), query_loss_by_hand(made, by_hand)
    close(loss, expected)
    for one, other in zip(made.gradients(loss), made.gradients(expected), strict=True):
        close(one, other)


@pytest.mark.parametrize(("kind", "which", "feedback", "order", "steps"), GRID)
def test_weights_scores_and_outer_gradients_equal_the_hand_s(
    kind, which, feedback, order, steps
) -> None:
    agrees_with_the_hand(case(kind, which, feedback), steps, order)


@backbones
@pytest.mark.parametrize("steps", STEPS)
def test_a_learned_step_per_number_gets_its_gradient(kind, steps) -> None:
    made = case(kind, "head", rates="element")
    agrees_with_the_hand(made, steps, "second")
    loss = outer_loss(made, adapt(made, steps, "second"))
    *_, shrinkage = gradients = made.gradients(loss)
    assert shrinkage != 0
    assert any(bool(one.any()) for one in gradients[-1 - len(made.log_rates) : -1])


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["mf", "mlp"]),
    which=st.sampled_from(SETS),
    feedback=st.sampled_from(FEEDBACK),
    order=st.sampled_from(["first", "second"]),
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    steps=st.integers(0, 3),
    seed=st.integers(0, 1000),
)
@pytest.mark.slow
def test_any_lengths_of_supports_equal_the_hand_s(
    kind, which, feedback, order, lengths, steps, seed
) -> None:
    agrees_with_the_hand(case(kind, which, feedback, lengths, seed=seed), steps, order)


@backbones
@pytest.mark.parametrize("which", SETS)
def test_second_order_gradient_is_the_slope_of_the_outer_loss(kind, which) -> None:
    """Central differences along a random direction in all that is learned."""
    made = case(kind, which)
    slope = made.gradients(outer_loss(made, adapt(made, 2, "second")))
    torch.manual_seed(1)
    direction = [torch.randn_like(value) for value in made.learned()]
    expected = sum((one * other).sum() for one, other in zip(slope, direction, strict=True))
    found, step = [], 1e-6
    for sign in (1, -2):  # one step ahead, then one step behind
        with torch.no_grad():
            for value, towards in zip(made.learned(), direction, strict=True):
                value.add_(towards, alpha=sign * step)
        found.append(outer_loss(made, adapt(made, 2, "second")).item())
    assert (found[0] - found[1]) / (2 * step) == pytest.approx(float(expected), rel=1e-6)


@backbones
@pytest.mark.parametrize("which", SETS)
def test_first_order_has_no_curvature_term(kind, which) -> None:
    """Its gradient is that of the query loss at the adapted weights, taken for constants."""
    made = case(kind, which)
    shared = {n: p for n, p in made.backbone.named_parameters() if n != "personal"}
    expected = {name: torch.zeros_like(value) for name, value in shared.items()}
    for task, own in enumerate(adapt_by_hand(made, 2, "first")):
        at = {name: value.detach().requires_grad_() for name, value in own.items()}
        loss = support_loss(
            made.written, at, int(made.user[task]), of_task(made.query, task), 4
        ) / len(made.user)
        loss.backward()
        for name in shared:
            if at[name].grad is not None:
                expected[name] += at[name].grad
    first = made.gradients(outer_loss(made, adapt(made, 2, "first")))
    second = made.gradients(outer_loss(made, adapt(made, 2, "second")))
    for name, found in zip(shared, first, strict=False):
        close(found, expected[name])
    assert not all(torch.allclose(a, b) for a, b in zip(first, second, strict=True))


@backbones
@pytest.mark.parametrize("which", ["head", "all"])
def test_tasks_do_not_see_one_another(kind, which) -> None:
    made = case(kind, which, "mixup")
    whole = adapt(made, 3, "second").values
    for task in range(len(made.user)):
        alone = adapt(made.task(task), 3, "second").values
        for name, value in whole.items():
            close(alone[name][0], value[task])
    turned = torch.tensor([2, 0, 3, 1])
    support = type(made.support)(
        *(None if v is None else v[turned] for v in vars(made.support).values())
    )
    other = Case(**{**vars(made), "user": made.user[turned], "support": support})
    for name, value in adapt(other, 3, "second").values.items():
        close(value, whole[name][turned])


@backbones
@pytest.mark.parametrize("order", ["first", "second"])
def test_shared_weights_keep_every_bit(kind, order) -> None:
    made = case(kind, "all")
    before = {name: value.clone() for name, value in made.backbone.state_dict().items()}
    weights = adapt(made, 2, order)
    outer_loss(made, weights).backward()
    for name, value in made.backbone.state_dict().items():
        assert torch.equal(value, before[name])
    assert not torch.equal(weights.values["item"][0], before["item"])


@backbones
@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize("feedback", ["explicit", "implicit"])
def test_a_task_without_rows_keeps_the_shared_weights_to_the_bit(kind, which, feedback) -> None:
    made = case(kind, which, feedback)
    shared = dict(made.backbone.named_parameters())
    for name, value in adapt(made, 5, "first").values.items():
        assert torch.equal(value[2], shared[name])
        if feedback == "explicit" or name == "head.factor":  # a bias cancels between two items
            assert not torch.equal(value[0], shared[name])


@backbones
@pytest.mark.parametrize("which", SETS)
def test_supports_of_no_rows_at_all_pass_the_outer_gradient_on(kind, which) -> None:
    made = case(kind, which, lengths=(0, 0))
    unadapted = outer_loss(made, TaskWeights({}))
    gradients = made.gradients(outer_loss(made, adapt(made, 2, "second")))
    for found, expected in zip(gradients, made.gradients(unadapted), strict=True):
        close(found, expected)


@pytest.mark.parametrize("order", ["first", "second"])
def test_adapting_without_gradients_gives_the_same_weights(order) -> None:
    made = case("mlp", "head")
    expected = adapt(made, 3, order).values
    with torch.no_grad():
        found = adapt(made, 3, order).values
    for name, value in found.items():
        close(value, expected[name])
        assert not value.requires_grad


def test_no_steps_leave_the_unadapted_score() -> None:
    made = case("mlp", "head")
    weights = adapt(made, 0, "second")
    expected = made.backbone(made.user, made.query.item)
    close(score(made.backbone, weights, made.user, made.query.item), expected)
    close(score(made.backbone, TaskWeights({}), made.user, made.query.item), expected)


def test_batch_statistics_are_named_and_refused() -> None:
    assert general.refuse_batch_statistics(nn.Sequential(nn.LayerNorm(3))) is None
    reason = general.refuse_batch_statistics(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    assert reason is not None
    assert reason.startswith("1 is a BatchNorm")
