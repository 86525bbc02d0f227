"""The fast path for linear layers with ReLU between them: the inner gradient in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.backbone.base import Halves
from fewrec_cli.engine import fused
from fewrec_cli.engine.base import InnerLoop, RatingLoss
from fewrec_cli.engine.errors import errors_of
from fewrec_cli.engine.fused_part import Plan
from fewrec_cli.engine.layer import Dense, Layer, LowRank, affine
from fewrec_cli.engine.pack import Packed, PlacedRows
from fewrec_cli.scenario.batch import Rows

Change = LowRank | Dense | None


@dataclass(frozen=True)
class MLPPiece:
    """What the tasks of one part learned.

    Attributes:
        layers: The shared layers, with the step sizes of these tasks.
        bottom: Change of the first layer; None where it stays shared.
        above: Changes of the other layers.
        user: The user's half of the features that were adapted to, ``(tasks, user width)``.
    """

    layers: tuple[Layer, ...]
    bottom: LowRank | None
    above: tuple[Change, ...]
    user: Tensor

    def score(self, first: Tensor, item: Tensor) -> Tensor:
        """Score rows.

        Args:
            first: The first layer's output with its shared weights, ``(tasks, n, width)``.
            item: The item's half of the features, ``(tasks, n, item width)``.

        Returns:
            Standard units, ``(tasks, n)``.
        """
        out = first if self.bottom is None else self.bottom.less(first, item)
        for layer, change in zip(self.layers[1:], self.above, strict=True):
            rows = torch.relu(out)
            out = layer(rows) if change is None else change(layer, rows)
        return out[..., 0]

    def values(self) -> dict[str, Tensor]:
        """Return each task's own parameters, by name relative to the backbone."""
        found = {}
        changes = (self.bottom, *self.above)
        for number, (layer, change) in enumerate(zip(self.layers, changes, strict=True)):
            if change is None:
                continue
            weight, bias = change.own(layer, self.user if number == 0 else None)
            if layer.weight_rate is not None:
                found[f"head.layers.{number}.weight"] = weight
            if layer.bias_rate is not None:
                found[f"head.layers.{number}.bias"] = bias[:, 0]
        return found

    def take(self, tasks: Tensor) -> Self:
        """Return some of the tasks."""
        return replace(
            self,
            layers=tuple(layer.take(tasks) for layer in self.layers),
            bottom=None if self.bottom is None else self.bottom.take(tasks),
            above=tuple(None if one is None else one.take(tasks) for one in self.above),
            user=self.user[tasks],
        )


class MLPForm:
    """A head of linear layers on one batch's users and items.

    The first layer's output is the sum of the user's and the item's half, each computed once.

    Args:
        head: The shared layers.
        halves: Features of the batch.
    """

    def __init__(self, head: nn.Module, halves: Halves) -> None:
        self.head = head
        self.user, self.item = halves.user, halves.item
        weight, bias = head.get_parameter("layers.0.weight"), head.get_parameter("layers.0.bias")
        width = self.user.shape[1]
        self.user_out = functional.linear(self.user, weight[:, :width], bias)
        self.item_out = first_output(head, halves)

    def adapt(self, packed: Packed, rows: PlacedRows, loop: InnerLoop) -> tuple[MLPPiece, ...]:
        """Take the steps of all tasks: the first for all at once, further ones part by part.

        Args:
            packed: The supports, of the tasks of ``halves.user``.
            rows: Where the features at each place stand.
            loop: Settings of all tasks.

        Returns:
            What the tasks of each part learned.
        """
        graph = loop.second_order and torch.is_grad_enabled()
        layers = read_layers(self.head, loop)
        low = next(number for number, layer in enumerate(layers) if layer.moves)
        with torch.set_grad_enabled(graph):
            first = rows.of(self.item_out) + self.user_out.index_select(0, packed.owner)
            hidden, errors = first_step(layers, packed, first, low)
            item = packed.blocks(rows.of(self.item)) if layers[0].weight_rate is not None else None
            inputs = [item, *(packed.blocks(values) for values in hidden)]
            slopes = [packed.blocks(values) for values in errors]
        user = self.user if graph else self.user.detach()
        users, squares = packed.cut(user), packed.cut((self.user * user).sum(-1)[:, None, None])
        layer_parts = [layer.cut(packed) for layer in layers]
        pieces = []
        for part in range(len(packed.parts)):
            own = tuple(parts[part] for parts in layer_parts)
            changes: list[LowRank | None] = [None] * low
            for number, slope in enumerate(slopes, start=low):
                blocks = inputs[number]
                changes.append(
                    LowRank.of(
                        own[number],
                        None if blocks is None else blocks[part],
                        slope[part],
                        squares[part] if number == 0 else None,
                    )
                )
            pieces.append(MLPPiece(own, changes[0], tuple(changes[1:]), users[part]))
        if loop.steps == 1:
            return tuple(pieces)
        rated = zip(packed.blocks(packed.rating), packed.blocks(packed.share), strict=True)
        with torch.set_grad_enabled(graph):
            return tuple(
                more_steps(piece, start, one, loop.steps, pairs=packed.pairs)
                for piece, start, one in zip(pieces, packed.blocks(first), rated, strict=True)
            )

    def one_step_losses(
        self,
        packed: Packed,
        rows: PlacedRows,
        constant: tuple[Tensor, Tensor] | None,
        query: Rows,
        index: Tensor,
        kind: RatingLoss,
        loop: InnerLoop,
    ) -> Tensor:
        """Adapt by a single step and return the query losses, ``(tasks,)``; see ``fused.Plan``."""
        graph = constant is None
        layers = read_layers(self.head, loop)
        moves = tuple((one.weight_rate is not None, one.bias_rate is not None) for one in layers)
        user = self.user if graph else self.user.detach()
        square = (self.user * user).sum(-1)[:, None, None]
        total = query.weight.sum(1, keepdim=True)
        query = query.reweighted(query.weight / total.where(total > 0, 1))
        plan = Plan(packed, rows, query, index, kind, graph, constant, moves)
        return fused.query_losses(plan, (self.item_out, self.user_out, self.item, square), layers)

    def score(self, pieces: Sequence[MLPPiece], index: Tensor) -> Tensor:
        """Score rows of all tasks.

        Args:
            pieces: What the tasks learned, in order.
            index: Where the features of each row's item stand, ``(tasks, n)``.

        Returns:
            Standard units, ``(tasks, n)``.
        """
        tasks, n = index.shape
        flat, wide = index.flatten(), self.item_out.shape[1]
        first = self.item_out.index_select(0, flat).view(tasks, n, wide)
        first = first + self.user_out[:, None]
        item = self.item.index_select(0, flat).view(tasks, n, self.item.shape[1])
        sizes = [len(piece.user) for piece in pieces]
        blocks = zip(pieces, torch.split(first, sizes), torch.split(item, sizes), strict=True)
        return torch.cat([piece.score(one, other) for piece, one, other in blocks])


