"""The fast path against the loop, vmap and a loop written out by hand."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine import fast, general, loop
from fewrec_cli.engine.base import query_losses
from tests.backbone.small import SMALL
from tests.engine.case import (
    FEEDBACK,
    RAGGED,
    Case,
    adapt_by_hand,
    case,
    close,
    query_loss_by_hand,
    stacked,
)

SETS = ("head", "last", "bias")
GRID = [
    one
    for one in product(("mf", "mlp"), SETS, FEEDBACK, ("first", "second"), (1, 2, 5))
    if one[:2] != ("mf", "last")  # the same as head
]
LENGTHS = ((5, 1, 0, 3), (0, 0), (1,), (9, 2, 2, 0, 7, 1, 4))
backbones = pytest.mark.parametrize("kind", ["mf", "mlp"])


def adapt(made: Case, steps: int, order: str) -> fast.FastAdapted:
    return fast.adapt(made.backbone, made.user, made.support, made.loop(steps, order))


def losses(made: Case, steps: int, order: str) -> Tensor:
    """Return the query losses of support and query looked up together."""
    settings = made.loop(steps, order)
    return fast.query_losses(made.backbone, made.user, made.support, made.query, settings)


def agrees(made: Case, steps: int, order: str, *, looped: bool = True) -> None:
    """Check weights, scores, losses and outer gradients against the other two paths."""
    arguments = (made.backbone, made.user, made.support, made.loop(steps, order))
    found = fast.adapt(*arguments)
    own = found.values_by_name()
    together = losses(made, steps, order)
    score = found.predict(made.backbone, made.user, made.query.item).score
    apart = query_losses(made.backbone, found, made.user, made.query)
    gradients = [made.gradients(one.mean()) for one in (together, apart)]
    references = (general.inner_loop, loop.inner_loop) if looped else (general.inner_loop,)
    for path in references:
        expected = path(*arguments)
        assert list(own) == list(expected.values)
        for name, value in expected.values.items():
            close(own[name], value)
        close(score, expected.predict(made.backbone, made.user, made.query.item).score)
        loss = query_losses(made.backbone, expected, made.user, made.query)
        close(together, loss)
        close(apart, loss)
        wanted = made.gradients(loss.mean())
        for gradient in gradients:
            for one, other in zip(gradient, wanted, strict=True):
                close(one, other)


@pytest.mark.parametrize(
    ("kind", "which", "feedback", "order", "steps"),
    [one for number, one in enumerate(GRID) if number % 3 == number // 3 % 3],
)
def test_a_third_of_all_cases_equals_vmap(kind, which, feedback, order, steps) -> None:
    agrees(case(kind, which, feedback), steps, order, looped=False)


@pytest.mark.slow
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("kind", "which", "feedback", "order", "steps"), GRID)
def test_every_case_equals_vmap_and_loop(kind, which, feedback, order, steps, lengths) -> None:
    agrees(case(kind, which, feedback, lengths, seed=3), steps, order)


@backbones
@pytest.mark.parametrize("order", ["first", "second"])
def test_weights_and_outer_gradients_equal_the_hand_s(kind, order) -> None:
    made = case(kind, "head", "mixup")
    by_hand = adapt_by_hand(made, 2, order)
    own = adapt(made, 2, order).values_by_name()
    for name, value in stacked(made, by_hand).values.items():
        close(own[name], value)
    loss, expected = losses(made, 2, order).mean(), query_loss_by_hand(made, by_hand)
    close(loss, expected)
    for one, other in zip(made.gradients(loss), made.gradients(expected), strict=True):
        close(one, other)


random_cases = {
    "kind": st.sampled_from(["mf", "mlp"]),
    "which": st.sampled_from(SETS),
    "feedback": st.sampled_from(FEEDBACK),
    "order": st.sampled_from(["first", "second"]),
    "lengths": st.lists(st.integers(0, 6), min_size=1, max_size=6),
    "steps": st.integers(1, 3),
    "seed": st.integers(0, 1000),
}


@settings(max_examples=15, deadline=None)
@given(**random_cases)
def test_any_lengths_of_supports_equal_vmap(
    kind, which, feedback, order, lengths, steps, seed
) -> None:
    agrees(case(kind, which, feedback, lengths, seed=seed), steps, order, looped=False)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(**random_cases, holes=st.floats(0, 1))
def test_any_lengths_and_holes_equal_vmap_and_loop(
    kind, which, feedback, order, lengths, steps, seed, holes
) -> None:
    made = with_holes(case(kind, which, feedback, lengths, seed=seed), holes)
    agrees(made, steps, order)


def with_holes(made: Case, share: float) -> Case:
    """Return the same tasks with some rows of weight 0 between the others."""
    drawn = torch.Generator().manual_seed(0)
    kept = torch.rand(made.support.weight.shape, generator=drawn) >= share
    return replace(made, support=made.support.reweighted(made.support.weight * kept))


@backbones
@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("steps", [1, 2])
def test_tasks_of_uneven_weight_and_the_robust_loss(kind, order, steps) -> None:
    """The gradient that is found ahead, for the mean, must not be taken for another's."""
    made = case(kind)
    arguments = (made.backbone, made.user, made.support, made.loop(steps, order))
    expected = query_losses(
        made.backbone, general.inner_loop(*arguments), made.user, made.query, "huber"
    )
    found = fast.query_losses(*arguments[:3], made.query, arguments[3], "huber")
    close(found, expected)
    for weight in ([1.0, 2.0, -1.0, 0.5], [3.0] * 4, [0.25] * 4, [0.0] * 4):
        share = torch.tensor(weight, dtype=torch.float64)
        pairs = (made.gradients((one * share).sum()) for one in (found, expected))
        for one, other in zip(*pairs, strict=True):
            close(one, other)


