"""Who speaks for a candidate: rows of the support by their items, or users who rated it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fewrec_cli.strategy.neighbours_alike import TINY, Similarity, correlation, shrunk
from fewrec_cli.strategy.neighbours_table import Seen, Table

CELLS = 1 << 20
"""Shared ratings, and (candidate, rater) pairs, that are looked at at a time."""


@dataclass(frozen=True)
class Heard:
    """What the neighbours of candidates say.

    Attributes:
        total: Σ s · deviation over the neighbours, s being the similarity, ``(tasks, n)``.
        weight: Σ abs(s); for implicit data how many neighbours there could be, ``(tasks, n)``.
        known: Whether any neighbour spoke; for implicit data, could have, ``(tasks, n)``.
    """

    total: Tensor
    weight: Tensor
    known: Tensor


class Voices(nn.Module, ABC):
    """Neighbours, and how loud each is."""

    @abstractmethod
    def hear(self, seen: Seen, item: Tensor) -> Heard:
        """Ask the neighbours of candidates ``item (tasks, n)``."""


class ItemVoices(Voices):
    """The rows of a support, each as loud as its item is like the candidate.

    Args:
        likeness: Similarity of every two items, ``(items, items)``.
        neighbours: How many rows speak, those of the largest abs(similarity); None: all.
        implicit: Whether rows only say that an interaction happened.
    """

    likeness: Tensor
    described: Tensor

    def __init__(self, likeness: Tensor, neighbours: int | None, *, implicit: bool) -> None:
        super().__init__()
        self.register_buffer("likeness", likeness, persistent=False)
        self.register_buffer("described", likeness.diagonal() != 0, persistent=False)
        self.neighbours = neighbours
        self.implicit = implicit

    def hear(self, seen: Seen, item: Tensor) -> Heard:
        """Ask the rows of the support."""
        near = self.likeness[item[:, :, None], seen.item[:, None, :]] * seen.weight[:, None, :]
        deviation = seen.deviation[:, None, :].expand_as(near)
        if self.neighbours is not None and near.shape[2] > self.neighbours:
            place = near.abs().topk(self.neighbours, dim=2).indices
            near, deviation = near.gather(2, place), deviation.gather(2, place)
        total, weight = (near * deviation).sum(2), near.abs().sum(2)
        if not self.implicit:
            return Heard(total, weight, weight > 0)
        rows = seen.weight.sum(1, keepdim=True)
        most = rows if self.neighbours is None else rows.clamp(max=self.neighbours)
        return Heard(total, most.expand_as(total), self.described[item] & (rows > 0))


class UserVoices(Voices):
    """Training users who rated the candidate, each as loud as they are like the task's user.

    Args:
        table: The training rows.
        similarity: Of two users' deviations: the cosine, 0 where one of them rated an item alone,
            or Pearson's correlation over the items that both rated.
        shrinkage: s · n / (n + shrinkage) with n items that both rated, >= 0.
        neighbours: How many users speak, those of the largest abs(similarity); None: all.
    """

    def __init__(
        self, table: Table, similarity: Similarity, shrinkage: float, neighbours: int | None
    ) -> None:
        super().__init__()
        self.table = table
        self.similarity = similarity
        self.shrinkage = shrinkage
        self.neighbours = neighbours

    def hear(self, seen: Seen, item: Tensor) -> Heard:
        """Ask the users, so many tasks at a time that their similarities fit."""
        step = max(1, 16 * CELLS // max(len(self.table.length), 1))
        parts = [
            self._hear(seen.take(slice(start, start + step)), item[start : start + step])
            for start in range(0, max(len(item), 1), step)
        ]
        columns = zip(*((one.total, one.weight, one.known) for one in parts), strict=True)
        return Heard(*(torch.cat(column) for column in columns))

    def likeness(self, seen: Seen) -> Tensor:
        """Return how like each task's user every training user is, ``(tasks, users)``."""
        table, pearson = self.table, self.similarity == "pearson"
        tasks, users = len(seen.item), len(table.length)
        sums = table.level.new_zeros(6 if pearson else 2, tasks * users)
        task, column = torch.nonzero(seen.weight > 0, as_tuple=True)
        item, own = seen.item[task, column], seen.deviation[task, column]
        count = table.raters[item]
        for part in _fitting(count):
            row, place = table.expand(item[part])
            x, y = own[part][row], table.deviation[place]
            cell = task[part][row] * users + table.user[place]
            numbers = (x * y, torch.ones_like(x), x, y, x * x, y * y)
            for into, values in zip(sums, numbers, strict=False):
                into.index_add_(0, cell, values)
        product, both, *rest = sums.view(-1, tasks, users)
        if pearson:
            return shrunk(correlation(product, both, *rest), both, self.shrinkage)
        length = (seen.deviation * seen.weight).square().sum(1).sqrt()
        cosine = product / (length[:, None] * table.length).clamp(min=TINY)
        return shrunk(cosine, both, self.shrinkage)

    def _hear(self, seen: Seen, item: Tensor) -> Heard:
        table, likeness = self.table, self.likeness(seen)
        task = torch.arange(len(item), device=item.device)[:, None].expand_as(item).flatten()
        flat = item.flatten()
        count = table.raters[flat]
        found = likeness.new_zeros(2, len(flat))
        order = torch.argsort(count)
        for part in _fitting(count[order], padded=True):
            pair = order[part]
            longest = int(count[pair].max())
            if not longest:
                continue
            column = torch.arange(longest, device=item.device)
            place = (table.offsets[flat[pair], None] + column).clamp(max=len(table) - 1)
            near = likeness[task[pair, None], table.user[place]] * (column < count[pair, None])
            if self.neighbours is not None and longest > self.neighbours:
                best = near.abs().topk(self.neighbours, dim=1).indices
                near, place = near.gather(1, best), place.gather(1, best)
            found[0, pair] = (near * table.deviation[place]).sum(1)
            found[1, pair] = near.abs().sum(1)
        total, weight = found.view(2, *item.shape)
        if not table.implicit:
            return Heard(total, weight, weight > 0)
        most = len(table.length) if self.neighbours is None else self.neighbours
        shown = (table.raters[item] > 0) & (seen.weight.sum(1, keepdim=True) > 0)
        return Heard(total, torch.full_like(total, most), shown)


def _fitting(count: Tensor, *, padded: bool = False) -> Iterator[Tensor]:
    """Cut rows into parts that take ``CELLS`` at most (a single row is never split).

    Args:
        count: What each row takes, ``(rows,)``.
        padded: Every row of a part takes as much as its last; counts ascend.
    """
    counts, start = count.tolist(), 0
    place = torch.arange(len(counts), device=count.device)
    while start < len(counts):
        stop, taken = start, 0
        while stop < len(counts):
            taken = counts[stop] * (stop - start + 1) if padded else taken + counts[stop]
            if taken > CELLS and stop > start:
                break
            stop += 1
        yield place[start:stop]
        start = stop
