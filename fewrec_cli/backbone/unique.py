"""The different items of many rows, so that each is looked up once."""

import numpy as np
import torch
from torch import Tensor

ROWS_PER_FLAG = 64
"""A catalogue of up to this many items per row is marked; in a larger one rows are sorted."""


def kept(item: Tensor, dropout: float) -> Tensor | None:
    """Draw for each row whether its item's id is seen, booleans; None without dropout."""
    if dropout == 0:
        return None
    return torch.rand(item.shape, device=item.device) >= dropout


def different(item: Tensor, keep: Tensor | None, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the different pairs of item and kept.

    Args:
        item: ``(rows,)``, below ``size``.
        keep: Whether each row's id is seen, ``(rows,)``; None is always.
        size: Number of items of the catalogue.

    Returns:
        Item ``(different,)``, kept ``(different,)`` and the place of each row among them.
    """
    if keep is None:
        values, index = _unique(item, size)
        return values, torch.ones_like(values), index
    values, index = _unique(2 * item + keep, 2 * size)
    return values // 2, values % 2, index


def _unique(values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    if size > ROWS_PER_FLAG * len(values):
        found, index = torch.unique(values, return_inverse=True)
        return found, index
    if values.device.type == "cpu":
        return _marked(values, size)
    seen = torch.zeros(size, dtype=torch.bool, device=values.device)
    seen[values] = True
    place = seen.cumsum(0) - 1
    return seen.nonzero()[:, 0], place.index_select(0, values)


def _marked(values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Let each value's last row stand for it: no sorting, and only the values' marks are read."""
    rows, every = values.numpy(), np.arange(len(values))
    mark = np.empty(size, np.int64)
    mark[rows] = every
    last = mark[rows]
    stands = last == every
    index = (stands.cumsum() - 1)[last]
    return torch.from_numpy(rows[stands]), torch.from_numpy(index)
