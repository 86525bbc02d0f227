"""A mean over tasks whose graph is never whole: gradients are summed part by part."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Part = TypeVar("Part")


def mean_in_parts(
    losses: Callable[[Part], Tensor], parts: Sequence[Part], learned: Sequence[Tensor]
) -> Tensor:
    """Return the mean of all tasks' losses; only one part's graph is in memory at a time.

    The result has one gradient, taken here and handed out by the caller's own ``backward``: still
    one forward and one backward pass of the step, as automatic optimisation and the averaging of
    gradients over processes expect. Unlike checkpoints, nothing is computed twice.

    Args:
        losses: A part of the tasks to their losses, ``(tasks of the part,)``.
        parts: All tasks; a single part keeps its graph as it is.
        learned: Every tensor that the mean's gradient is asked for.

    Returns:
        A scalar; where there are several parts its gradient reaches ``learned`` and nothing else,
        and cannot be differentiated again.
    """
    if len(parts) == 1:
        return losses(parts[0]).mean()
    total, tasks = torch.zeros(()), 0
    sums: list[Tensor | None] = [None] * len(learned)
    for part in parts:
        found = losses(part)
        loss, tasks = found.sum(), tasks + len(found)
        total = total.to(loss) + loss.detach()
        if loss.requires_grad:
            gradient = torch.autograd.grad(loss, learned, allow_unused=True)
            sums = [_plus(one, other) for one, other in zip(sums, gradient, strict=True)]
    reached = [(one, s / tasks) for one, s in zip(learned, sums, strict=True) if s is not None]
    if not reached:
        return total / tasks
    inputs, gradients = zip(*reached, strict=True)
    handed: Tensor = _Known.apply(total / tasks, gradients, *inputs)  # type: ignore[no-untyped-call]
    return handed


def cuts(tasks: int, parts: int) -> list[slice]:
    """Cut tasks into at most ``parts`` parts of equal size; the last may be smaller.

    Example:
        >>> cuts(5, 2)
        [slice(0, 3, None), slice(3, 5, None)]
    """
    size = max(1, -(-tasks // max(parts, 1)))
    return [slice(start, min(start + size, tasks)) for start in range(0, tasks, size)]


def _plus(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one.add_(other)


class _Known(torch.autograd.Function):
    """A number whose gradient is already known."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: tuple[Tensor, ...], *_inputs: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(gradient * one for one in ctx.gradients)
