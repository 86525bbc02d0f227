"""The general path: any backbone, all tasks at once, by vmap over functional calls."""

import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from fewrec_cli.backbone.base import Backbone, subset
from fewrec_cli.engine.base import InnerLoop, pairwise_loss, pointwise_loss, weighted_mean
from fewrec_cli.engine.weights import (
    Inputs,
    Parameters,
    TaskWeights,
    at_once,
    caller,
    encode,
    head_caller,
)
from fewrec_cli.scenario.batch import Rows


def inner_loop(backbone: Backbone, user: Tensor, support: Rows, loop: InnerLoop) -> TaskWeights:
    """Take gradient steps on every task's support loss at once.

    Args:
        backbone: Shared weights, the starting point of all tasks; left untouched.
        user: ``(tasks,)``.
        support: Rows to fit; a task without rows keeps the shared weights.
        loop: What is adapted, how far, how often.

    Returns:
        Adapted weights of each task. With ``second_order`` they carry the graph of the steps;
        otherwise only their dependence on the starting point (first-order approximation).

    Source:
        Finn et al., "Model-Agnostic Meta-Learning", ICML 2017, algorithm 1.
    """
    in_head = all(name.startswith("head.") for name in loop.names)
    call = head_caller(backbone) if in_head else caller(backbone)
    rows = (support.rating, support.weight)
    graph = loop.second_order and torch.is_grad_enabled()
    with torch.set_grad_enabled(graph):
        inputs, other = _inputs(backbone, user, support, in_head=in_head)

    def loss(own: Parameters, mine: Inputs, rated: Inputs, against: Inputs | None) -> Tensor:
        scores = call(own, mine)
        if against is None:
            return weighted_mean(pointwise_loss(scores, rated[0]), rated[1])
        return weighted_mean(pairwise_loss(scores, call(own, against)), rated[1])

    gradient = vmap(
        grad(loss),
        in_dims=(0, 0, 0, None if other is None else 0),
        randomness="different",
        chunk_size=at_once(backbone, user, support.item, loop.names),
    )
    values = {
        name: value.expand(len(user), *value.shape)
        for name, value in subset(dict(backbone.named_parameters()), loop.names).items()
    }
    for _ in range(loop.steps if support.item.shape[1] else 0):
        with torch.set_grad_enabled(graph):  # a first-order step is a constant to the outer loop
            steps = gradient(values, inputs, rows, other)
        values = {name: value - loop.step(name, steps[name]) for name, value in values.items()}
    return TaskWeights(values)


def _inputs(
    backbone: Backbone, user: Tensor, support: Rows, *, in_head: bool
) -> tuple[Inputs, Inputs | None]:
    """Return what the per-task function scores, for the rows and for their negatives."""
    other: Inputs | None
    if in_head:
        other = None if support.negative is None else (backbone.encode(user, support.negative),)
        return (encode(backbone, user, support),), other
    mixed = () if support.partner is None or support.mix is None else (support.partner, support.mix)
    other = None if support.negative is None else (user, support.negative)
    return (user, support.item, *mixed), other


def refuse_batch_statistics(module: nn.Module) -> str | None:
    """Return why a module cannot be run over tasks at once, or None."""
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            return f"{name} is a BatchNorm, whose statistics would mix tasks; use LayerNorm"
    return None
