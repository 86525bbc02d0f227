"""One inner step of a head of linear layers: query losses and their outer gradient in one go.

The numbers are those of ``fast_mlp`` with autograd behind it. Here the backward pass is written
out, and each part's follows its forward pass at once, while what it needs is still in the cache:
twice as fast where steps are short, and so used for k = 1.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fewrec_cli.engine.blocks import Blocks
from fewrec_cli.engine.fused_part import Part, Plan, Values
from fewrec_cli.engine.layer import Layer


def query_losses(
    plan: Plan,
    tables: tuple[Tensor, Tensor, Tensor, Tensor],
    layers: Sequence[Layer],
) -> Tensor:
    """Return each task's query loss after one step, in the packed order, ``(tasks,)``.

    Args:
        plan: What the step is made of.
        tables: ``item_out``, ``user_out``, ``item`` and ``square`` of ``Values``.
        layers: All layers, with the step sizes of all tasks.
    """
    above = layers[1:]
    values = Values(
        *tables,
        tuple(layer.weight for layer in above),
        tuple(layer.bias for layer in above),
        tuple((layer.weight_rate, layer.bias_rate) for layer in layers),
    )
    losses: Tensor = _Step.apply(plan, *values.flat())  # type: ignore[no-untyped-call]
    return losses


PLACES = 2048
"""Rows of supports that run together: more no longer stay in the cache."""


class _Step(torch.autograd.Function):
    """Finds the gradient of the mean loss ahead; uneven weights of tasks find theirs again."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, *flat: Tensor) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(*flat)
        ctx.share = 1 / max(len(plan.index), 1)
        share = plan.query.rating.new_full((len(plan.index),), ctx.share)
        losses, ctx.sums = _run(plan, flat, share, ctx.needs_input_grad[1:])
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        share = gradients[0]
        first = float(share[0])
        if bool((share == first).all()):
            same = abs(first - ctx.share) < 1e-7 * ctx.share and share.dtype == torch.float32
            return None, *(ctx.sums if same else [one * (first / ctx.share) for one in ctx.sums])
        _, sums = _run(ctx.plan, ctx.saved_tensors, share, ctx.needs_input_grad[1:])
        return None, *sums


def _run(
    plan: Plan, flat: Sequence[Tensor], share: Tensor, needs: Sequence[bool]
) -> tuple[Tensor, list[Tensor]]:
    """Return the losses and, if anything needs it, the gradient of their weighted sum."""
    values = Values.of(flat, plan.moves)
    rates = 2 + 2 * len(plan.moves)  # the first of the step sizes
    learned = any(needs[rates:])
    sums = None
    if any(needs):
        added = [torch.zeros_like(one) for one in (flat if learned else flat[:rates])]
        sums = Values.of([*added, *flat[len(added) :]], plan.moves)
    losses, task, place = [], 0, 0
    for blocks in _runs(plan.packed.parts):
        tasks, places = task + sum(blocks.sizes), place + sum(blocks.places)
        part = Part(plan, values, blocks, slice(task, tasks), slice(place, places))
        losses.append(part.forward())
        if sums is not None:
            part.backward(sums, share[part.tasks], learned=learned)
        task, place = tasks, places
    return torch.cat(losses), [] if sums is None else sums.flat()


def _runs(shapes: Sequence[tuple[int, int]]) -> list[Blocks]:
    """Join neighbouring blocks up to ``PLACES`` rows."""
    runs: list[list[tuple[int, int]]] = []
    places = 0
    for tasks, long in shapes:
        places += tasks * long
        if not runs or places > PLACES:
            runs.append([])
            places = tasks * long
        runs[-1].append((tasks, long))
    return [Blocks(run) for run in runs]
