"""What is told of reading pairs."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from fewrec_cli.backbone.pairs import PairVectors
from fewrec_cli.core import progress


class Layout:
    """Every sequence has 8 tokens."""

    def lengths(self, user: Tensor, item: Tensor) -> Tensor:
        """Return ``(pairs,)``."""
        return torch.full_like(user, 8)


class Trunk(nn.Module):
    """Reads nothing."""

    width = 2

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(3, 2).requires_grad_(False)


class Reading(PairVectors):
    """Finds zeros."""

    def _read(self, user: Tensor, item: Tensor, width: int) -> Tensor:
        return torch.zeros(len(user), 2)


def test_a_training_that_reads_at_each_step_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "PROBE_S", 0.0)
    monkeypatch.setattr(progress, "WORTH_SAYING_S", -1e9)
    told: list[str] = []
    pairs = Reading(cast("Any", Layout()), cast("Any", Trunk()), 100, False, told.append)
    with torch.no_grad():
        for start, count in ((0, 10), (10, 12), (22, 20), (42, 41), (0, 83)):
            pairs(torch.zeros(count, dtype=torch.long), torch.arange(start, start + count))
    assert [line.split(":")[0] for line in told] == [
        "reading 10 pairs of a user and an item",
        "reading 41 pairs of a user and an item",
    ]
