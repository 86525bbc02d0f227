"""The different items of many rows, so that each is looked up once."""

import torch
from torch import Tensor

ROWS_PER_FLAG = 4
"""A catalogue of up to this many items per row is flagged; in a larger one rows are sorted."""


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
    seen = torch.zeros(size, dtype=torch.bool, device=values.device)
    seen[values] = True
    place = seen.cumsum(0) - 1
    return seen.nonzero()[:, 0], place.index_select(0, values)