@pytest.mark.parametrize("form", [(5,), (5, 4, 3)], ids=["one hidden layer", "three"])
@pytest.mark.parametrize("which", SETS)
def test_networks_of_any_depth(form, which, monkeypatch) -> None:
    monkeypatch.setitem(SMALL["mlp"], "hidden", list(form))
    made = case("mlp", which)
    for order, steps in product(("first", "second"), (1, 2)):
        agrees(made, steps, order)


@backbones
def test_rows_of_weight_0_may_stand_anywhere(kind) -> None:
    made = with_holes(case(kind, "head", "mixup", (6, 3, 5)), 0.4)
    agrees(made, 2, "second")


@pytest.mark.parametrize("order", ["first", "second"])
def test_a_step_size_per_number_of_a_factor_head(order) -> None:
    agrees(case("mf", "head", rates="element"), 2, order)


@pytest.mark.parametrize("which", SETS)
@backbones
def test_second_order_gradient_is_the_slope_of_the_outer_loss(kind, which) -> None:
    """Central differences along a random direction in all that is learned."""
    made = case(kind, which)
    slope = made.gradients(losses(made, 2, "second").mean())
    torch.manual_seed(1)
    direction = [torch.randn_like(value) for value in made.learned()]
    expected = sum((one * other).sum() for one, other in zip(slope, direction, strict=True))
    found, step = [], 1e-6
    for sign in (1, -2):  # one step ahead, then one step behind
        with torch.no_grad():
            for value, towards in zip(made.learned(), direction, strict=True):
                value.add_(towards, alpha=sign * step)
        found.append(losses(made, 2, "second").mean().item())
    assert (found[0] - found[1]) / (2 * step) == pytest.approx(float(expected), rel=1e-6)


@backbones
@pytest.mark.parametrize("steps", [1, 2])
def test_tasks_do_not_see_one_another(kind, steps) -> None:
    made = case(kind, "head", "mixup")
    whole = losses(made, steps, "second")
    for task in range(len(made.user)):
        close(losses(made.task(task), steps, "second")[0], whole[task])
    turned = torch.tensor([2, 0, 3, 1])
    parts = {"user": made.user[turned], "support": made.support.take(turned)}
    other = replace(made, **parts, query=made.query.take(turned))
    close(losses(other, steps, "second"), whole[turned])


