"""A whole catalogue for many tasks: the item side once, then a few products per block of tasks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.base import Adapted
from fewrec_cli.engine.memory import fitting
from fewrec_cli.engine.weights import TaskWeights

CACHE = 1 << 20
"""Bytes of hidden units that stay in a CPU core's cache between two layers."""


@dataclass(frozen=True)
class Ranked:
    """The best items of each task that it has not seen.

    Attributes:
        item: Best first, of equal scores the lower item first, ``(tasks, k)``; -1 where a task
            has fewer unseen items than k.
        score: Standard units, ``(tasks, k)``; -inf there.
    """

    item: Tensor
    score: Tensor


@torch.no_grad()
def top(
    backbone: Backbone, adapted: Adapted, user: Tensor, seen: Tensor, k: int, n_items: int
) -> Ranked:
    """Rank the catalogue for adapted tasks.

    Args:
        backbone: Shared weights, in eval mode.
        adapted: What the tasks learned.
        user: ``(tasks,)``.
        seen: Items that are left out, padded with -1, ``(tasks, m)``.
        k: Length of the lists, >= 1; may exceed the catalogue.
        n_items: Size of the catalogue.
    """
    catalogue = Catalogue(backbone, n_items)
    blocks = [
        _best(catalogue, adapted.take(tasks), user[tasks], seen[tasks], k)
        for tasks in catalogue.blocks(len(user), user.device)
    ]
    if not blocks:
        return Ranked(user.new_zeros(0, k), backbone.rating_mean.new_zeros(0, k))
    item = torch.cat([block.item for block in blocks])
    return Ranked(item, torch.cat([block.score for block in blocks]))


