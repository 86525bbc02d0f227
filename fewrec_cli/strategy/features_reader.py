"""A few plain numbers about a support and an item: what ``strategy=features`` weighs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.core.types import Field
from fewrec_cli.data.base import Dataset

Reads = Literal["likes", "alike", "numbers", "values"]
SHRINKAGE = 0.5
"""Alike items at the plain like share that are added to each share among alike items."""


@dataclass(frozen=True)
class Liked:
    """Supports as likes, in the order of the draw: windows give the newest first.

    Attributes:
        item: ``(tasks, n)``.
        liked: 1 or 0, ``(tasks, n)``.
        weight: 0 on padding, ``(tasks, n)``.
    """

    item: Tensor
    liked: Tensor
    weight: Tensor

    def take(self, tasks: Tensor) -> Self:
        """Return some of the tasks, by their index ``(n,)``."""
        return type(self)(self.item[tasks], self.liked[tasks], self.weight[tasks])

    def without(self, row: int) -> Self:
        """Return the supports less one of their rows."""
        keep = [column for column in range(self.item.shape[1]) if column != row]
        return type(self)(self.item[:, keep], self.liked[:, keep], self.weight[:, keep])


class FeatureReader(nn.Module):
    """Numbers of each (support, item): how much is liked in all, lately, and among alike items.

    ``likes``: the share of likes in the support, and in its first 1, 3, 5 rows (``recent``);
    ``alike``: for each attribute of several values the share weighted by the cosine to the item;
    ``numbers``: the item's numeric attributes, standardised; ``values``: 1 for each value that it
    has of the others. The last two do not depend on the support.

    Args:
        dataset: Gives the items' attributes.
        reads: Which of them.
        recent: Sizes of the recent part.
    """

    numbers: Tensor

    def __init__(self, dataset: Dataset, reads: Sequence[Reads], recent: Sequence[int]) -> None:
        super().__init__()
        self.likes = "likes" in reads
        self.recent = tuple(recent) if self.likes else ()
        numeric = [one for one in dataset.item_fields if one.kind == "numeric"]
        several = [one for one in dataset.item_fields if one.kind != "numeric"]
        near = several if "alike" in reads else []
        own = numeric if "numbers" in reads else []
        words = several if "values" in reads else []
        columns = [_dense(one)[:, :1] for one in own] + [(_dense(one) > 0).float() for one in words]
        table = torch.cat(columns, 1) if columns else torch.zeros(dataset.n_items, 0)
        self.register_buffer("numbers", table)
        self.alike = [f"alike_{place}" for place in range(len(near))]
        for name, one in zip(self.alike, near, strict=True):
            self.register_buffer(name, functional.normalize(_dense(one), dim=1))
        self.names = (
            *(("like share",) if self.likes else ()),
            *(f"like share of the first {size}" for size in self.recent),
            *(f"like share by {one.name}" for one in near),
            *(one.name for one in own),
            *(f"{one.name} {word}" for one in words for word in one.vocabulary),
        )

    def forward(self, seen: Liked, item: Tensor, usual: Tensor) -> Tensor:
        """Return the numbers, ``(tasks, n, len(names))``.

        Args:
            seen: Supports.
            item: ``(tasks, n)``.
            usual: Like share of a support without rows, a scalar.
        """
        share = _share(seen, seen.item.shape[1], usual)
        parts = [share] if self.likes else []
        parts += [_share(seen, size, usual) for size in self.recent]
        rows = [part[:, None].expand(item.shape) for part in parts]
        for name in self.alike:
            values = self.get_buffer(name)
            near = functional.embedding(item, values) @ functional.embedding(seen.item, values).mT
            near = near * seen.weight[:, None]
            liked = (near * seen.liked[:, None]).sum(-1) + SHRINKAGE * share[:, None]
            rows.append(liked / (near.sum(-1) + SHRINKAGE))
        own = functional.embedding(item, self.numbers)
        return torch.cat([torch.stack(rows, -1), own], -1) if rows else own


def _share(seen: Liked, size: int, usual: Tensor) -> Tensor:
    """Return the share of likes among the first rows, ``(tasks,)``."""
    weight = seen.weight[:, :size]
    total = weight.sum(1)
    share = (weight * seen.liked[:, :size]).sum(1) / total.clamp(min=1e-9)
    return torch.where(total > 0, share, usual)


def _dense(field: Field) -> Tensor:
    """Return a field as a table, ``(items, vocabulary)``."""
    table = np.zeros((len(field), len(field.vocabulary)))
    row = np.repeat(np.arange(len(field)), np.diff(field.offsets))
    np.add.at(table, (row, field.index), field.weight)
    return torch.from_numpy(table).float()
