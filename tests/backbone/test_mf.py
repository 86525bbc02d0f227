"""Matrix factorization: the contract, the formula, and what is known of cold users and items."""

import numpy as np
import pytest
import torch

from fewrec_cli.backbone.mf import MF
from fewrec_cli.core.types import Interactions
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


class TestMF(BackboneContract):
    def backbone(self) -> MF:
        found = made("mf")
        assert isinstance(found, MF)
        return found


@pytest.mark.parametrize("personal", [True, False])
def test_score_is_the_formula(personal) -> None:
    dataset = small_dataset()
    backbone = ready("mf", dataset)
    scores = backbone.head(backbone.encode(USERS, EVERY, personal=personal))
    p, written = dict(backbone.named_parameters()), Written("mf", dataset)
    for user in range(8):
        x = written.features(p, user, EVERY[0], personal=personal)
        torch.testing.assert_close(scores[user], written.head(p, x), rtol=1e-12, atol=1e-12)


def test_score_without_attributes_is_the_sum_of_two_biases_and_a_product() -> None:
    backbone = ready("mf", small_dataset(fields=False))
    p = dict(backbone.named_parameters())
    q, b = p["item"][:11, :-1], p["item"][:11, -1]  # the twelfth was not seen
    expected = b + p["head.bias"] + q @ p["head.factor"]
    torch.testing.assert_close(backbone(torch.tensor(3), torch.arange(11)), expected)
    torch.testing.assert_close(
        backbone(torch.tensor(3), torch.tensor([UNSEEN_ITEM]))[0], p["head.bias"]
    )


def test_an_unseen_item_is_scored_by_its_attributes_alone() -> None:
    backbone = ready("mf", small_dataset())
    before = backbone(USERS, EVERY)
    with torch.no_grad():
        backbone.item[UNSEEN_ITEM] = 1e3
    assert torch.equal(backbone(USERS, EVERY), before)
    with torch.no_grad():
        backbone.item_side.table += 1
    assert (backbone(USERS, EVERY)[:, UNSEEN_ITEM] != before[:, UNSEEN_ITEM]).all()
    with torch.no_grad():
        backbone.item[3] += 1
    assert not torch.equal(backbone(USERS, EVERY)[:, 3], before[:, 3])


def test_what_is_known_by_user_id_serves_pretraining_alone() -> None:
    backbone = ready("mf", small_dataset())
    before, trained = backbone(USERS, EVERY), backbone.encode(USERS, EVERY, personal=True)
    with torch.no_grad():
        backbone.personal += 1
    assert torch.equal(backbone(USERS, EVERY), before)
    assert not torch.equal(backbone.encode(USERS, EVERY, personal=True), trained)


def test_a_cold_user_is_scored_by_the_own_attributes() -> None:
    dataset = small_dataset()
    backbone = ready("mf", dataset)
    scores = backbone(USERS, EVERY)
    torch.testing.assert_close(scores[COLD_USER], scores[1])  # the same band
    assert not torch.allclose(scores[COLD_USER], scores[0])


def test_item_biases_start_at_the_shrunken_means() -> None:
    dataset = small_dataset()
    train = train_rows(dataset)
    backbone = made("mf", item_shrinkage=4.0)
    backbone.prepare(dataset, train)
    standard = (train.rating - train.rating.mean()) / train.rating.std()
    for item in range(12):
        mine = standard[train.item == item]
        expected = sum(mine) / (len(mine) + 4)
        assert backbone.item[item, -1].item() == pytest.approx(expected, abs=1e-5)


def test_no_shrinkage_starts_at_the_means_and_leaves_unseen_items_alone() -> None:
    dataset = small_dataset()
    train = train_rows(dataset)
    backbone = made("mf", item_shrinkage=0.0)
    backbone.prepare(dataset, train)
    mean = (train.rating[train.item == 2].mean() - train.rating.mean()) / train.rating.std()
    assert backbone.item[2, -1].item() == pytest.approx(mean, abs=1e-5)
    assert backbone.item[UNSEEN_ITEM, -1] == 0
    assert torch.isfinite(backbone(USERS, EVERY)).all()