def first_output(head: nn.Module, halves: Halves) -> Tensor:
    """Return the first layer's output of each item's half, ``(items, width)``."""
    weight = head.get_parameter("layers.0.weight")
    return halves.item @ weight[:, weight.shape[1] - halves.item.shape[1] :].T


def read_layers(head: nn.Module, loop: InnerLoop) -> tuple[Layer, ...]:
    """Return an MLP head's layers with the step sizes of the loop's tasks."""
    rates: dict[str, Tensor] = {}
    if loop.names:
        each = torch.stack([loop.rates[name] for name in loop.names])
        rates = dict(zip(loop.names, (each[:, None] * loop.scale)[..., None, None], strict=True))
    layers = []
    for number, layer in enumerate(head.get_submodule("layers").children()):
        weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
        name = f"head.layers.{number}"
        layers.append(Layer(weight, bias, rates.get(f"{name}.weight"), rates.get(f"{name}.bias")))
    return tuple(layers)


def first_step(
    layers: tuple[Layer, ...], packed: Packed, first: Tensor, low: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Return inputs of all layers but the first, and errors of the layers from ``low`` on."""
    hidden, out = [], first
    for layer in layers[1:]:
        hidden.append(torch.relu(out))
        out = layer(hidden[-1])
    top = errors_of(out[:, 0], packed.rating, packed.share, pairs=packed.pairs)
    return hidden, backward(top[:, None], [one.weight for one in layers[low + 1 :]], hidden[low:])


def backward(top: Tensor, weights: Sequence[Tensor], hidden: Sequence[Tensor]) -> list[Tensor]:
    """Carry errors from the scores down through layers.

    Args:
        top: ``(..., rows, 1)``.
        weights: Of the layers to go through, lowest first, ``(out, in)`` or ``(tasks, out, in)``.
        hidden: Their inputs, after ReLU.

    Returns:
        Errors of the outputs of the layer below ``weights[0]`` and of each of ``weights``.
    """
    errors = [top]
    for weight, rows in zip(reversed(weights), reversed(hidden), strict=True):
        down = errors[-1] * weight if weight.shape[-2] == 1 else errors[-1] @ weight
        errors.append(torch.ops.aten.threshold_backward(down, rows, 0))
    return errors[::-1]


def more_steps(
    piece: MLPPiece, start: Tensor, rated: tuple[Tensor, Tensor], steps: int, *, pairs: bool
) -> MLPPiece:
    """Take the second and all further steps of one part.

    Args:
        piece: What the first step taught.
        start: The first layer's output with shared weights, ``(tasks, support, width)``.
        rated: Rating and share of each row, ``(tasks, support)``.
        steps: Number of steps in all.
        pairs: Whether the rows are pairs.
    """
    layers, bottom = piece.layers, piece.bottom
    skip = next(number for number, layer in enumerate(layers) if layer.moves)
    sums = [Dense.of(layer, one) for layer, one in zip(layers[1:], piece.above, strict=True)]
    kernel = None if bottom is None else bottom.support_kernel()
    for _ in range(steps - 1):
        out = start if bottom is None else bottom.off(start, kernel)
        hidden, weights = [], []
        for layer, change in zip(layers[1:], sums, strict=True):
            hidden.append(torch.relu(out))
            weight, bias = change.own(layer)
            out = affine(hidden[-1], weight, bias)
            weights.append(weight)
        top = errors_of(out[..., 0], *rated, pairs=pairs)[..., None]
        errors = backward(top, weights[skip:], hidden[skip:])
        if bottom is not None:
            bottom = replace(bottom, errors=bottom.errors + errors[0])
        sums = [
            change.plus(rows, error) if layer.moves else change
            for layer, change, rows, error in zip(
                layers[1:], sums, hidden, _aligned(errors, len(sums)), strict=True
            )
        ]
    return replace(piece, bottom=bottom, above=tuple(sums))


def _aligned(errors: list[Tensor], count: int) -> list[Tensor]:
    """Return the errors of the last ``count`` layers; those below the adapted ones do not exist."""
    missing = max(count - len(errors), 0)
    return [*errors[:1] * missing, *errors[-count:]]
