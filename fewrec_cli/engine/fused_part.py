"""Forward and backward pass of one part of the tasks, for one inner step of linear layers.

Layers are numbered from 0. H and a are the inputs of a layer on support and query, D its errors on
the support; gradients of the outer loss are called d... and are added to sums over all parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from fewrec_cli.engine.base import RatingLoss, pairwise_loss, pointwise_loss
from fewrec_cli.engine.blocks import Blocks
from fewrec_cli.engine.errors import errors_backward, errors_of, query_slope
from fewrec_cli.engine.pack import Packed, PlacedRows
from fewrec_cli.engine.taught import Back, Taught
from fewrec_cli.scenario.batch import Rows

Rates = tuple[Tensor | None, Tensor | None]


@dataclass(frozen=True)
class Plan:
    """What a step is made of, the differentiable tensors aside.

    Attributes:
        packed: The supports.
        support: Where the features of the supports stand.
        query: The queries, in the packed order; each task's weights sum to 1 (or all are 0).
        index: Where the features of the queries' items stand, ``(tasks, n)``; of pairs
            ``(tasks, 2 n)``, all items and then all negatives.
        kind: Loss of ratings.
        second_order: Whether the outer gradient goes through the step.
        constant: In first order, ``item_out`` and ``item`` of the supports, of which no gradient
            is asked; None where supports and queries share the tables of ``Values``.
        moves: Of each layer, whether its weight and its bias are adapted.
    """

    packed: Packed
    support: PlacedRows
    query: Rows
    index: Tensor
    kind: RatingLoss
    second_order: bool
    constant: tuple[Tensor, Tensor] | None
    moves: tuple[tuple[bool, bool], ...]


@dataclass(frozen=True)
class Values:
    """The differentiable tensors of a step, or their gradients.

    Attributes:
        item_out: The first layer's output of each item's half, ``(items, out)``.
        user_out: The same of each user's half and the bias, ``(tasks, out)``.
        item: The item's half of the features, ``(items, item width)``.
        square: Squared length of the user's half, ``(tasks, 1, 1)``.
        weights: Of the layers above the first, ``(out, in)``.
        biases: The same, ``(out,)``.
        rates: Step sizes of each layer's weight and bias in each task, ``(tasks, 1, 1)``.
    """

    item_out: Tensor
    user_out: Tensor
    item: Tensor
    square: Tensor
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    rates: tuple[Rates, ...]

    @classmethod
    def of(cls, flat: Sequence[Tensor], moves: tuple[tuple[bool, bool], ...]) -> Self:
        """Return what ``flat`` had been."""
        above = len(moves) - 1
        weights, biases = flat[4 : 4 + above], flat[4 + above : 4 + 2 * above]
        rest = iter(flat[4 + 2 * above :])
        rates = tuple(
            (next(rest) if weight else None, next(rest) if bias else None) for weight, bias in moves
        )
        return cls(flat[0], flat[1], flat[2], flat[3], tuple(weights), tuple(biases), rates)

    def flat(self) -> list[Tensor]:
        """Return all tensors in a row."""
        rates = [rate for pair in self.rates for rate in pair if rate is not None]
        first = [self.item_out, self.user_out, self.item, self.square]
        return [*first, *self.weights, *self.biases, *rates]


class Part:
    """Some of the tasks: one block or several, so few that what they need stays in the cache.

    Rows stand flat: supports ``(places, width)``, queries ``(tasks x n, width)``.

    Args:
        plan: What the whole step is made of.
        values: Its tensors.
        blocks: The part's blocks.
        tasks: The part's tasks.
        places: The part's places.
    """

    def __init__(
        self, plan: Plan, values: Values, blocks: Blocks, tasks: slice, places: slice
    ) -> None:
        self.plan, self.values, self.blocks, self.tasks = plan, values, blocks, tasks
        index = plan.index[tasks]
        self.shape, self.index = index.shape, index.flatten()
        self.rating, self.weight = plan.query.rating[tasks], plan.query.weight[tasks]
        self.rows = plan.support.cut(places)
        self.rated, self.share = plan.packed.rating[places], plan.packed.share[places]
        self.user_out = values.user_out[tasks, None]
        self.above = list(zip(values.weights, values.biases, strict=True))
        self.low = next(number for number, moves in enumerate(plan.moves) if any(moves))

    def forward(self) -> Tensor:
        """Return the query losses, ``(tasks,)``; what the backward pass needs is kept."""
        self.slopes = self._learn()
        self.taught = [self._taught(layer) for layer in range(len(self.plan.moves))]
        self.score = self._answer()
        if self.plan.packed.pairs:
            losses = pairwise_loss(*self.score.chunk(2, -1))
        else:
            losses = pointwise_loss(self.score, self.rating, self.plan.kind)
        return (losses * self.weight).sum(1)

    def backward(self, sums: Values, share: Tensor, *, learned: bool) -> None:
        """Add the gradient of the losses to ``sums``.

        Args:
            sums: Changed in place.
            share: Weight of each task's loss, ``(tasks,)``.
            learned: Whether the step sizes' gradient is wanted.
        """
        weight, pairs = self.weight * share[:, None], self.plan.packed.pairs
        slope = query_slope(self.score, self.rating, self.plan.kind, pairs=pairs)
        slope = slope * (weight.repeat(1, 2) if pairs else weight)
        self._forget(sums, slope.view(-1, 1), learned=learned)
        if self.plan.second_order:
            self._unlearn(sums)

    def _learn(self) -> dict[int, Tensor]:
        """Run the supports forwards; returns the errors of the layers that move."""
        item_out, item = self.plan.constant or (self.values.item_out, self.values.item)
        out = self.blocks.add(self.rows.of(item_out), self.user_out)
        self.hidden = {0: self.rows.of(item)} if self._whole else {}
        for layer, (weight, bias) in enumerate(self.above, start=1):
            self.hidden[layer] = out.relu_()
            out = functional.linear(out, weight, bias)
        self.seen = out[:, 0]
        pairs = self.plan.packed.pairs
        error = errors_of(self.seen, self.rated, self.share, pairs=pairs)[:, None]
        errors = {len(self.above): error}
        for layer in range(len(self.above), self.low, -1):
            error = _masked(_down(error, self.values.weights[layer - 1]), self.hidden[layer])
            errors[layer - 1] = error
        return errors

    def _answer(self) -> Tensor:
        """Run the queries forwards with each task's own weights; returns the scores."""
        values = self.values
        out = self._by_task(values.item_out.index_select(0, self.index)).add_(self.user_out)
        self.asked: dict[int, Tensor] = {}
        if self._whole:
            self.asked[0] = self._by_task(values.item.index_select(0, self.index))
        for layer, taught in enumerate(self.taught):
            if layer:
                self.asked[layer] = out.relu_()
                out = functional.linear(out, *self.above[layer - 1])
            if taught is not None:
                out = taught.less(out, self.asked.get(layer))
        return out[..., 0]

    def _forget(self, sums: Values, gradient: Tensor, *, learned: bool) -> None:
        """Carry the gradient in the scores down through the queries."""
        self.errors: dict[int, Tensor | None] = {}
        self.inputs: dict[int, Tensor | None] = {}
        second, down = self.plan.second_order, None
        for layer in range(len(self.above), -1, -1):
            rows, taught = self.asked.get(layer), self.taught[layer]
            down = None
            if layer and rows is not None:
                self._add_layer(sums, layer, gradient, rows.flatten(0, 1))
                down = _down(gradient, self.values.weights[layer - 1])
            if taught is not None:
                own = self._by_task(gradient)
                back = taught.backward(
                    own, rows, second_order=second, rate=learned, constant=learned or layer == 0
                )
                self.errors[layer], self.inputs[layer] = back.errors, back.inputs
                self._add_rates(sums, layer, back, learned=learned)
                if back.rows is not None:
                    lost = back.rows.flatten(0, 1)
                    down = lost if down is None else down.add_(lost)
            if layer and down is not None and rows is not None:
                gradient = _masked(down, rows.flatten(0, 1))
        sums.item_out.index_add_(0, self.index, gradient)
        sums.user_out[self.tasks].add_(self._by_task(gradient).sum(1))
        if down is not None:
            sums.item.index_add_(0, self.index, down)

    def _unlearn(self, sums: Values) -> None:
        """Carry the gradients in errors and inputs of the supports back to where they come from."""
        top, towards = len(self.above), self.errors[self.low]
        for layer in range(self.low, top):
            up = _masked(_known(towards), self.hidden[layer + 1])
            sums.weights[layer].addmm_(self.slopes[layer + 1].T, up)
            towards = torch.addmm(_known(self.errors[layer + 1]), up, self.values.weights[layer].T)
        pairs = self.plan.packed.pairs
        gradient = errors_backward(self.seen, self.share, _known(towards)[:, 0], pairs=pairs)
        gradient = gradient[:, None]
        for layer in range(top, 0, -1):
            rows = self.hidden[layer]
            self._add_layer(sums, layer, gradient, rows)
            down = _down(gradient, self.values.weights[layer - 1])
            inputs = self.inputs.get(layer)
            gradient = _masked(down if inputs is None else down.add_(inputs), rows)
        self.rows.add(sums.item_out, gradient)
        sums.user_out[self.tasks].add_(self.blocks.totals(gradient))
        inputs = self.inputs.get(0)
        if inputs is not None:
            self.rows.add(sums.item, inputs)

    @property
    def _whole(self) -> bool:
        """Whether the first layer's weight moves, so that inputs are needed besides outputs."""
        return self.plan.moves[0][0]

    def _by_task(self, rows: Tensor) -> Tensor:
        """Return the queries' flat rows as ``(tasks, n, width)``."""
        return rows.view(*self.shape, rows.shape[1])

    def _taught(self, layer: int) -> Taught | None:
        """Return what a layer's step changes; the user's half adds to the first one's constant."""
        rate, constant = (
            None if one is None else one[self.tasks] for one in self.values.rates[layer]
        )
        if rate is None and constant is None:
            return None
        if layer == 0 and rate is not None:
            square = rate * self.values.square[self.tasks]
            constant = square if constant is None else constant + square
        inputs = None if rate is None else self.hidden[layer]
        return Taught(self.blocks, inputs, self.slopes[layer], rate, constant)

    def _add_layer(self, sums: Values, layer: int, gradient: Tensor, rows: Tensor) -> None:
        sums.weights[layer - 1].addmm_(gradient.T, rows)
        sums.biases[layer - 1].add_(gradient.sum(0))

    def _add_rates(self, sums: Values, layer: int, back: Back, *, learned: bool) -> None:
        own, rate, constant = self.values.rates[layer][0], back.rate, back.constant
        if layer == 0 and own is not None and constant is not None:
            sums.square[self.tasks].addcmul_(constant, own[self.tasks])
            if rate is not None:
                rate = rate + constant * self.values.square[self.tasks]
        if not learned:
            return
        for total, found in zip(sums.rates[layer], (rate, constant), strict=True):
            if total is not None and found is not None:
                total[self.tasks].add_(found)


def _known(tensor: Tensor | None) -> Tensor:
    assert tensor is not None, "second order keeps it"
    return tensor


def _down(gradient: Tensor, weight: Tensor) -> Tensor:
    return gradient * weight if len(weight) == 1 else gradient @ weight


def _masked(gradient: Tensor, rows: Tensor) -> Tensor:
    """Return the gradient before a ReLU that gave ``rows``."""
    masked: Tensor = torch.ops.aten.threshold_backward(gradient, rows, 0)
    return masked