@backbones
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_parts_change_nothing(kind, parts, monkeypatch) -> None:
    made = case(kind, "head")
    whole = losses(made, 2, "second")
    monkeypatch.setattr("fewrec_cli.engine.pack.FEWEST_PARTS", parts)
    close(losses(made, 2, "second"), whole)


@backbones
@pytest.mark.parametrize("steps", [1, 3])
def test_some_tasks_keep_what_they_learned(kind, steps) -> None:
    made = case(kind, "head")
    whole = adapt(made, steps, "first")
    score = whole.predict(made.backbone, made.user, made.query.item).score
    for tasks in ([3, 0], [1], [2, 1, 3, 0], []):
        some = torch.tensor(tasks, dtype=torch.long)
        own = whole.take(some).predict(made.backbone, made.user[some], made.query.item[some])
        close(own.score, score[some])


@pytest.mark.parametrize("steps", [1, 2])
def test_many_candidates_score_as_few(steps) -> None:
    """Beyond some number of rows the change of the weights is formed."""
    made = case("mlp", "head", lengths=(30, 8))
    found = adapt(made, steps, "first")
    item = torch.arange(12).repeat(2, 40)
    whole = found.predict(made.backbone, made.user, item).score
    close(whole[:, :3], found.predict(made.backbone, made.user, item[:, :3]).score)
    own = general.inner_loop(made.backbone, made.user, made.support, made.loop(steps, "first"))
    close(whole, own.predict(made.backbone, made.user, item).score)


@backbones
@pytest.mark.parametrize("order", ["first", "second"])
def test_shared_weights_keep_every_bit(kind, order) -> None:
    made = case(kind)
    before = {name: value.clone() for name, value in made.backbone.state_dict().items()}
    losses(made, 2, order).sum().backward()
    for name, value in made.backbone.state_dict().items():
        assert torch.equal(value, before[name])


@backbones
def test_adapting_without_gradients_gives_the_same_weights(kind) -> None:
    made = case(kind)
    expected = adapt(made, 3, "second").values_by_name()
    with torch.no_grad():
        found = adapt(made, 3, "second").values_by_name()
    for name, value in found.items():
        close(value, expected[name])
        assert not value.requires_grad


@backbones
def test_float32_scores_equal_float64_ones_to_five_digits(kind) -> None:
    made = case(kind)
    exact = adapt(made, 2, "second").predict(made.backbone, made.user, made.query.item).score
    single = replace(
        made.loop(2, "second"),
        rates={name: value.exp().float() for name, value in made.log_rates.items()},
        scale=made.loop(2, "second").scale.float(),
    )
    support = replace(
        made.support, rating=made.support.rating.float(), weight=made.support.weight.float()
    )
    found = fast.adapt(made.backbone.float(), made.user, support, single)
    score = found.predict(made.backbone, made.user, made.query.item).score
    torch.testing.assert_close(score, exact.float(), rtol=1e-5, atol=1e-5)


@backbones
def test_a_backbone_without_halves_takes_the_same_path(kind, monkeypatch) -> None:
    made = case(kind, "head", "mixup")
    expected = losses(made, 2, "second")
    wanted = made.gradients(expected.mean())
    monkeypatch.setattr(type(made.backbone), "halves", Backbone.halves)
    found = losses(made, 2, "second")
    close(found, expected)
    for one, other in zip(made.gradients(found.mean()), wanted, strict=True):
        close(one, other)


def test_order_of_the_batch_is_kept() -> None:
    made = case("mf", lengths=RAGGED)
    packed = fast.pack(made.support)
    assert packed.order.tolist() == [2, 1, 3, 0]
    close(packed.back(made.user[packed.order].double()), made.user.double())
