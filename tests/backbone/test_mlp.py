"""The network: the contract, the formula, and what is known of cold users and items."""

import numpy as np
import pytest
import torch

from fewrec_cli.backbone.mlp import MLP
from tests.backbone.small import (
    COLD_USER,
    UNSEEN_ITEM,
    Written,
    made,
    ready,
    small_dataset,
    train_rows,
)
from tests.contracts import BackboneContract

EVERY = torch.arange(12).expand(8, 12)
USERS = torch.arange(8)


class TestMLP(BackboneContract):
    def backbone(self) -> MLP:
        found = made("mlp")
        assert isinstance(found, MLP)
        return found


@pytest.mark.parametrize("personal", [True, False])
def test_score_is_the_formula(personal) -> None:
    dataset = small_dataset()
    backbone = ready("mlp", dataset)
    scores = backbone.head(backbone.encode(USERS, EVERY, personal=personal))
    p, written = dict(backbone.named_parameters()), Written("mlp", dataset)
    for user in range(8):
        x = written.features(p, user, EVERY[0], personal=personal)
        torch.testing.assert_close(scores[user], written.head(p, x), rtol=1e-12, atol=1e-12)


def test_the_network_is_as_wide_as_the_attributes_ask() -> None:
    dataset = small_dataset()
    assert ready("mlp", dataset).head.spec.widths == (2 * (2 + 2 + 1), 5, 4, 1)
    bare = ready("mlp", small_dataset(fields=False), hidden=[])
    assert bare.head.spec.widths == (2 * 2, 1)
    assert bare(USERS, EVERY).shape == (8, 12)


def test_an_unseen_item_is_scored_by_its_attributes_alone() -> None:
    backbone = ready("mlp", small_dataset())
    before = backbone(USERS, EVERY)
    with torch.no_grad():
        backbone.item[UNSEEN_ITEM] = 1e3
    assert torch.equal(backbone(USERS, EVERY), before)
    with torch.no_grad():
        backbone.item_side.table += 1
    assert not torch.equal(backbone(USERS, EVERY)[:, UNSEEN_ITEM], before[:, UNSEEN_ITEM])


def test_without_item_ids_no_item_is_known_by_its_own() -> None:
    backbone = ready("mlp", small_dataset(), item_ids=False)
    before = backbone(USERS, EVERY)
    with torch.no_grad():
        backbone.item += 7
    assert torch.equal(backbone(USERS, EVERY), before)


def test_what_is_known_by_user_id_serves_pretraining_alone() -> None:
    backbone = ready("mlp", small_dataset())
    before, trained = backbone(USERS, EVERY), backbone.encode(USERS, EVERY, personal=True)
    with torch.no_grad():
        backbone.personal += 1
    assert torch.equal(backbone(USERS, EVERY), before)
    assert not torch.equal(backbone.encode(USERS, EVERY, personal=True), trained)


def test_a_cold_user_is_scored_by_the_own_attributes() -> None:
    scores = ready("mlp", small_dataset())(USERS, EVERY)
    torch.testing.assert_close(scores[COLD_USER], scores[1])  # the same band
    assert not torch.allclose(scores[COLD_USER], scores[0])


def test_adapted_sets_are_layers() -> None:
    backbone = ready("mlp", small_dataset())
    head = tuple(f"head.layers.{n}.{part}" for n in range(3) for part in ("weight", "bias"))
    assert backbone.adapted_names("head") == head
    assert backbone.adapted_names("last") == head[-2:]
    assert backbone.adapted_names("bias") == head[1::2]
    everything = {name for name, _ in backbone.named_parameters()} - {"personal"}
    assert set(backbone.adapted_names("all")) == everything


def test_ids_are_dropped_in_training_alone_and_as_often_as_asked() -> None:
    backbone = ready("mlp", small_dataset(fields=False), id_dropout=0.3)
    user, item = torch.zeros(4000, dtype=torch.int64), torch.full((4000, 1), 2)
    own = backbone.encode(user, item)[:, 0, -2:]
    torch.testing.assert_close(own, backbone.item[2].expand(4000, 2))
    torch.manual_seed(0)
    dropped = backbone.train().encode(user, item)[:, 0, -2:] == 0
    assert (dropped.all(1) == dropped.any(1)).all()
    assert dropped[:, 0].double().mean().item() == pytest.approx(0.3, abs=0.03)


def test_penalties_add_up_to_ridge_over_the_whole_of_the_data() -> None:
    dataset = small_dataset()
    train = train_rows(dataset)
    backbone = ready("mlp", dataset, l2=5.0, user_l2=2.0)
    rated, users = np.unique(train.item), np.unique(train.user)
    item = torch.from_numpy(train.item)
    found = backbone.penalty(item, torch.ones(len(item))) * len(item)
    torch.testing.assert_close(found, 5 * backbone.item[rated].square().sum(), rtol=1e-6, atol=0)
    personal = backbone.personal_penalty(torch.from_numpy(train.user)) * len(item)
    expected = 2 * backbone.personal[users].square().sum()
    torch.testing.assert_close(personal, expected, rtol=1e-6, atol=0)


def test_padded_rows_are_not_penalised() -> None:
    backbone = ready("mlp", small_dataset())
    item = torch.tensor([[1, 2], [3, 4]])
    padded = backbone.penalty(item, torch.tensor([[1.0, 0.0], [1.0, 0.0]]).double())
    torch.testing.assert_close(padded, backbone.penalty(item[:, :1], torch.ones(2, 1).double()))
