"""Attribute embeddings against sums written out entry by entry."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import vmap

from fewrec_cli.backbone.side import SideEmbedding, at_least_one
from fewrec_cli.core.types import Field
from tests.backbone.small import bags, small_dataset


def entry_by_entry(side: SideEmbedding, fields: tuple[Field, ...], row: int) -> list[torch.Tensor]:
    """Return one weighted sum per field."""
    sums, start = [], 0
    for field in fields:
        total = torch.zeros(side.width)
        for entry in range(field.offsets[row], field.offsets[row + 1]):
            total = total + field.weight[entry] * side.table[start + field.index[entry]]
        start += len(field.vocabulary)
        sums.append(total.float())
    return sums


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=3, max_size=3),
        min_size=1,
        max_size=3,
    )
)
def test_bags_are_summed_per_field_and_over_fields(content) -> None:
    fields = tuple(bags(f"f{n}", rows, 5) for n, rows in enumerate(content))
    side = SideEmbedding(fields, 3, 2, 1.0)
    expected = [entry_by_entry(side, fields, row) for row in range(3)]
    rows = torch.tensor([[0, 1], [2, 0]])
    per_field, summed = side.per_field(rows), side(rows)
    for place in np.ndindex(2, 2):
        sums = expected[rows[place]]
        torch.testing.assert_close(per_field[place], torch.cat(sums))
        torch.testing.assert_close(summed[place], torch.stack(sums).sum(0))


def test_a_numeric_field_scales_its_only_vector() -> None:
    year = small_dataset().item_fields[1]
    side = SideEmbedding((year,), 12, 3, 1.0)
    expected = torch.from_numpy(year.weight).float()[:, None] * side.table[0]
    torch.testing.assert_close(side(torch.arange(12)), expected)


def test_without_fields_there_is_nothing_to_add() -> None:
    side = SideEmbedding((), 4, 3, 1.0)
    assert torch.equal(side(torch.tensor([[0, 3]])), torch.zeros(1, 2, 3))
    assert side.per_field(torch.tensor([[0, 3]])).shape == (1, 2, 0)


def test_lookup_per_task_equals_the_lookup_at_once() -> None:
    side = SideEmbedding(small_dataset().item_fields, 12, 3, 1.0)
    rows = torch.arange(12).reshape(3, 4)
    torch.testing.assert_close(vmap(side)(rows), side(rows))
    torch.testing.assert_close(vmap(side.per_field)(rows), side.per_field(rows))


def test_padding_of_short_bags_gets_no_gradient() -> None:
    field = bags("genres", [[2], [1, 2, 3], []], 4)
    side = SideEmbedding((field,), 3, 2, 1.0)
    side(torch.tensor([0, 2])).sum().backward()
    assert side.table.grad is not None
    assert side.table.grad.sum(1).tolist() == [0.0, 0.0, 2.0, 0.0]


def test_owners_count_their_rows_and_at_least_one() -> None:
    assert at_least_one(np.array([3, 0, 0, 2, 0])).tolist() == [3, 1, 1, 2, 1]
