"""Floating-point operations of a meta-step, as a loop does them; the engine does fewer."""

from itertools import pairwise


def per_task(
    widths: tuple[int, ...], support: float, query: float, steps: int, *, second_order: bool
) -> float:
    """Return the operations of one task's share of a training step.

    With W = Σ in·out over the layers and W1 that of the first, a product of n rows costs 2·n·W
    operations. An inner step on n support rows is a forward pass (2nW), the weights' gradient
    (2nW) and the gradient of what enters each layer but the first (2n(W - W1)). The query's
    forward pass and its full backward pass, features included, cost 6W a row. Second order sends a
    gradient back through every product of the inner step, at twice that product's cost.
    Embeddings, element-wise work and the optimiser are not counted.

    Args:
        widths: Of the head: input, hidden ..., output.
        support: Mean number of support rows.
        query: Number of query rows.
        steps: Inner steps.
        second_order: Whether the outer gradient goes through them.
    """
    sizes = [inputs * outputs for inputs, outputs in pairwise(widths)]
    whole, first = sum(sizes), sizes[0]
    inner = steps * support * (4 * whole + 2 * (whole - first))
    return (3 if second_order else 1) * inner + query * 6 * whole
