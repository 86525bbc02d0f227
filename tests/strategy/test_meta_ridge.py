"""Meta-ridge: the contract, the fit against a solve written out, and what the levels say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Scale
from fewrec_cli.engine.base import Prediction
from fewrec_cli.engine.rows import linear_support
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.adapter.ridge import Ridge
from fewrec_cli.strategy.meta_ridge import MetaRidge
from tests.backbone.small import small_dataset, train_rows
from tests.contracts import HELD_OUT, StrategyContract, planted_tasks
from tests.engine.case import RAGGED, Case, case, close
from tests.strategy.feeding import batch, built_strategy, row_batch, strategy


class TestMetaRidge(StrategyContract):
    words = ("strategy=meta_ridge",)

    def test_an_empty_support_gives_the_unadapted_score(self) -> None:
        found, backbone = self.ready(pretrained=3)
        tasks = planted_tasks(HELD_OUT, empty=True)
        start = found.unadapted(backbone, tasks.user)
        expected = start.predict(backbone, tasks.user, tasks.query.item).score
        torch.testing.assert_close(self.scores(found, backbone, tasks), expected)


def awake(made: Case, *words: str) -> MetaRidge:
    """Return a strategy whose numbers that start at 0 do not, as after some training."""
    found = strategy(made, "strategy=meta_ridge", *words)
    assert isinstance(found, MetaRidge)
    drawn = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in found.parameters():
            value.add_(0.2 * torch.randn(value.shape, generator=drawn, dtype=value.dtype))
    return found.eval()


def answers(made: Case, found: MetaRidge, support: Rows) -> Prediction:
    adapted = found.adapt(made.backbone, made.user, support, seed=0, training=False)
    return adapted.predict(made.backbone, made.user, made.query.item)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_weights_are_the_prior_mean_and_a_ridge_of_what_it_leaves(kind: str) -> None:
    made = case(kind)
    found = awake(made)
    adapted = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
    head, support = made.backbone.head, made.support
    assert isinstance(found.adapter, Ridge)
    penalty = found.adapter.log_penalty.exp().detach().numpy()
    offset, design = head.linear_view(made.backbone.encode(made.user, support.item))
    for task, rows in enumerate(RAGGED):
        z, v = design[task, :rows].detach().numpy(), support.weight[task, :rows].numpy()
        implied = (found.rated[support.item[task, :rows]].detach().numpy() * v[:, None]).sum(0)
        start = head.linear_weights().detach().numpy() + implied / np.sqrt(max(v.sum(), 1))
        left = (support.rating - offset)[task, :rows].detach().numpy() - z @ start
        change = np.linalg.solve(z.T @ (z * v[:, None]) + np.diag(penalty), z.T @ (v * left))
        close(adapted.start[task].detach(), torch.from_numpy(start))
        close(adapted.weights[task].detach(), torch.from_numpy(start + change))


def with_past(rows: Rows, first: int = 2) -> Rows:
    """Return the rows with the first ones of each task as its history."""
    past = torch.zeros_like(rows.weight)
    past[:, :first] = 1
    return replace(rows, past=past)


@pytest.mark.parametrize("feedback", ["explicit", "implicit"])
def test_a_shift_since_the_history_is_a_bias_of_what_is_new(feedback: str) -> None:
    made = case("mf", feedback=feedback)
    found, support = awake(made, "strategy.shift_penalty=0.5"), with_past(made.support)
    adapted = found.adapt(made.backbone, made.user, support, seed=0, training=False)
    rows = linear_support(made.backbone, made.user, support)
    assert support.past is not None
    new = 1 - torch.cat([support.past] * (rows.design.shape[1] // support.past.shape[1]), 1)
    penalty = torch.cat([torch.tensor([0.5]), found.adapter.log_penalty.exp().detach()]).to(new)
    for task in range(len(made.user)):
        z = torch.cat([new[task, :, None], rows.design[task]], 1).detach()
        left = (rows.rating - rows.offset)[task] - rows.design[task] @ adapted.start[task]
        v = rows.weight[task]
        gram = z.T @ (z * v[:, None]) + torch.diag(penalty)
        shift, *change = torch.linalg.solve(gram, z.T @ (v * left)).detach()
        expected = adapted.start[task] + torch.stack(change)
        expected[-1] += shift
        close(adapted.weights[task].detach(), expected.detach())


def test_a_dear_shift_is_none_and_so_is_one_without_a_history() -> None:
    made = case("mf")
    found, support = awake(made), with_past(made.support)
    plain = answers(made, found, support)
    assert plain.levels is not None
    for penalty, rows in ((1e12, support), (1.0, made.support)):
        found.shift_penalty = penalty
        shifted = answers(made, found, rows)
        close(shifted.score, plain.score)
        assert shifted.levels is not None
        close(shifted.levels, plain.levels)
    assert not torch.allclose(answers(made, found, support).score, plain.score)


def test_a_shift_goes_through_augmented_supports() -> None:
    made = case("mf")
    words = ("strategy.shift_penalty=1", "strategy/augment=[noise]", "strategy.augment_weight=0")
    found, support = awake(made, *words), with_past(made.support)
    stretched = answers(made, found, support)
    found.augments = ()
    close(stretched.score, answers(made, found, support).score)


def test_pairs_of_implicit_rows_are_fitted_as_one_and_zero() -> None:
    made = case("mf", feedback="implicit")
    assert made.support.negative is not None
    found = awake(made)
    stars = torch.ones_like(made.support.rating)
    item = torch.cat([made.support.item, made.support.negative], 1)
    explicit = Rows(
        item,
        torch.cat([stars, torch.zeros_like(stars)], 1),
        torch.cat([made.support.weight, made.support.weight], 1),
    )
    with torch.no_grad():
        found.rated.zero_()  # the items of negatives were not chosen
    expected = found.adapt(made.backbone, made.user, explicit, seed=0, training=False)
    pairs = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
    close(pairs.weights, expected.weights)


def test_what_was_rated_counts_besides_how() -> None:
    made = case("mf")
    found = awake(made)
    assert isinstance(found.adapter, Ridge)
    found.adapter.strength = 1e9  # ratings move nothing
    rated = answers(made, found, made.support).score
    unadapted = found.unadapted(made.backbone, made.user)
    empty = unadapted.predict(made.backbone, made.user, made.query.item).score
    assert (rated - empty)[0].abs().min() > 1e-6
    close(rated[2], empty[2])  # the task without support


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_levels_are_a_distribution_whose_mean_the_score_leans_to(kind: str) -> None:
    made = case(kind)
    for share in (0.0, 0.3, 1.0):
        found = awake(made, f"strategy.expectation={share}")
        adapted = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
        ridge, _ = adapted.read(made.backbone, made.user, made.query.item)
        said = adapted.predict(made.backbone, made.user, made.query.item)
        assert said.levels is not None
        assert said.levels.shape == (4, 4, 5)
        close(said.levels.sum(-1), torch.ones(4, 4).double())
        stars = said.levels @ torch.arange(1, 6).double()
        mean = (stars - made.backbone.rating_mean) / made.backbone.rating_sd
        torch.testing.assert_close(
            said.score, (1 - share) * ridge + share * mean, atol=1e-6, rtol=0
        )


@pytest.mark.parametrize(
    ("scale", "count"), [(Scale(0.5, 5.0, 0.5), 10), (Scale(1, 10), 10), (None, None)]
)
def test_levels_are_those_of_the_data(scale: Scale | None, count: int | None) -> None:
    made, dataset = case("mf"), replace(small_dataset(), scale=scale)
    found = built_strategy("strategy=meta_ridge")
    found.prepare(made.backbone, dataset, train_rows(dataset))
    assert isinstance(found, MetaRidge)
    levels = answers(made, found.double().eval(), made.support).levels
    assert levels is None if count is None else levels is not None and levels.shape[-1] == count


@pytest.mark.parametrize("feedback", ["explicit", "mixup", "implicit"])
def test_the_order_and_the_padding_of_the_support_do_not_matter(feedback: str) -> None:
    made = case("mf", feedback=feedback)  # type: ignore[arg-type]
    found = awake(made)
    order = [4, 2, 0, 1, 3]

    def wider(part: Tensor | None) -> Tensor | None:
        return None if part is None else torch.nn.functional.pad(part[:, order], (0, 2))

    support = made.support
    names = ("item", "rating", "weight", "negative", "partner", "mix")
    other = Rows(**{name: wider(getattr(support, name)) for name in names})  # type: ignore[arg-type]
    expected, turned = answers(made, found, support), answers(made, found, other)
    close(turned.score, expected.score)
    if expected.levels is not None and turned.levels is not None:
        close(turned.levels, expected.levels)


def test_some_tasks_answer_as_among_all() -> None:
    made = case("mf")
    found = awake(made)
    adapted = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
    some = torch.tensor([3, 0])
    part = adapted.take(some).predict(made.backbone, made.user[some], made.query.item[some])
    whole = adapted.predict(made.backbone, made.user, made.query.item)
    close(part.score, whole.score[some])
    assert part.levels is not None
    assert whole.levels is not None
    close(part.levels, whole.levels[some])


@pytest.mark.parametrize("weighting", ["rows", "uniform"])
def test_the_loss_is_the_formula(weighting: str) -> None:
    made = case("mf")
    found = awake(made, f"strategy.weighting={weighting}", "strategy.level_share=0.7")
    whole = batch(made)
    adapted = found.adapt(made.backbone, made.user, made.support, seed=0, training=True)
    score, levels = adapted.read(made.backbone, made.user, made.query.item)
    assert levels is not None
    query, total, mass = made.query, torch.zeros(()).double(), 0.0
    for task in range(4):
        losses = []
        for row in range(4):
            off = (score[task, row] - query.rating[task, row]).abs()
            near = torch.where(off < 0.25, off**2 / 0.5, off - 0.125)
            stars = query.rating[task, row] * made.backbone.rating_sd + made.backbone.rating_mean
            place = int(stars.round().clamp(1, 5)) - 1
            surprise = -levels[task, row, place].log()
            losses.append(query.weight[task, row] * (0.3 * near + 0.7 * surprise))
        rows = float(query.weight[task].sum())
        share = rows if weighting == "rows" else 1.0
        total, mass = total + share * torch.stack(losses).sum() / rows, mass + share
    counts = np.bincount(train_rows(small_dataset()).item, minlength=12).clip(1)
    size = (found.rated[query.item] ** 2).sum(-1) / torch.from_numpy(counts)[query.item]
    held = found.implicit_l2 * (size * query.weight).sum() / query.weight.sum()
    expected = total / mass + made.backbone.penalty(query.item, query.weight) + held
    close(found.loss(made.backbone, whole), expected)


def test_a_batch_in_parts_has_the_same_gradient() -> None:
    made = case("mf")
    found, grown = awake(made), []
    for parts in (1, 3):
        found.parts = parts
        found.zero_grad()
        found.loss(made.backbone, batch(made)).backward()
        grown.append([p.grad for p in found.parameters() if p.grad is not None])
    assert len(grown[0]) == len(list(found.parameters()))
    for one, other in zip(*grown, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_items_that_nobody_was_shown_to_rate_keep_the_numbers_they_started_with() -> None:
    made = case("mf")
    found = strategy(made, "strategy=meta_ridge")
    assert isinstance(found, MetaRidge)
    found.loss(made.backbone, batch(made)).backward()
    assert found.rated.grad is not None
    moved = found.rated.grad.any(1).nonzero()[:, 0].tolist()
    assert moved == sorted({*made.support.item[made.support.weight > 0].tolist()})


@pytest.mark.parametrize("adapter", ["gradient", "none"])
def test_an_adapter_that_solves_nothing_is_refused(adapter: str) -> None:
    with pytest.raises(ConfigError, match="strategy=meta_ridge learns through a ridge solve"):
        strategy(case("mf"), "strategy=meta_ridge", f"strategy/adapter={adapter}")


def test_rows_instead_of_tasks_are_refused() -> None:
    made = case("mf")
    with pytest.raises(TypeError, match="meta_ridge is fed with tasks, got RowBatch"):
        strategy(made, "strategy=meta_ridge").loss(made.backbone, row_batch())


def test_step_sizes_rise_then_fall_to_nothing() -> None:
    found = built_strategy("strategy=meta_ridge", "strategy.outer_lr=0.5")
    assert (found.outer.schedule, found.outer.lr) == ("onecycle", 0.5)
