"""What was read is found again, within the memory it may take."""

import pytest
import torch

from fewrec_cli.backbone import memo as module
from fewrec_cli.backbone.memo import Memo


def test_values_are_found_by_their_keys_and_never_take_more_than_their_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BYTES", 10 * 3 * 4)
    memo = Memo()
    values = torch.arange(36.0).view(12, 3)
    for some in ([7, 2, 9], [4, 1], [11, 0, 5, 3, 10, 8, 6]):
        keys = torch.tensor(some)
        assert torch.equal(memo.missing(keys), torch.arange(len(keys)))
        memo.add(keys, values[keys])
        assert memo._values.numel() * 4 <= module.BYTES
    assert len(memo) == 10
    every = torch.arange(12)
    lost = memo.missing(every)
    assert sorted(lost.tolist()) == [6, 8]
    there = every[~torch.isin(every, lost)]
    assert torch.equal(memo.take(there), values[there])
