"""Batched matrix products whose gradients come out in the layout in which they are used.

Autograd's own gradient of ``a @ b.mT`` in b is a transposed view, and everything downstream of it
then walks through memory across the grain; these two are one another's gradients instead.
"""

from typing import Any

import torch
from torch import Tensor, bmm
from torch.autograd.function import once_differentiable


def across(rows: Tensor, others: Tensor) -> Tensor:
    """Return rows · othersᵀ, ``(tasks, n, m)``, of ``(tasks, n, w)`` and ``(tasks, m, w)``."""
    product: Tensor = _Across.apply(rows, others)  # type: ignore[no-untyped-call]
    return product


def along(left: Tensor, right: Tensor) -> Tensor:
    """Return leftᵀ · right, ``(tasks, a, b)``, of ``(tasks, n, a)`` and ``(tasks, n, b)``."""
    product: Tensor = _Along.apply(left, right)  # type: ignore[no-untyped-call]
    return product


class _Across(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, others: Tensor) -> Tensor:
        ctx.save_for_backward(rows, others)
        return bmm(rows, others.mT)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (gradient,), (rows, others) = gradients, ctx.saved_tensors
        first, second = ctx.needs_input_grad
        return bmm(gradient, others) if first else None, bmm(gradient.mT, rows) if second else None


class _Along(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return bmm(left.mT, right)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (gradient,), (left, right) = gradients, ctx.saved_tensors
        first, second = ctx.needs_input_grad
        return bmm(right, gradient.mT) if first else None, bmm(left, gradient) if second else None
