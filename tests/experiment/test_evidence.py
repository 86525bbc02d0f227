"""What tells most: against adapting anew with every possible answer, and against the gradient."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment import evidence as module
from fewrec_cli.experiment.evidence import NewUser, evidence
from fewrec_cli.experiment.world import World, build
from fewrec_cli.scenario.batch import Rows
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed

RIDGE = ("strategy=transfer", "strategy/adapter=ridge")
NOBODY = NewUser(np.arange(3), np.array([], np.int64), np.array([]))
SOMEBODY = NewUser(np.arange(3), np.array([4, 9]), np.array([0.5, -1.0]))


def made(*words: str) -> World:
    """Return a world with weights that are far from flat, without training."""
    world = build(composed(*SHRUNK_DATA, *SHRUNK_RUN, *words), Reporter(quiet=True))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in world.backbone.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    world.backbone.eval()
    world.strategy.eval()
    return world


@pytest.fixture(scope="module", params=["mf", "mlp"])
def ridge(request: pytest.FixtureRequest) -> World:
    return made(*RIDGE, f"backbone={request.param}")


def chance(world: World, user: NewUser) -> np.ndarray:
    known = np.random.default_rng(0).uniform(0.2, 1.0, world.dataset.n_items)
    known[user.item] = 0
    known[::5] = 0
    return known


def mean_variance(world: World, user: NewUser, asked: list[int]) -> float:
    """Adapt each person to the known ratings and to any answers, and ask how sure that is."""
    people, items = torch.from_numpy(user.people), torch.arange(world.dataset.n_items)
    item = torch.from_numpy(np.array([*user.item, *asked], np.int64)).expand(len(people), -1)
    rating = torch.zeros_like(item).float()
    support = Rows(item, rating, torch.ones_like(rating))
    with torch.no_grad():
        found = world.strategy.adapt(world.backbone, people, support, seed=0, training=False)
        spread = found.variance(world.backbone, people, items.expand(len(people), -1))
    assert spread is not None
    worth = np.bincount(world.train.item, minlength=len(items)).astype(float)
    worth[user.item] = 0
    return float((spread.double().numpy().mean(0) * worth).sum() / worth.sum())


@pytest.mark.parametrize("user", [NOBODY, SOMEBODY], ids=["nobody", "somebody"])
@pytest.mark.slow
def test_what_is_asked_lowers_the_variance_most_when_adapted_to(ridge: World, user) -> None:
    known = chance(ridge, user)
    found = evidence(ridge, user, known, 3)
    asked: list[int] = []
    assert found.sd is not None
    nothing = replace(user, item=user.item[:0])
    assert found.sd[0] ** 2 == pytest.approx(mean_variance(ridge, nothing, []), rel=0.05)
    assert found.sd[1] ** 2 == pytest.approx(mean_variance(ridge, user, []), rel=1e-4)
    for item, sd in zip(found.item.tolist(), found.tells, strict=True):
        now = mean_variance(ridge, user, asked)
        gains = {
            one: known[one] * (now - mean_variance(ridge, user, [*asked, one]))
            for one in np.flatnonzero(known > 0).tolist()
            if one not in asked
        }
        assert gains[item] == pytest.approx(max(gains.values()), rel=1e-3)
        asked.append(item)
        assert sd**2 == pytest.approx(mean_variance(ridge, user, asked), rel=1e-4)


def test_people_are_cut_to_what_fits(ridge: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = replace(NOBODY, people=NOBODY.people[:1])
    expected = evidence(ridge, first, chance(ridge, NOBODY), 2)
    monkeypatch.setattr(module, "NUMBERS", 1)
    found = evidence(ridge, NOBODY, chance(ridge, NOBODY), 2)
    assert found.tells == expected.tells


@pytest.mark.parametrize("backbone", ["mf", "mlp"])
@pytest.mark.slow
def test_a_gradient_adapter_asks_what_moves_it_most(backbone: str) -> None:
    """One step without shrinkage moves the weights by step size x the norm of the gradient."""
    world = made(
        "strategy=maml", "strategy/adapter=gradient", "strategy.inner_steps=1",
        "strategy.inner_lr=0.1", "strategy.adapter.shrinkage=0", f"backbone={backbone}",
    )  # fmt: skip
    known = chance(world, NOBODY)
    everyone = replace(NOBODY, people=np.arange(world.dataset.n_users))
    found = evidence(world, everyone, known, 5)
    assert found.sd is None
    rows = world.train.take(np.flatnonzero(known[world.train.item] > 0))
    names = world.backbone.adapted_names("head")
    parameters = [dict(world.backbone.named_parameters())[name] for name in names]
    for item, moves in zip(found.item.tolist(), found.tells, strict=True):
        lengths = []
        for row in np.flatnonzero(rows.item == item):
            rating = (rows.rating[row] - world.tensors.mean) / world.tensors.sd
            score = world.backbone(torch.tensor([rows.user[row]]), torch.tensor([[item]]))
            slopes = torch.autograd.grad((score - rating).square().sum(), parameters)
            lengths.append(0.1 * sum(float(one.square().sum()) for one in slopes) ** 0.5)
        if len(lengths) <= module.ROWS_PER_ITEM:
            assert moves == pytest.approx(np.mean(lengths), rel=1e-4)
        assert min(lengths) * 0.999 <= moves <= max(lengths) * 1.001
    worth = known[found.item] * np.array(found.tells)
    assert (np.diff(worth) <= 0).all()


def test_movement_counts_from_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    world = made("strategy=maml", "strategy/adapter=gradient")
    everyone = np.arange(world.dataset.n_users)
    known = chance(world, SOMEBODY)
    blank, known_of = (
        evidence(world, replace(user, people=everyone), known, 4) for user in (NOBODY, SOMEBODY)
    )
    assert known_of.tells != blank.tells
    assert not set(known_of.item.tolist()) & set(SOMEBODY.item.tolist())
    rows = 37
    monkeypatch.setattr(module, "ADAPTED", rows * world.strategy.adapter.numbers(world.backbone))
    again = evidence(world, replace(SOMEBODY, people=everyone), known, 4)
    np.testing.assert_array_equal(again.item, known_of.item)


@pytest.mark.parametrize("word", ["meta_ridge", "neural_process", "in_context"])
@pytest.mark.slow
def test_a_strategy_that_answers_with_more_than_weights_is_refused_by_its_word(word) -> None:
    world = made(f"strategy={word}")
    with pytest.raises(ConfigError, match=f"strategy={word} does not say what one rating") as found:
        evidence(world, NOBODY, chance(world, NOBODY), 1)
    assert "strategy=combined strategy/adapter=ridge" in found.value.remedy


def test_a_run_that_adapts_nothing_has_nothing_to_ask() -> None:
    world = made("strategy=transfer", "strategy/adapter=none")
    with pytest.raises(ConfigError, match="adapts to no rating"):
        evidence(world, replace(NOBODY, people=np.arange(60)), chance(world, NOBODY), 2)
