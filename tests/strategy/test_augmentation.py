"""Augmentation: the contract, and what its adapter is given: D* = D + α D'."""

import pytest
import torch

from fewrec_cli.strategy.augment.drop import Drop
from fewrec_cli.strategy.augment.mixup import Mixup
from fewrec_cli.strategy.augment.noise import Noise
from fewrec_cli.strategy.augmentation import Augmentation
from fewrec_cli.strategy.base import Strategy
from fewrec_cli.strategy.transfer import Transfer
from tests.contracts import StrategyContract
from tests.engine.case import Case, case, close
from tests.strategy.feeding import Spy, row_batch, strategy


class TestAugmentation(StrategyContract):
    words = ("strategy=augmentation",)


def given(made: Case, *words: str, seed: int = 0) -> tuple[Strategy, Spy]:
    """Return the strategy, and a spy in its adapter's place that has adapted once."""
    found, spy = strategy(made, "strategy=augmentation", *words), Spy()
    for part in found.modules():
        if isinstance(part, Strategy):
            part.adapter = spy
    found.adapt(made.backbone, made.user, made.support, seed=seed, training=False)
    return found, spy


@pytest.mark.parametrize("share", [0.3, 1])
def test_copies_weigh_alpha_together_and_the_rows_one(share) -> None:
    made = case("mf")
    _, spy = given(
        made,
        f"strategy.augment_weight={share}",
        "strategy/augment=[noise,drop]",
        "strategy.augment.drop.probability=0",
    )
    (support,) = spy.given
    n, weight = 5, made.support.weight
    close(support.weight[:, :n], weight)
    close(support.weight[:, n : 2 * n], weight * share / 2)
    close(support.weight[:, 2 * n :], weight * share / 2)


def test_by_default_noise_and_mixup_are_composed() -> None:
    found, spy = given(case("mf"))
    assert [type(augment) for augment in found.augments] == [Noise, Mixup]
    assert spy.given[0].item.shape == (4, 15)
    assert spy.given[0].partner is not None


def test_two_changes_compose_in_the_order_of_the_command() -> None:
    made = case("mf")
    found, spy = given(made, "strategy/augment=[drop,noise]", "strategy.augment.noise.sd=2")
    assert [type(augment) for augment in found.augments] == [Drop, Noise]
    (support,) = spy.given
    close(support.rating[:, 5:10], made.support.rating)
    assert not torch.allclose(support.rating[:, 10:], made.support.rating)
    assert support.partner is None


def test_an_empty_list_switches_off() -> None:
    made = case("mf")
    found, spy = given(made, "strategy/augment=[]")
    assert found.augments == ()
    assert spy.given == [made.support]


def test_the_seed_of_the_task_decides() -> None:
    made = case("mf")
    ratings = [given(made, seed=seed)[1].given[0].rating for seed in (1, 1, 2)]
    assert torch.equal(ratings[0], ratings[1])
    assert not torch.equal(ratings[0], ratings[2])


def test_a_copy_as_heavy_as_the_rows_changes_nothing_when_it_is_the_same() -> None:
    """Twice the same rows is the same mean loss; only the count of rows grows."""
    made = case("mf")
    words = (
        "strategy/augment=[noise]",
        "strategy.augment.noise.sd=0",
        "strategy.adapter.shrinkage=0",
    )
    arguments = (made.backbone, made.user, made.support)
    doubled = strategy(made, "strategy=augmentation", *words, "strategy.augment_weight=1")
    plain = strategy(made, "strategy=augmentation", *words[2:], "strategy/augment=[]")
    one, other = (
        kind.adapt(*arguments, seed=0, training=False).values_by_name() for kind in (doubled, plain)
    )
    for name, value in one.items():
        close(value, other[name])


def test_the_held_strategy_pretrains_without_stretching() -> None:
    made = case("mf")
    found, spy = given(made)
    (phase,) = found.phases
    assert isinstance(found, Augmentation)
    assert isinstance(phase, Transfer)
    assert phase.augments == found.augments
    assert (found.outer, found.feed) == (phase.outer, phase.feed)
    close(found.loss(made.backbone, row_batch()), phase.loss(made.backbone, row_batch()))
    assert len(spy.given) == 1
