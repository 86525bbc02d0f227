"""What all backbones share: sets of adapted names, standard units, mixed rows."""

import pytest
import torch
from torch import nn

from fewrec_cli.backbone.base import Backbone, Head, HeadSpec, subset
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.totals import TrainTotals
from tests.backbone.small import UNSEEN_ITEM, made, ready, small_dataset, train_rows


class FixedHead(Head):
    """A head without anything to adapt."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = HeadSpec("other", ())

    def forward(self, features):
        return features.sum(-1)

    def linear_view(self, features):
        return features.sum(-1), features[..., :0]

    def linear_weights(self):
        return torch.zeros(0)

    def from_linear(self, weights):
        return {}

    def adapted(self, which):
        return ()


class Fixed(Backbone):
    """A backbone with a fixed head, one shared table and one of user ids."""

    def __init__(self) -> None:
        super().__init__()
        self.head = FixedHead()
        self.table = nn.Parameter(torch.ones(3, 2))
        self.personal = nn.Parameter(torch.ones(4, 2))

    def prepare(self, dataset, train):
        self.set_standard(TrainTotals.of(dataset, train), implicit=dataset.implicit)

    def encode(self, user, item, *, personal=False):
        return self.table[item]


def interactions(*ratings: float) -> Interactions:
    index = torch.zeros(len(ratings), dtype=torch.int64).numpy()
    return Interactions(index, index, torch.tensor(ratings, dtype=torch.float64).numpy())


def totals(*ratings: float) -> TrainTotals:
    """Counts and sums of some training ratings."""
    return TrainTotals.count(interactions(*ratings), len(ratings) + 1, len(ratings) + 1)


@pytest.mark.parametrize("which", ["head", "last", "bias"])
def test_an_empty_set_of_adapted_parameters_is_refused_by_name(which) -> None:
    with pytest.raises(ConfigError, match=f"no parameters in the set '{which}'"):
        Fixed().adapted_names(which)


def test_all_is_everything_but_what_is_known_by_user_id() -> None:
    assert Fixed().adapted_names("all") == ("table",)


def test_a_backbone_has_no_penalty_of_its_own() -> None:
    backbone = Fixed()
    assert backbone.penalty(torch.zeros(2, 3, dtype=torch.int64), torch.ones(2, 3)) == 0
    assert backbone.personal_penalty(torch.arange(3)) == 0


def test_standard_units_are_those_of_the_training_ratings() -> None:
    backbone = Fixed()
    backbone.set_standard(totals(1.0, 3.0, 5.0, 3.0), implicit=False)
    stars = backbone.stars(torch.tensor([-1.0, 0.0, 2.0]))
    torch.testing.assert_close(stars, 3 + torch.tensor([-1.0, 0.0, 2.0]) * 2**0.5)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_implicit_data_keeps_its_unit(kind) -> None:
    backbone = ready(kind, small_dataset(implicit=True))
    assert torch.equal(backbone.stars(torch.tensor([0.3])), torch.tensor([0.3]))


def test_equal_ratings_do_not_divide_by_nothing() -> None:
    backbone = Fixed()
    backbone.set_standard(totals(4.0, 4.0), implicit=False)
    assert backbone.rating_mean == 4
    assert backbone.rating_sd > 0
    backbone = Fixed()
    backbone.set_standard(totals(), implicit=False)
    assert (backbone.rating_mean, backbone.rating_sd) == (0, 1)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_mixed_rows_lie_between_the_two_items(kind) -> None:
    backbone = ready(kind, small_dataset())
    user, item, partner = torch.tensor([1, 4]), torch.tensor([[0, 1], [2, 3]]), torch.tensor(5)
    partner = partner.expand(2, 2)
    alone, other = backbone(user, item), backbone(user, partner)
    for share, expected in ((1.0, alone), (0.0, other)):
        mix = torch.full((2, 2), share, dtype=torch.float64)
        torch.testing.assert_close(backbone(user, item, partner, mix), expected)
    mix = torch.tensor([[0.2, 0.7], [0.5, 0.9]], dtype=torch.float64)
    features = mix[..., None] * backbone.encode(user, item)
    features = features + (1 - mix[..., None]) * backbone.encode(user, partner)
    torch.testing.assert_close(backbone(user, item, partner, mix), backbone.head(features))


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_ratings_of_the_data_set_are_not_read(kind) -> None:
    """Only the training interactions may shape the start: the rest is held out."""
    states = []
    for rating in (1.0, 1e6):
        dataset = small_dataset()
        train = train_rows(dataset)
        dataset.interactions.rating[dataset.interactions.item == UNSEEN_ITEM] = rating
        torch.manual_seed(0)
        backbone = made(kind)
        backbone.prepare(dataset, train)
        states.append(backbone.state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name])


def test_subset_keeps_the_asked_order() -> None:
    values = {"a": torch.zeros(1), "b": torch.ones(1), "c": torch.ones(2)}
    assert list(subset(values, ("c", "a"))) == ["c", "a"]
