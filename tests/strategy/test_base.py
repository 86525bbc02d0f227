"""What all strategies share: the adapter behind the augmentations, phases, names."""

import torch

from tests.composed import built
from tests.engine.case import case, close
from tests.strategy.feeding import Spy, strategy


def test_most_strategies_have_one_phase_of_their_own_name() -> None:
    for word in ("transfer", "maml", "reptile"):
        found = built("strategy", f"strategy={word}")
        assert found.phases == (found,)
        assert found.name == word


def test_adapt_hands_stretched_rows_to_the_adapter() -> None:
    made = case("mf", feedback="implicit")
    found, spy = strategy(made, "strategy=maml", "strategy/augment=[drop,scale]"), Spy()
    found.adapter = spy
    weights = found.adapt(made.backbone, made.user, made.support, seed=3, training=True)
    (support,) = spy.given
    assert support.item.shape == (4, 15)
    assert support.negative is not None
    assert torch.equal(support.negative, made.support.negative.repeat(1, 3))  # type: ignore[union-attr]
    close(weights.values["head.bias"], made.backbone.get_parameter("head.bias").expand(4) + 1)


def test_the_adapter_is_prepared_with_the_backbone() -> None:
    made = case("mlp")
    assert strategy(made, "strategy=maml").adapter.names == made.backbone.adapted_names("head")
