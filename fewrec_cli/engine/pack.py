"""Supports without padding: tasks ordered by length, cut into parts of similar lengths."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Self

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.core.types import IntArray
from fewrec_cli.scenario.batch import Rows

TASKS_PER_PART = 40
"""Further tasks that are worth a further part."""
FEWEST_PARTS, MOST_PARTS = 3, 12
ONE_STEP_PARTS = 4
"""A further part costs a single step little, as its parts run together; see ``fused``."""


@dataclass(frozen=True)
class Packed:
    """The rows that count of a batch of supports, tasks in order of their number of rows.

    Neighbouring tasks make up a part, in which all are padded to the longest; the places of all
    parts stand in one flat list, so that what treats rows alike runs once for the whole batch and
    only products within a task run part by part. A pair of implicit feedback is two rows, the
    item and then its negative.

    Attributes:
        order: The batch's tasks in the order used here, ``(tasks,)``.
        rank: Place of each of the batch's tasks in ``order``, ``(tasks,)``.
        parts: Tasks and longest support of each part.
        task: Task of each row, as a place in ``order``, ``(rows,)``.
        item: ``(rows,)``.
        partner: Item mixed in, ``(rows,)``, or None.
        source: Row that stands at each place, ``(places,)``; any row where there is none.
        owner: Task of each place, ``(places,)``.
        rating: In standard units, ``(places,)``.
        share: Weight in the task's mean loss, summing to 1 over a task's rows (or pairs); 0 where
            there is no row, ``(places,)``.
        mix: Share of ``item`` in the mixture with ``partner``, ``(places,)``, or None.
        pairs: Whether the rows are pairs.
    """

    order: Tensor
    rank: Tensor
    parts: tuple[tuple[int, int], ...]
    task: Tensor
    item: Tensor
    partner: Tensor | None
    source: Tensor
    owner: Tensor
    rating: Tensor
    share: Tensor
    mix: Tensor | None
    pairs: bool

    @property
    def sizes(self) -> list[int]:
        """Number of tasks of each part."""
        return [tasks for tasks, _ in self.parts]

    def blocks(self, places: Tensor) -> list[Tensor]:
        """Return ``(places, ...)`` as one block per part, ``(tasks, longest, ...)``."""
        flat = torch.split(places, [tasks * long for tasks, long in self.parts])
        return [
            block.view(tasks, long, *places.shape[1:])
            for block, (tasks, long) in zip(flat, self.parts, strict=True)
        ]

    def cut(self, tasks: Tensor) -> tuple[Tensor, ...]:
        """Return ``(tasks, ...)`` in this order, part by part."""
        return torch.split(tasks, self.sizes)

    def back(self, tasks: Tensor) -> Tensor:
        """Return ``(tasks, ...)`` in the order of the batch."""
        return tasks.index_select(0, self.rank)


@dataclass(frozen=True)
class PlacedRows:
    """Where the features at each place stand in a table of different items.

    Attributes:
        index: ``(places,)``.
        partner: Of the items mixed in, ``(places,)``, or None.
        mix: Share of ``index`` in that mixture, ``(places,)``, or None.
    """

    index: Tensor
    partner: Tensor | None = None
    mix: Tensor | None = None

    def of(self, table: Tensor) -> Tensor:
        """Return the rows of ``table (items, width)``, mixed, ``(places, width)``."""
        rows = table.index_select(0, self.index)
        if self.partner is None or self.mix is None:
            return rows
        share = self.mix[:, None]
        return share * rows + (1 - share) * table.index_select(0, self.partner)

    def add(self, table: Tensor, gradient: Tensor) -> None:
        """Add the gradient of ``of(table)`` to that of ``table``, in place."""
        if self.partner is None or self.mix is None:
            table.index_add_(0, self.index, gradient)
            return
        share = self.mix[:, None]
        table.index_add_(0, self.index, share * gradient)
        table.index_add_(0, self.partner, (1 - share) * gradient)

    def cut(self, places: slice) -> Self:
        """Return some of the places."""
        if self.partner is None or self.mix is None:
            return replace(self, index=self.index[places])
        return replace(
            self, index=self.index[places], partner=self.partner[places], mix=self.mix[places]
        )


def pack(rows: Rows, parts: int | None = None, *, fewest: int = FEWEST_PARTS) -> Packed:
    """Leave out the rows of weight 0 and order the tasks by what is left.

    Where rows stand is worked out by numpy, in few microseconds, and sent to the device at once.

    Args:
        rows: Supports, ``(tasks, n)``; rows of weight 0 may stand anywhere.
        parts: Number of parts; None chooses it from the number of tasks.
        fewest: Parts of few tasks.
    """
    real = (rows.weight.detach() > 0).cpu().numpy()
    pairs, width = rows.negative is not None, real.shape[1]
    lengths = real.sum(1)
    order = lengths.argsort(kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    lengths = lengths[order]
    task, column = real[order].nonzero()
    flat = order[task] * width + column
    if pairs:
        lengths, task = 2 * lengths, task.repeat(2)
    shapes = cuts(lengths.tolist(), parts, fewest)
    source, owner, filled = _places(lengths, shapes)
    where = [order, rank, task, flat, source, owner, filled]
    sent = torch.from_numpy(np.concatenate(where)).to(rows.weight.device)
    on_device = torch.split_with_sizes(sent, [len(one) for one in where])
    order_, rank_, task_, flat_, source_, owner_, filled_ = on_device

    def pick(values: Tensor) -> Tensor:
        return values.flatten().index_select(0, flat_)

    total = rows.weight.sum(1, keepdim=True)
    share = pick(rows.weight / torch.where(total > 0, total, 1))
    item, rating, partner, mix = pick(rows.item), pick(rows.rating), None, None
    if rows.partner is not None and rows.mix is not None:
        partner, mix = pick(rows.partner), pick(rows.mix)
    if rows.negative is not None:
        negative = pick(rows.negative)
        item = torch.stack([item, negative], 1).flatten()
        if partner is not None and mix is not None:
            partner = torch.stack([partner, negative], 1).flatten()
            mix = torch.stack([mix, torch.ones_like(mix)], 1).flatten()
        rating, share = rating.repeat_interleave(2), share.repeat_interleave(2)
    return Packed(
        order_,
        rank_,
        shapes,
        task_,
        item,
        partner,
        source_,
        owner_,
        rating.index_select(0, source_),
        share.index_select(0, source_) * filled_,
        None if mix is None else mix.index_select(0, source_),
        pairs,
    )


def cuts(
    lengths: Sequence[int], parts: int | None = None, fewest: int = FEWEST_PARTS
) -> tuple[tuple[int, int], ...]:
    """Cut ascending lengths at even steps of their square root, which leaves little padding.

    Args:
        lengths: Ascending, one per task.
        parts: Number of parts; fewer where some would be empty; None chooses it.
        fewest: The least that is chosen.

    Returns:
        Tasks and longest length of each part.

    Example:
        >>> cuts([1, 2, 3, 9, 70, 81], 3)
        ((4, 9), (2, 81))
    """
    if not lengths:
        return ()
    if parts is None:
        parts = min(MOST_PARTS, fewest + len(lengths) // TASKS_PER_PART)
    low, high = sqrt(lengths[0]), sqrt(lengths[-1])
    bounds = [(low + (high - low) * part / parts) ** 2 for part in range(1, parts)]
    stops = sorted({*(bisect_right(lengths, bound + 1e-6) for bound in bounds), len(lengths)} - {0})
    starts = [0, *stops[:-1]]
    return tuple(
        (stop - start, lengths[stop - 1]) for start, stop in zip(starts, stops, strict=True)
    )


def _places(
    lengths: IntArray, parts: tuple[tuple[int, int], ...]
) -> tuple[IntArray, IntArray, IntArray]:
    """Return the row at each place (0 where there is none), its task, and 1 where there is one."""
    tasks, long = np.array(parts, np.int64).reshape(-1, 2).T
    wide = long.repeat(tasks)
    owner = np.arange(len(lengths)).repeat(wide)
    column = np.arange(len(owner)) - (wide.cumsum() - wide)[owner]
    filled = column < lengths[owner]
    first = (lengths.cumsum() - lengths)[owner]
    return np.where(filled, first + column, 0), owner, filled.astype(np.int64)
