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
from fewrec_cli.engine.errors import errors_backward, errors_of, query_slope
from fewrec_cli.engine.pack import Packed, PlacedRows
from fewrec_cli.engine.taught import Taught
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
    """The tasks of one part.

    Args:
        plan: What the whole step is made of.
        values: Its tensors.
        tasks: The part's tasks.
        places: The part's places.
    """

    def __init__(self, plan: Plan, values: Values, tasks: slice, places: slice) -> None:
        self.plan, self.values, self.tasks = plan, values, tasks
        self.index = plan.index[tasks]
        self.query = plan.query.slice(tasks)
        self.rows = plan.support.cut(places)
        self.rating = plan.packed.rating[places].view(len(self.index), -1)
        self.share = plan.packed.share[places].view(len(self.index), -1)
        self.above = list(zip(values.weights, values.biases, strict=True))
        self.low = next(number for number, moves in enumerate(plan.moves) if any(moves))

    def forward(self) -> Tensor:
        """Return the query losses, ``(tasks,)``; what the backward pass needs is kept."""
        self.slopes = self._learn()
        self.taught = [self._taught(layer) for layer in range(len(self.plan.moves))]
        self.score = self._answer()
        query = self.query
        if self.plan.packed.pairs:
            losses = pairwise_loss(*self.score.chunk(2, -1))
        else:
            losses = pointwise_loss(self.score, query.rating, self.plan.kind)
        return (losses * query.weight).sum(1)

    def backward(self, sums: Values, share: Tensor, *, learned: bool) -> None:
        """Add the gradient of the losses to ``sums``.

        Args:
            sums: Changed in place.
            share: Weight of each task's loss, ``(tasks,)``.
            learned: Whether the step sizes' gradient is wanted.
        """
        weight = self.query.weight * share[:, None]
        pairs = self.plan.packed.pairs
        slope = query_slope(self.score, self.query.rating, self.plan.kind, pairs=pairs)
        slope = slope * (weight.repeat(1, 2) if pairs else weight)
        self._forget(sums, slope[..., None], learned=learned)
        if self.plan.second_order:
            self._unlearn(sums)

    def _learn(self) -> dict[int, Tensor]:
        """Run the supports forwards; returns the errors of the layers that move."""
        values, tasks = self.values, len(self.index)
        item_out, item = self.plan.constant or (values.item_out, values.item)
        out = _blocks(self.rows.of(item_out), tasks).add_(values.user_out[self.tasks, None])
        self.hidden = {0: _blocks(self.rows.of(item), tasks)} if self._whole else {}
        for layer, (weight, bias) in enumerate(self.above, start=1):
            self.hidden[layer] = out.relu_()
            out = functional.linear(out, weight, bias)
        self.seen = out[..., 0]
        pairs = self.plan.packed.pairs
        error = errors_of(self.seen, self.rating, self.share, pairs=pairs)[..., None]
        errors = {len(self.above): error}
        for layer in range(len(self.above), self.low, -1):
            error = _masked(_down(error, self.values.weights[layer - 1]), self.hidden[layer])
            errors[layer - 1] = error
        return errors

    def _answer(self) -> Tensor:
        """Run the queries forwards with each task's own weights; returns the scores."""
        values, tasks, flat = self.values, len(self.index), self.index.flatten()
        out = _blocks(values.item_out.index_select(0, flat), tasks)
        out = out.add_(values.user_out[self.tasks, None])
        self.asked: dict[int, Tensor] = {}
        if self._whole:
            self.asked[0] = _blocks(values.item.index_select(0, flat), tasks)
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
        down: Tensor | None = None
        for layer in range(len(self.above), -1, -1):
            rows, taught = self.asked.get(layer), self.taught[layer]
            down = None
            if layer and rows is not None:
                self._add_layer(sums, layer, gradient, rows)
                down = _down(gradient, self.values.weights[layer - 1])
            if taught is not None:
                second, rates = self.plan.second_order, learned or layer == 0
                back = taught.backward(gradient, rows, second_order=second, rates=rates)
                self.errors[layer], self.inputs[layer] = back.errors, back.inputs
                if rates:
                    self._add_rates(sums, layer, back.rate, back.constant)
                if back.rows is not None:
                    down = back.rows if down is None else down.add_(back.rows)
            if layer and down is not None and rows is not None:
                gradient = _masked(down, rows)
        sums.item_out.index_add_(0, self.index.flatten(), gradient.flatten(0, 1))
        sums.user_out[self.tasks].add_(gradient.sum(1))
        if down is not None:
            sums.item.index_add_(0, self.index.flatten(), down.flatten(0, 1))

    def _unlearn(self, sums: Values) -> None:
        """Carry the gradients in errors and inputs of the supports back to where they come from."""
        top, towards = len(self.above), self.errors[self.low]
        for layer in range(self.low, top):
            up = _masked(_known(towards), self.hidden[layer + 1])
            slope, weight = self.slopes[layer + 1], self.values.weights[layer]
            sums.weights[layer].addmm_(slope.flatten(0, 1).T, up.flatten(0, 1))
            towards = _known(self.errors[layer + 1]) + up @ weight.T
        pairs = self.plan.packed.pairs
        gradient = errors_backward(self.seen, self.share, _known(towards)[..., 0], pairs=pairs)
        gradient = gradient[..., None]
        for layer in range(top, 0, -1):
            rows = self.hidden[layer]
            self._add_layer(sums, layer, gradient, rows)
            down = _down(gradient, self.values.weights[layer - 1])
            inputs = self.inputs.get(layer)
            gradient = _masked(down if inputs is None else down.add_(inputs), rows)
        self.rows.add(sums.item_out, gradient.flatten(0, 1))
        sums.user_out[self.tasks].add_(gradient.sum(1))
        inputs = self.inputs.get(0)
        if inputs is not None:
            self.rows.add(sums.item, inputs.flatten(0, 1))

    @property
    def _whole(self) -> bool:
        """Whether the first layer's weight moves, so that inputs are needed besides outputs."""
        return self.plan.moves[0][0]

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
        return Taught(inputs, self.slopes[layer], rate, constant)

    def _add_layer(self, sums: Values, layer: int, gradient: Tensor, rows: Tensor) -> None:
        flat = gradient.flatten(0, 1)
        sums.weights[layer - 1].addmm_(flat.T, rows.flatten(0, 1))
        sums.biases[layer - 1].add_(flat.sum(0))

    def _add_rates(
        self, sums: Values, layer: int, rate: Tensor | None, constant: Tensor | None
    ) -> None:
        own, both = self.values.rates[layer][0], sums.rates[layer]
        if layer == 0 and own is not None and rate is not None and constant is not None:
            rate = rate + constant * self.values.square[self.tasks]
            sums.square[self.tasks].addcmul_(constant, own[self.tasks])
        for total, found in zip(both, (rate, constant), strict=True):
            if total is not None and found is not None:
                total[self.tasks].add_(found)


def _known(tensor: Tensor | None) -> Tensor:
    assert tensor is not None, "second order keeps it"
    return tensor


def _blocks(rows: Tensor, tasks: int) -> Tensor:
    return rows.view(tasks, len(rows) // max(tasks, 1), rows.shape[1])


def _down(gradient: Tensor, weight: Tensor) -> Tensor:
    return gradient * weight if len(weight) == 1 else gradient @ weight


def _masked(gradient: Tensor, rows: Tensor) -> Tensor:
    """Return the gradient before a ReLU that gave ``rows``."""
    masked: Tensor = torch.ops.aten.threshold_backward(gradient, rows, 0)
    return masked
