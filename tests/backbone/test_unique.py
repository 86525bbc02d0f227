"""Each different item is looked up once, whichever way the different ones are found."""

import pytest
import torch

from fewrec_cli.backbone.unique import ROWS_PER_FLAG, different


@pytest.mark.parametrize("rows", [0, 1, 40])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("large", [False, True])
def test_rows_point_at_their_own_item_and_no_item_comes_twice(
    rows: int, *, dropout: bool, large: bool
) -> None:
    generator = torch.Generator().manual_seed(rows)
    size = 2 * ROWS_PER_FLAG * max(rows, 1) if large else 17
    item = torch.randint(0, size if rows < 40 else 17, (rows,), generator=generator)
    keep = torch.rand(rows, generator=generator) < 0.5 if dropout else None
    found, kept, index = different(item, keep, size)
    assert torch.equal(found[index], item)
    assert torch.equal(kept[index].bool(), torch.ones(rows).bool() if keep is None else keep)
    assert len({*zip(found.tolist(), kept.tolist(), strict=True)}) == len(found)
