"""Scores of a whole catalogue: the item side once, then a few products per block of tasks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.base import Adapted
from fewrec_cli.engine.fast import FastAdapted
from fewrec_cli.engine.fast_mlp import MLPPiece
from fewrec_cli.engine.layer import LowRank
from fewrec_cli.engine.memory import fitting
from fewrec_cli.engine.weights import TaskWeights

TILE = 1 << 21
"""Bytes of hidden units of one tile (tasks x items) on a CPU: what stays in cache between two
layers."""
TASKS = 32
"""Tasks of one block on a CPU."""
Linear = tuple[Tensor, Tensor]
"""Weight ``([tasks,] out, in)`` and bias ``([tasks,] out)``."""
First = Callable[[slice], Tensor]
"""The first layer's output on some of the items, ``(tasks, out, items)``."""


class Catalogue:
    """The item side of a backbone, computed once and used for every block of tasks.

    Heads of the forms ``factor`` and ``mlp`` whose own weights were adapted are scored by matrix
    products over tiles of (tasks, items); anything else is asked for every (task, item).

    Args:
        backbone: In eval mode; its weights must not change while this is used.
        n_items: Size of the catalogue.
    """

    def __init__(self, backbone: Backbone, n_items: int) -> None:
        self.backbone = backbone
        self.n_items = n_items
        self.form = backbone.head.spec.form
        self.items = torch.arange(n_items, device=backbone.rating_mean.device)
        self._half = self._item_half()
        self._first = self._shared_first()

    def scores(self, adapted: Adapted, user: Tensor) -> Tensor:
        """Score every item of the catalogue for each task.

        Args:
            adapted: What the tasks learned.
            user: ``(tasks,)``.

        Returns:
            Standard units, ``(tasks, items)``.
        """
        found = self.backbone.rating_mean.new_empty(len(user), self.n_items)
        for place, scores in self.blocks(adapted, user):
            found[place] = scores
        return found

    def blocks(self, adapted: Adapted, user: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Score every item block by block; arguments as of ``scores``.

        Yields:
            Places of the tasks of a block, whose supports are of similar length, and their
            scores, ``(tasks of the block, items)``.
        """
        if not len(user):
            return
        order = torch.arange(len(user), device=user.device)
        if isinstance(adapted, FastAdapted):
            order = torch.cat(adapted.order)
        step = fitting(user.device, 4 * self.n_items * self._number_bytes)
        for place in torch.split(order, step if user.is_cuda else min(step, TASKS)):
            yield place, self._block(adapted.take(place), user[place])

    def _block(self, adapted: Adapted, user: Tensor) -> Tensor:
        half = self._half
        if half is None or not _in_head(adapted):
            return self._asked(adapted, user)
        mine = self.backbone.halves(user, self.items[:0], self.items[:0]).user
        if self.form == "factor":
            return self._factor(half, adapted, mine)
        if not isinstance(adapted, FastAdapted):
            return self._tiled(*self._dense(half, adapted, mine), len(user))
        order = torch.cat(adapted.order)
        users = torch.split(mine.index_select(0, order), [len(one) for one in adapted.order])
        found = [
            self._tiled(*self._low_rank(half, piece, mine), len(mine))
            for piece, mine in zip(adapted.pieces, users, strict=True)
            if isinstance(piece, MLPPiece)
        ]
        return torch.cat(found).index_select(0, order.argsort())

    @property
    def _number_bytes(self) -> int:
        return self.backbone.rating_mean.element_size()

    def _tiles(self, tasks: int, numbers: int = 0) -> Iterator[slice]:
        """Cut the catalogue so that two layers of a block's tile, twice each, fit.

        Args:
            tasks: Of the block.
            numbers: Held of each task and item, where that is more.
        """
        widths = self.backbone.head.spec.widths
        wide = max(widths if self._half is None else widths[1:], default=1)
        each = wide * self._number_bytes * max(tasks, 1)
        held = numbers * self._number_bytes * max(tasks, 1)
        step = fitting(self.items.device, max(4 * each, held))
        step = step if self.items.is_cuda else min(step, max(TILE // each, 1))
        for start in range(0, self.n_items, step):
            yield slice(start, min(start + step, self.n_items))

    def _item_half(self) -> Tensor | None:
        """Return the item side as columns, ``(item width, items)``, or None if there is none."""
        none = self.items[:0]
        if self.form == "other" or not self.n_items:
            return None
        if not self.backbone.halves(none, none, none).user.shape[1]:
            return None
        halves = self.backbone.halves(none, torch.zeros_like(self.items), self.items)
        return halves.item.index_select(0, halves.index).T.contiguous()

    def _shared_first(self) -> Tensor:
        """Return the item's part of the first layer with shared weights, ``(out, items)``."""
        if self._half is None or self.form != "mlp":
            return self.backbone.rating_mean.new_empty(0)
        return self._shared(0)[0][:, -len(self._half) :] @ self._half

    def _shared(self, layer: int) -> Linear:
        get = self.backbone.head.get_parameter
        return get(f"layers.{layer}.weight"), get(f"layers.{layer}.bias")

    def _asked(self, adapted: Adapted, user: Tensor) -> Tensor:
        """Ask for every task and item."""
        found = [
            adapted.predict(self.backbone, user, self.items[tile].expand(len(user), -1)).score
            for tile in self._tiles(len(user), adapted.candidate_numbers)
        ]
        return torch.cat([self.backbone.rating_mean.new_empty(len(user), 0), *found], 1)

    def _factor(self, half: Tensor, adapted: Adapted, mine: Tensor) -> Tensor:
        """Return (prior + p)·q + prior's offset + b + the item's offset."""
        own, head = adapted.values_by_name(), dict(self.backbone.head.named_parameters())
        factor = mine[:, :-1] + own.get("head.factor", head["factor"])
        offset = mine[:, -1] + own.get("head.bias", head["bias"])
        return torch.addmm(half[-1], factor, half[:-1]).add_(offset[:, None])

    def _tiled(self, first: First, layers: Sequence[Linear], tasks: int) -> Tensor:
        """Run all layers tile by tile, items along the last axis; returns ``(tasks, items)``."""
        found = []
        for tile in self._tiles(tasks):
            out = first(tile)
            for weight, bias in layers:
                weight = weight.expand(tasks, -1, -1)
                out = torch.baddbmm(bias[..., None], weight, out.relu_())
            found.append(out[:, 0])
        return torch.cat(found, 1)

    def _dense(
        self, half: Tensor, adapted: Adapted, mine: Tensor
    ) -> tuple[First, Sequence[Linear]]:
        """Return the layers of weights that are there in full."""
        own = adapted.values_by_name()
        layers = []
        for number in range(len(self.backbone.head.spec.widths) - 1):
            weight, bias = self._shared(number)
            name = f"head.layers.{number}"
            layers.append((own.get(f"{name}.weight", weight), own.get(f"{name}.bias", bias)))
        return self._by_weight(half, layers[0], mine), layers[1:]

    def _low_rank(
        self, half: Tensor, piece: MLPPiece, mine: Tensor
    ) -> tuple[First, Sequence[Linear]]:
        """Return the layers of weights in low-rank form.

        The first layer's are formed where that takes fewer products.
        """
        layers = []
        for layer, change in zip(piece.layers[1:], piece.above, strict=True):
            weight, bias = (layer.weight, layer.bias) if change is None else change.own(layer)
            layers.append((weight, bias[:, 0] if bias.dim() == 3 else bias))
        first, bottom = piece.layers[0], piece.bottom
        if bottom is None:
            return self._by_weight(half, (first.weight, first.bias), mine), layers
        bottom = _trimmed(bottom)
        if bottom.inputs is None or _is_long(bottom):
            weight, bias = bottom.own(first, piece.user)
            return self._by_weight(half, (weight, bias[:, 0]), mine), layers
        return self._by_support(half, (first.weight, first.bias), bottom, mine), layers

    def _by_weight(self, half: Tensor, first: Linear, mine: Tensor) -> First:
        """Return the first layer for weights that are shared or formed."""
        width = mine.shape[1]
        weight, bias = first
        if weight.dim() == 2:
            start = (mine @ weight[:, :width].T + bias)[..., None]
            return lambda tile: self._first[:, tile] + start
        tasks, out = weight.shape[:2]
        start = (weight[..., :width] @ mine[..., None])[..., 0] + bias
        flat, column = weight[..., width:].reshape(tasks * out, -1), start.reshape(-1, 1)
        return lambda tile: torch.addmm(column, flat, half[:, tile]).view(tasks, out, -1)

    def _by_support(self, half: Tensor, first: Linear, bottom: LowRank, mine: Tensor) -> First:
        """Return the first layer through the kernel of support and items: (r a Hᵀ + c) D is lost.

        What does not depend on the item is one more row of the support whose kernel is 1.
        """
        assert bottom.inputs is not None
        assert bottom.rate is not None
        weight, bias = first
        tasks, support = bottom.errors.shape[:2]
        start = mine @ weight[:, : mine.shape[1]].T + bias
        if bottom.constant is not None:
            start = start - (bottom.constant * bottom.errors.sum(1, keepdim=True))[:, 0]
        inputs = bottom.inputs.reshape(tasks * support, len(half))
        errors = torch.cat([-bottom.rate * bottom.errors, start[:, None]], 1).mT
        shared = self._first

        def output(tile: slice) -> Tensor:
            columns = half[:, tile]
            kernel = columns.new_ones(tasks, support + 1, columns.shape[1])
            kernel[:, :support] = (inputs @ columns).view(tasks, support, columns.shape[1])
            return torch.baddbmm(shared[:, tile].expand(tasks, -1, -1), errors, kernel)

        return output


def _trimmed(bottom: LowRank) -> LowRank:
    """Return the step without the columns that only longer supports of the same part fill."""
    rows = bottom.errors.abs().amax((0, 2)).nonzero()[:, 0].tolist()
    stop = rows[-1] + 1 if rows else 0
    inputs = None if bottom.inputs is None else bottom.inputs[:, :stop]
    return replace(bottom, errors=bottom.errors[:, :stop], inputs=inputs)


def _is_long(bottom: LowRank) -> bool:
    """Whether forming the first layer's weights takes fewer products than the support's kernel."""
    assert bottom.inputs is not None
    support, width = bottom.inputs.shape[1:]
    out = bottom.errors.shape[2]
    return support * (width + out) > width * out


def _in_head(adapted: Adapted) -> bool:
    """Whether the scores are the backbone's own with weights of the head replaced."""
    if isinstance(adapted, FastAdapted):
        return True
    own = type(adapted).predict is TaskWeights.predict
    return isinstance(adapted, TaskWeights) and own and adapted.in_head
