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

Reads = Literal["likes", "alike", "texts", "numbers", "values"]
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


class FeatureReader(nn.Module):
    """Numbers of each (support, item): how much is liked in all, lately, and among alike items.

    ``likes``: the share of likes in the support, and in its first 1, 3, 5 rows (``recent``);
    ``alike``: for each attribute of several values the share weighted by the cosine to the item;
    ``texts``: what vectors of the items' texts, less their mean, add: the share weighted by the
    cosine where that is above 0, and the item's cosine to the likes less that to the other rows, on
    average; ``numbers``: the item's numeric attributes, standardised; ``values``: 1 for each value
    that it has of the others. The last two do not depend on the support.

    Args:
        dataset: Gives the items' attributes.
        reads: Which of them.
        recent: Sizes of the recent part.
        texts: Vectors of the items' texts, ``(items, width)``, 0 without a text; read with
            ``texts``.
    """

    numbers: Tensor

    def __init__(
        self,
        dataset: Dataset,
        reads: Sequence[Reads],
        recent: Sequence[int],
        texts: Tensor | None = None,
    ) -> None:
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
        self.texts = texts is not None
        if texts is not None:
            self.register_buffer("text", centred(texts), persistent=False)
        self.names = (
            *(("like share",) if self.likes else ()),
            *(f"like share of the first {size}" for size in self.recent),
            *(f"like share by {one.name}" for one in near),
            *(("like share by text", "text nearer to likes") if self.texts else ()),
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
        cosines = (self._cosine(name, seen, item) for name in self.alike)
        rows += [_share_by(cosine, seen, share) for cosine in cosines]
        if self.texts:
            cosine = self._cosine("text", seen, item)
            rows += [_share_by(cosine.clamp(min=0), seen, share), _nearer(cosine, seen)]
        own = functional.embedding(item, self.numbers)
        return torch.cat([torch.stack(rows, -1), own], -1) if rows else own

    def _cosine(self, name: str, seen: Liked, item: Tensor) -> Tensor:
        """Return the cosine of each candidate and support row, 0 on padding."""
        values = self.get_buffer(name)
        near = functional.embedding(item, values) @ functional.embedding(seen.item, values).mT
        return near * seen.weight[:, None]


def centred(vectors: Tensor) -> Tensor:
    """Return vectors less the mean of those that are not 0, of length 1; those that are 0 stay."""
    told = vectors.any(1, keepdim=True)
    mean = vectors.sum(0) / told.sum().clamp(min=1)
    return functional.normalize((vectors - mean) * told, dim=1)


def _share_by(near: Tensor, seen: Liked, share: Tensor) -> Tensor:
    """Return the like share weighted by nearness ``(tasks, n, rows)``, ``(tasks, n)``."""
    liked = (near * seen.liked[:, None]).sum(-1) + SHRINKAGE * share[:, None]
    return liked / (near.sum(-1) + SHRINKAGE)


def _nearer(cosine: Tensor, seen: Liked) -> Tensor:
    """Return the mean cosine to the likes less that to the other rows, 0 for neither."""

    def mean(weight: Tensor) -> Tensor:
        return (cosine * weight[:, None]).sum(-1) / weight.sum(1).clamp(min=1e-9)[:, None]

    return mean(seen.weight * seen.liked) - mean(seen.weight * (1 - seen.liked))


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
