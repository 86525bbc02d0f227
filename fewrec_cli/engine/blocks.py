"""Views of flat rows, block by block: a block's tasks are padded to one length."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Blocks:
    """A run of blocks whose rows stand one after the other.

    Args:
        shapes: Tasks and longest support of each block.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]]) -> None:
        self.shapes = shapes
        self.sizes = [tasks for tasks, _ in shapes]
        self.places = [tasks * long for tasks, long in shapes]

    def rows(self, flat: Tensor) -> list[Tensor]:
        """Return ``(places, width)`` as one ``(tasks, longest, width)`` per block."""
        each = torch.split_with_sizes(flat, self.places)
        return [
            block.view(tasks, long, block.shape[1])
            for block, (tasks, long) in zip(each, self.shapes, strict=True)
        ]

    def tasks(self, values: Tensor) -> Sequence[Tensor]:
        """Return ``(tasks, ...)`` block by block."""
        return torch.split_with_sizes(values, self.sizes) if len(self.sizes) > 1 else (values,)

    def sums(self, rows: Sequence[Tensor]) -> Tensor:
        """Return the sum over each task's rows, ``(tasks, 1, width)``."""
        each = [block.sum(1, keepdim=True) for block in rows]
        return torch.cat(each) if len(each) > 1 else each[0]

    def add(self, flat: Tensor, values: Tensor) -> Tensor:
        """Add each task's ``(tasks, 1, width)`` to all its rows ``(places, width)``, in place."""
        for block, one in zip(self.rows(flat), self.tasks(values), strict=True):
            block.add_(one)
        return flat

    def totals(self, flat: Tensor) -> Tensor:
        """Return the sum over each task's rows ``(places, width)``, ``(tasks, width)``."""
        return self.sums(self.rows(flat))[:, 0]