def test_implicit_item_biases_start_in_the_order_of_popularity() -> None:
    dataset = small_dataset(implicit=True)
    train = train_rows(dataset)
    backbone = made("mf")
    backbone.prepare(dataset, train)
    start = backbone.item[:, -1].detach().numpy()
    counts = np.bincount(train.item, minlength=12)
    np.testing.assert_array_equal(
        np.argsort(start, kind="stable"), np.argsort(counts, kind="stable")
    )
    np.testing.assert_allclose(
        np.ptp(start), np.log((1 + counts.max()) / (1 + counts.min())), rtol=1e-5
    )
    assert start.mean() == pytest.approx(0, abs=1e-6)


def test_before_pretraining_users_differ_in_nothing() -> None:
    dataset = small_dataset()
    backbone = made("mf")
    backbone.prepare(dataset, train_rows(dataset))
    backbone.eval()
    scores = backbone(USERS, EVERY)
    torch.testing.assert_close(scores, scores[:1].expand_as(scores))
    torch.testing.assert_close(scores[0, :11], backbone.item[:11, -1])


def test_adapted_sets_are_the_task_s_factor_and_bias() -> None:
    backbone = ready("mf", small_dataset())
    assert backbone.adapted_names("head") == ("head.factor", "head.bias")
    assert backbone.adapted_names("last") == ("head.factor", "head.bias")
    assert backbone.adapted_names("bias") == ("head.bias",)
    everything = {name for name, _ in backbone.named_parameters()} - {"personal"}
    assert set(backbone.adapted_names("all")) == everything


def test_ids_are_dropped_in_training_alone_and_as_often_as_asked() -> None:
    dataset = small_dataset(fields=False)
    backbone = ready("mf", dataset, id_dropout=0.3)
    user, item = torch.zeros(4000, dtype=torch.int64), torch.full((4000, 1), 2)
    offset = backbone.encode(user, item)[:, 0, -1]
    assert (offset == backbone.item[2, -1]).all()
    torch.manual_seed(0)
    dropped = backbone.train().encode(user, item)[:, 0] == 0
    assert (dropped.all(1) == dropped.any(1)).all()
    assert dropped[:, 0].double().mean().item() == pytest.approx(0.3, abs=0.03)
    assert (ready("mf", dataset, id_dropout=0.0).train().encode(user, item)[:, 0, -1] != 0).all()


def test_penalties_add_up_to_ridge_over_the_whole_of_the_data() -> None:
    """Summed over all rows, each item, user and attribute is penalised once."""
    dataset = small_dataset()
    train = train_rows(dataset)
    backbone = ready("mf", dataset, l2=5.0, bias_l2=3.0, user_l2=2.0, side_l2=10.0)
    p = dict(backbone.named_parameters())
    rated, users = np.unique(train.item), np.unique(train.user)
    tables = p["item_side.table"].square().sum() + p["user_side.table"].square().sum()
    expected = 5 * p["item"][rated, :-1].square().sum() + 3 * p["item"][rated, -1].square().sum()
    item = torch.from_numpy(train.item)
    found = backbone.penalty(item, torch.ones(len(item))) * len(item)
    torch.testing.assert_close(found, expected + 10 * tables, rtol=1e-6, atol=0)
    personal = backbone.personal_penalty(torch.from_numpy(train.user)) * len(item)
    torch.testing.assert_close(personal, 2 * p["personal"][users].square().sum(), rtol=1e-6, atol=0)


def test_padded_rows_are_not_penalised() -> None:
    backbone = ready("mf", small_dataset())
    item = torch.tensor([[1, 2], [3, 4]])
    padded = backbone.penalty(item, torch.tensor([[1.0, 0.0], [1.0, 0.0]]).double())
    alone = backbone.penalty(item[:, :1], torch.ones(2, 1).double())
    torch.testing.assert_close(padded, alone)
    assert torch.isfinite(backbone.penalty(item, torch.zeros(2, 2).double()))


def test_training_rows_of_nobody_still_make_a_model() -> None:
    none = np.zeros(0, np.int64)
    backbone = made("mf")
    backbone.prepare(small_dataset(), Interactions(none, none, np.zeros(0)))
    backbone.eval()
    assert torch.equal(backbone(USERS, EVERY), torch.zeros(8, 12))
