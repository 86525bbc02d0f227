"""No adapter: the shared weights' score."""

import torch

from fewrec_cli.engine.weights import score
from fewrec_cli.strategy.adapter.none import Unadapted
from tests.contracts import constructor_keys
from tests.engine.case import case


def test_constructor_takes_no_words() -> None:
    assert constructor_keys(Unadapted) == []


def test_score_is_that_of_the_shared_weights_whatever_the_support() -> None:
    made, other = case("mlp"), case("mlp", seed=1)
    expected = made.backbone(made.user, made.query.item)
    for support in (made.support, other.support):
        weights = Unadapted().adapt(made.backbone, made.user, support, training=True)
        scores = score(made.backbone, weights, made.user, made.query.item)
        assert torch.equal(scores, expected)


def test_there_is_nothing_to_learn_nor_to_choose() -> None:
    assert not list(Unadapted().parameters())
    assert Unadapted().strengths == (1.0,)
