"""Embeddings of side fields, written so that a lookup works per task under vmap."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.backbone.bags import weighted_sums
from fewrec_cli.core.types import Field, IntArray


class SideEmbedding(nn.Module):
    """All attributes of the users (or items) as one table and padded bags of its rows.

    Args:
        fields: Attributes; none gives an embedding of width 0 fields.
        width: Numbers per vocabulary entry.
        scale: Standard deviation of the starting values.
    """

    index: Tensor
    weight: Tensor

    def __init__(self, fields: Sequence[Field], rows: int, width: int, scale: float) -> None:
        super().__init__()
        self.n_fields = len(fields)
        self.width = width
        bags = [_padded(field, rows) for field in fields]
        self.spans = [int(bag.shape[1]) for bag, _ in bags]
        starts = np.cumsum([0, *(len(field.vocabulary) for field in fields)])
        index = [bag + start for (bag, _), start in zip(bags, starts[:-1], strict=True)]
        self.register_buffer(
            "index", torch.from_numpy(np.concatenate(index, 1) if index else _none(rows, np.int64))
        )
        weight = [part for _, part in bags]
        self.register_buffer(
            "weight",
            torch.from_numpy(np.concatenate(weight, 1) if weight else _none(rows, np.float32)),
        )
        self.table = nn.Parameter(torch.randn(int(starts[-1]), width) * scale)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the weighted sum over each row's bag, ``(..., width)`` for rows ``(...)``."""
        if self.n_fields == 0:
            return self.table.new_zeros((*rows.shape, self.width))
        return self._entries(rows).sum(-2)

    def per_field(self, rows: Tensor) -> Tensor:
        """Return one sum per field, side by side, ``(..., fields x width)``."""
        if self.n_fields == 0:
            return self.table.new_zeros((*rows.shape, 0))
        parts = torch.split(self._entries(rows), self.spans, -2)
        return torch.cat([part.sum(-2) for part in parts], -1)

    def sums(self, rows: Tensor, *, per_field: bool) -> Tensor:
        """Return what ``forward`` or ``per_field`` returns for ``(rows,)``, without any entry.

        Faster than these, forwards and backwards; not under vmap.
        """
        if self.n_fields == 0:
            return self.per_field(rows) if per_field else self(rows)
        spans = self.spans if per_field else [sum(self.spans)]
        index, weight = self.index.index_select(0, rows), self.weight.index_select(0, rows)
        return weighted_sums(self.table, index, weight.to(self.table), spans)

    def _entries(self, rows: Tensor) -> Tensor:
        entries = functional.embedding(functional.embedding(rows, self.index), self.table)
        return entries * functional.embedding(rows, self.weight)[..., None]


def at_least_one(counts: IntArray) -> Tensor:
    """Return how many rows each owner has, at least 1, as floats ``(owners,)``."""
    return torch.from_numpy(counts).float().clamp(min=1)


def _padded(field: Field, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return index and weight of a field's bags, padded with weight 0, ``(rows, longest)``."""
    lengths = np.diff(field.offsets)
    longest = max(int(lengths.max(initial=0)), 1)
    filled = np.arange(longest) < lengths[:, None]
    index = np.zeros((rows, longest), np.int64)
    weight = np.zeros((rows, longest), np.float32)
    index[filled] = field.index
    weight[filled] = field.weight
    return index, weight


def _none(rows: int, dtype: type) -> np.ndarray:
    return np.zeros((rows, 0), dtype)