class Catalogue:
    """The item side of a backbone, computed once and used for every block of tasks.

    Heads of the forms ``factor`` and ``mlp`` with adapted weights in the head are scored by
    matrix products over (tasks, items); anything else is asked for each (task, item).

    Args:
        backbone: In eval mode; its weights must not change while this is used.
        n_items: Size of the catalogue.
    """

    def __init__(self, backbone: Backbone, n_items: int) -> None:
        self.backbone = backbone
        self.n_items = n_items
        self.items = torch.arange(n_items, device=backbone.rating_mean.device)
        self._half = self._item_half()

    def scores(self, adapted: Adapted, user: Tensor, part: slice = slice(None)) -> Tensor:
        """Score the items of the catalogue for each task.

        Args:
            adapted: What the tasks learned.
            user: ``(tasks,)``.
            part: Which of the items; all by default.

        Returns:
            Standard units, ``(tasks, items)``.
        """
        if self._half is None or not _in_head(adapted):
            item = self.items[part].expand(len(user), -1)
            return adapted.predict(self.backbone, user, item).score
        mine = self.backbone.halves(user, self.items[:0], self.items[:0]).user
        own = adapted.values_by_name()
        if self.backbone.head.spec.form == "factor":
            return self._factor(own, mine, self._half[:, part])
        return self._mlp(own, mine, self._half[:, part])

    def blocks(self, tasks: int, device: torch.device) -> Iterator[Tensor]:
        """Cut tasks into blocks whose hidden units fit into cache (CPU) or free memory (GPU)."""
        step = max(1, self._cells(device) // max(self.n_items, 1))
        for start in range(0, tasks, step):
            yield torch.arange(start, min(start + step, tasks), device=device)

    def parts(self, tasks: int, device: torch.device) -> Iterator[slice]:
        """Cut the catalogue into parts so that a block of tasks fits into free memory."""
        step = max(1, fitting(device, self._cell_bytes()) // max(tasks, 1))
        for start in range(0, self.n_items, step):
            yield slice(start, min(start + step, self.n_items))

    def _cells(self, device: torch.device) -> int:
        cells = fitting(device, self._cell_bytes())
        return cells if device.type == "cuda" else min(cells, CACHE // self._hidden_bytes())

    def _cell_bytes(self) -> int:
        """Return what one (task, item) takes at once: two layers, their copies, the score."""
        return 4 * self._hidden_bytes()

    def _hidden_bytes(self) -> int:
        spec = self.backbone.head.spec
        wide = max(spec.widths[1:], default=1) if self._half is not None else max(spec.widths)
        return wide * self.backbone.rating_mean.element_size()

    def _item_half(self) -> Tensor | None:
        """Return the item side as columns, ``(item width, items)``, or None if there is none."""
        if self.backbone.head.spec.form == "other":
            return None
        none = self.items[:0]
        if not self.backbone.halves(none, none, none).user.shape[1]:
            return None
        halves = self.backbone.halves(none, torch.zeros_like(self.items), self.items)
        return halves.item.index_select(0, halves.index).T.contiguous()

    def _factor(self, own: Mapping[str, Tensor], mine: Tensor, half: Tensor) -> Tensor:
        """Return (prior + p)·q + prior's offset + b + the item's offset."""
        head = dict(self.backbone.head.named_parameters())
        factor = mine[:, :-1] + own.get("head.factor", head["factor"])
        offset = mine[:, -1] + own.get("head.bias", head["bias"])
        return torch.addmm(half[-1], factor, half[:-1]) + offset[:, None]

    def _mlp(self, own: Mapping[str, Tensor], mine: Tensor, half: Tensor) -> Tensor:
        """Run the layers with items along the last axis: ``(tasks, width, items)``."""
        tasks, width = mine.shape
        weight, bias = self._layer(own, 0, tasks)
        start = torch.baddbmm(bias[..., None], weight[..., :width], mine[..., None])
        if "head.layers.0.weight" in own:
            wide = weight[..., width:].reshape(-1, len(half))
            hidden = torch.addmm(start.view(-1, 1), wide, half).view(*start.shape[:2], -1)
        else:
            hidden = start + weight[0, :, width:] @ half
        for layer in range(1, len(self.backbone.head.spec.widths) - 1):
            weight, bias = self._layer(own, layer, tasks)
            hidden = torch.baddbmm(bias[..., None], weight, hidden.relu_())
        return hidden[:, 0]

    def _layer(self, own: Mapping[str, Tensor], layer: int, tasks: int) -> tuple[Tensor, Tensor]:
        """Return a layer's weight ``(tasks, out, in)`` and bias ``(tasks, out)``."""
        found = []
        for part in ("weight", "bias"):
            name = f"layers.{layer}.{part}"
            value = own.get(f"head.{name}")
            if value is None:
                value = self.backbone.head.get_parameter(name).expand(tasks, *_shape(self, name))
            found.append(value)
        return found[0], found[1]


def _shape(catalogue: Catalogue, name: str) -> torch.Size:
    return catalogue.backbone.head.get_parameter(name).shape


def _in_head(adapted: Adapted) -> bool:
    """Whether the scores are the backbone's own with weights of the head replaced."""
    return (
        isinstance(adapted, TaskWeights)
        and type(adapted).predict is TaskWeights.predict
        and adapted.in_head
    )


def _best(catalogue: Catalogue, adapted: Adapted, user: Tensor, seen: Tensor, k: int) -> Ranked:
    """Rank part after part of the catalogue, keeping the best so far."""
    held: Ranked | None = None
    for part in catalogue.parts(len(user), user.device):
        score = catalogue.scores(adapted, user, part)
        _leave_out(score, seen - part.start)
        item = catalogue.items[part].expand_as(score)
        if held is not None:
            item, score = torch.cat([held.item, item], 1), torch.cat([held.score, score], 1)
        held = _first(item, score, k)
    if held is None:
        held = _first(seen[:, :0], catalogue.backbone.rating_mean.new_zeros(len(user), 0), k)
    short = k - held.item.shape[1]
    item = torch.nn.functional.pad(held.item, (0, short), value=-1)
    score = torch.nn.functional.pad(held.score, (0, short), value=-torch.inf)
    return Ranked(torch.where(score == -torch.inf, -1, item), score)


def _leave_out(score: Tensor, seen: Tensor) -> None:
    """Set the scores of seen items to -inf, in place; numbers outside the block are padding."""
    inside = (seen >= 0) & (seen < score.shape[1])
    task, column = inside.nonzero(as_tuple=True)
    score[task, seen[task, column]] = -torch.inf


def _first(item: Tensor, score: Tensor, k: int) -> Ranked:
    """Return the k best columns, of equal ones the earlier.

    ``topk`` takes any of equal ones, so rows in which more than k reach the k-th score are sorted.
    """
    k = min(k, score.shape[1])
    value, place = score.topk(k, dim=1)
    if not k:
        return Ranked(item[:, :0], value)
    tied = ((score >= value[:, -1:]).sum(1) > k).nonzero()[:, 0]
    if len(tied):
        value[tied], place[tied] = (
            part[:, :k] for part in score[tied].sort(dim=1, descending=True, stable=True)
        )
    place, order = place.sort(dim=1)
    value, again = value.gather(1, order).sort(dim=1, descending=True, stable=True)
    return Ranked(item.gather(1, place.gather(1, again)), value)
