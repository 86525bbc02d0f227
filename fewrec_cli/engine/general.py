"""The general path: any backbone, all tasks at once, by vmap over functional calls."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from fewrec_cli.backbone.base import Backbone, subset
from fewrec_cli.engine.base import (
    InnerLoop,
    RatingLoss,
    TaskWeights,
    pairwise_loss,
    pointwise_loss,
    weighted_mean,
)
from fewrec_cli.scenario.batch import Rows

Parameters = dict[str, Tensor]
Inputs = tuple[Tensor, ...]


def encode(backbone: Backbone, user: Tensor, rows: Rows) -> Tensor:
    """Return the features of rows, mixed with their partners', ``(tasks, n, width)``."""
    features = backbone.encode(user, rows.item)
    if rows.partner is not None and rows.mix is not None:
        share = rows.mix[..., None]
        features = share * features + (1 - share) * backbone.encode(user, rows.partner)
    return features


def score(backbone: Backbone, weights: TaskWeights, user: Tensor, item: Tensor) -> Tensor:
    """Score items with each task's own weights.

    Args:
        backbone: Shared weights.
        weights: What adaptation changed.
        user: ``(tasks,)``.
        item: ``(tasks, n)``.

    Returns:
        Scores in standard units, ``(tasks, n)``.
    """
    if not weights.values:
        shared: Tensor = backbone(user, item)
        return shared
    if weights.in_head:
        return _head_scores(backbone, weights, backbone.encode(user, item))
    call = _caller(backbone)
    scores: Tensor = vmap(call, randomness="different")(dict(weights.values), (user, item))
    return scores


def query_losses(
    backbone: Backbone,
    weights: TaskWeights,
    user: Tensor,
    query: Rows,
    kind: RatingLoss = "squared",
) -> Tensor:
    """Return each task's mean loss on its query rows, ``(tasks,)``."""
    scores = score(backbone, weights, user, query.item)
    if query.negative is None:
        return weighted_mean(pointwise_loss(scores, query.rating, kind), query.weight)
    negative = score(backbone, weights, user, query.negative)
    return weighted_mean(pairwise_loss(scores, negative), query.weight)


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
    call = _head_caller(backbone) if in_head else _caller(backbone)
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
        grad(loss), in_dims=(0, 0, 0, None if other is None else 0), randomness="different"
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


def _caller(backbone: Backbone) -> Callable[[Parameters, Inputs], Tensor]:
    """Return the whole backbone as a function of some of its parameters."""
    return lambda own, inputs: functional_call(backbone, own, inputs)


def _head_caller(backbone: Backbone) -> Callable[[Parameters, Inputs], Tensor]:
    """Return the head as a function of some of its parameters, named as in the backbone."""
    head: nn.Module = backbone.head

    def call(own: Parameters, inputs: Inputs) -> Tensor:
        local = {name.removeprefix("head."): value for name, value in own.items()}
        scores: Tensor = functional_call(head, local, inputs)
        return scores

    return call


def _head_scores(backbone: Backbone, weights: TaskWeights, features: Tensor) -> Tensor:
    scores: Tensor = vmap(_head_caller(backbone), randomness="different")(
        dict(weights.values), (features,)
    )
    return scores


def refuse_batch_statistics(module: nn.Module) -> str | None:
    """Return why a module cannot be run over tasks at once, or None."""
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            return f"{name} is a BatchNorm, whose statistics would mix tasks; use LayerNorm"
    return None
