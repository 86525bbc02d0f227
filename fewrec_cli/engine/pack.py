"""Supports without padding: tasks ordered by length, cut into parts of similar lengths."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fewrec_cli.scenario.batch import Rows

TASKS_PER_PART = 48
"""Tasks that are worth a part of their own."""
MOST_PARTS = 8


@dataclass(frozen=True)
class Packed:
    """Every row of a batch of supports that counts, task after task, shortest support first.

    A pair of implicit feedback is two rows, the item and then its negative.

    Attributes:
        order: The batch's tasks in the order used here, ``(tasks,)``.
        place: Where each of the batch's tasks stands in that order, ``(tasks,)``.
        task: Task of each row, as a place in the order, ``(rows,)``.
        item: ``(rows,)``.
        rating: In standard units, ``(rows,)``.
        share: Weight in the task's mean loss, ``(rows,)``; summing to 1 over a task's rows, or
            its pairs.
        partner: Item mixed in, ``(rows,)``, or None.
        mix: Share of ``item`` in that mixture, ``(rows,)``, or None.
        pairs: Whether the rows are pairs.
        parts: Tasks and longest support of each part, in order.
        source: Row at each place of the padded parts, one part after the other, 0 where there is
            none, ``(places,)``.
        target: Place of each row, ``(rows,)``.
        blank: Places without a row.
    """

    order: Tensor
    place: Tensor
    task: Tensor
    item: Tensor
    rating: Tensor
    share: Tensor
    partner: Tensor | None
    mix: Tensor | None
    pairs: bool
    parts: tuple[tuple[int, int], ...]
    source: Tensor
    target: Tensor
    blank: Tensor

    def pad(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return packed rows as one block per part, ``(tasks, longest, ...)``, 0 as padding."""
        width = rows.shape[1:]
        if not len(rows):
            return tuple(rows.new_zeros((tasks, long, *width)) for tasks, long in self.parts)
        padded: Tensor = _Pad.apply(rows, self.source, self.target, self.blank)  # type: ignore[no-untyped-call]
        blocks = torch.split(padded, [tasks * long for tasks, long in self.parts])
        return tuple(
            block.view(tasks, long, *width)
            for block, (tasks, long) in zip(blocks, self.parts, strict=True)
        )

    def cut(self, of_tasks: Tensor) -> tuple[Tensor, ...]:
        """Return what belongs to tasks in this order, ``(tasks, ...)``, part by part."""
        return torch.split(of_tasks, self.sizes)

    @property
    def sizes(self) -> list[int]:
        """Number of tasks of each part."""
        return [tasks for tasks, _ in self.parts]


@dataclass(frozen=True)
class SupportRows:
    """Where the features of packed rows stand in a table of different items.

    Attributes:
        index: ``(rows,)``.
        partner: Of the items mixed in, ``(rows,)``, or None.
        mix: Share of ``index`` in that mixture, ``(rows,)``, or None.
    """

    index: Tensor
    partner: Tensor | None = None
    mix: Tensor | None = None

    def of(self, table: Tensor) -> Tensor:
        """Return the rows of ``table (items, width)``, mixed, ``(rows, width)``."""
        rows = table.index_select(0, self.index)
        if self.partner is None or self.mix is None:
            return rows
        share = self.mix[:, None]
        return share * rows + (1 - share) * table.index_select(0, self.partner)


class _Pad(torch.autograd.Function):
    """A gather that meets every row once, so that its gradient is a gather too."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, source: Tensor, target: Tensor, blank: Tensor) -> Tensor:
        ctx.save_for_backward(target)
        return rows.index_select(0, source).index_fill_(0, blank, 0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (target,) = ctx.saved_tensors
        return gradients[0].index_select(0, target), None, None, None


def pack(rows: Rows, parts: int | None = None) -> Packed:
    """Leave out the rows of weight 0 and order the tasks by what is left.

    Args:
        rows: Supports, ``(tasks, n)``; rows of weight 0 may stand anywhere.
        parts: Number of parts; None chooses it from the number of tasks.
    """
    real = rows.weight > 0
    lengths, order = real.sum(1).sort(stable=True)
    sizes: list[int] = lengths.tolist()
    width = rows.item.shape[1]
    index = real.index_select(0, order).flatten().nonzero()[:, 0]
    task = index.div(max(width, 1), rounding_mode="floor")
    flat = order.index_select(0, task) * width + index - task * width
    column = torch.arange(len(index), device=index.device)
    column = column - (lengths.cumsum(0) - lengths).index_select(0, task)
    total = rows.weight.sum(1)
    share = rows.weight / torch.where(total > 0, total, torch.ones_like(total))[:, None]

    def pick(values: Tensor) -> Tensor:
        return values.flatten().index_select(0, flat)

    item, rating, share = pick(rows.item), pick(rows.rating), pick(share)
    partner = mix = None
    if rows.partner is not None and rows.mix is not None:
        partner, mix = pick(rows.partner), pick(rows.mix)
    pairs = rows.negative is not None
    if rows.negative is not None:
        negative = pick(rows.negative)
        item = torch.stack([item, negative], 1).flatten()
        if partner is not None and mix is not None:
            partner = torch.stack([partner, negative], 1).flatten()
            mix = torch.stack([mix, torch.ones_like(mix)], 1).flatten()
        rating, share = rating.repeat_interleave(2), share.repeat_interleave(2)
        task = task.repeat_interleave(2)
        column = torch.stack([2 * column, 2 * column + 1], 1).flatten()
        sizes = [2 * size for size in sizes]
    shapes = cuts(sizes, parts)
    target, places = _targets(task, column, shapes)
    source = torch.zeros(places, dtype=torch.long, device=item.device)
    source[target] = torch.arange(len(item), device=item.device)
    blank = torch.ones(places, dtype=torch.bool, device=item.device)
    blank[target] = False
    return Packed(
        order,
        order.argsort(),
        task,
        item,
        rating,
        share,
        partner,
        mix,
        pairs,
        shapes,
        source,
        target,
        blank.nonzero()[:, 0],
    )


def cuts(lengths: Sequence[int], parts: int | None = None) -> tuple[tuple[int, int], ...]:
    """Cut ascending lengths into parts whose lengths have the same ratio.

    Args:
        lengths: Ascending, one per task.
        parts: Number of parts; fewer where some would be empty.

    Returns:
        Tasks and longest length of each part.

    Example:
        >>> cuts([1, 2, 3, 9, 70, 81], 3)
        ((3, 3), (1, 9), (2, 81))
    """
    if not lengths:
        return ()
    if parts is None:
        parts = min(MOST_PARTS, 1 + len(lengths) // TASKS_PER_PART)
    low, high = max(lengths[0], 1), max(lengths[-1], 1)
    bounds = [low * (high / low) ** (part / parts) for part in range(1, parts)]
    stops = sorted({*(bisect_right(lengths, bound + 1e-6) for bound in bounds), len(lengths)} - {0})
    starts = [0, *stops[:-1]]
    return tuple(
        (stop - start, lengths[stop - 1]) for start, stop in zip(starts, stops, strict=True)
    )


def _targets(
    task: Tensor, column: Tensor, parts: tuple[tuple[int, int], ...]
) -> tuple[Tensor, int]:
    """Return where each row stands in the padded parts, and how many places these have."""
    starts: list[int] = []
    place = 0
    for tasks, long in parts:
        starts += [place + number * long for number in range(tasks)]
        place += tasks * long
    first = torch.tensor(starts, dtype=torch.long, device=task.device)
    return first.index_select(0, task) + column, place
