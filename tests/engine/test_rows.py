"""The linear view of many rows, against the head's view of what ``encode`` returns."""

import pytest
import torch

from fewrec_cli.engine.rows import linear_rows, linear_support
from fewrec_cli.engine.weights import encode
from tests.engine.case import case, close


@pytest.mark.parametrize("fields", [True, False], ids=["fields", "no fields"])
@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_rows_are_the_linear_view_of_their_features(kind: str, fields: bool) -> None:
    made = case(kind, fields=fields)
    item = made.support.item
    expected = made.backbone.head.linear_view(made.backbone.encode(made.user, item))
    for found, wanted in zip(linear_rows(made.backbone, made.user, item), expected, strict=True):
        close(found, wanted)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_mixed_rows_are_mixed_before_the_view(kind: str) -> None:
    made = case(kind, feedback="mixup")
    expected = made.backbone.head.linear_view(encode(made.backbone, made.user, made.support))
    found = linear_support(made.backbone, made.user, made.support)
    for one, other in zip((found.offset, found.design), expected, strict=True):
        close(one, other)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_negatives_are_further_rows_of_rating_0(kind: str) -> None:
    made = case(kind, feedback="implicit")
    item, negative, weight = made.support.item, made.support.negative, made.support.weight
    assert negative is not None
    both = torch.cat([item, negative], 1)
    expected = made.backbone.head.linear_view(made.backbone.encode(made.user, both))
    found = linear_support(made.backbone, made.user, made.support)
    for one, other in zip((found.offset, found.design), expected, strict=True):
        close(one, other)
    n = item.shape[1]
    assert bool((found.rating[:, :n] == 1).all())
    assert bool((found.rating[:, n:] == 0).all())
    close(found.weight[:, :n], weight)
    close(found.weight[:, n:], weight)


def test_no_row_has_an_empty_view() -> None:
    made = case("mf")
    offset, design = linear_rows(made.backbone, made.user, made.support.item[:, :0])
    assert offset.shape == (4, 0)
    assert design.shape == (4, 0, len(made.backbone.head.linear_weights()))


def test_the_gradient_reaches_each_item_as_often_as_it_stands_there() -> None:
    made = case("mf")
    item = made.support.item

    def gradient(features: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        total = features[0].sin().sum() + features[1].square().sum()
        return torch.autograd.grad(total, made.backbone.get_parameter("item"))[0]

    whole = made.backbone.head.linear_view(made.backbone.encode(made.user, item))
    close(gradient(linear_rows(made.backbone, made.user, item)), gradient(whole))
