"""The reference: one task after the other, plain autograd. Slow, and obviously right."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.func import functional_call

from fewrec_cli.backbone.base import Backbone, subset
from fewrec_cli.engine.base import InnerLoop, pairwise_loss, pointwise_loss, weighted_mean
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import Rows


def inner_loop(backbone: Backbone, user: Tensor, support: Rows, loop: InnerLoop) -> TaskWeights:
    """Do what ``general.inner_loop`` does, task by task; same arguments, same result."""
    shared = subset(dict(backbone.named_parameters()), loop.names)
    each = [
        _one_task(
            backbone, user[task], support.slice(slice(task, task + 1)), only(loop, task), shared
        )
        for task in range(len(user))
    ]
    return TaskWeights({name: torch.stack([own[name] for own in each]) for name in loop.names})


def only(loop: InnerLoop, task: int) -> InnerLoop:
    """Return the settings of a single task."""
    return replace(loop, scale=loop.scale[task : task + 1])


def _one_task(
    backbone: Backbone, user: Tensor, padded: Rows, loop: InnerLoop, shared: dict[str, Tensor]
) -> dict[str, Tensor]:
    rows = _without_padding(padded)
    own = dict(shared)
    if rows is None:
        return own
    for _ in range(loop.steps):
        at = own if loop.second_order else _leaves(own)
        with torch.enable_grad():
            at = {k: v if v.requires_grad else v.requires_grad_() for k, v in at.items()}
            loss = _loss(backbone, at, user, rows)
            gradient = torch.autograd.grad(
                loss, list(at.values()), create_graph=loop.second_order, materialize_grads=True
            )
        own = {
            name: value - loop.step(name, step[None])[0]
            for (name, value), step in zip(own.items(), gradient, strict=True)
        }
    return own


def _loss(backbone: Backbone, own: dict[str, Tensor], user: Tensor, rows: Rows) -> Tensor:
    mixed = () if rows.partner is None or rows.mix is None else (rows.partner, rows.mix)
    scores = functional_call(backbone, own, (user, rows.item, *mixed))
    if rows.negative is None:
        return weighted_mean(pointwise_loss(scores, rows.rating), rows.weight)
    negative = functional_call(backbone, own, (user, rows.negative))
    return weighted_mean(pairwise_loss(scores, negative), rows.weight)


def _leaves(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().requires_grad_() for name, value in values.items()}


def _without_padding(rows: Rows) -> Rows | None:
    """Return the one task's rows of positive weight as vectors, or None if there are none."""
    kept = rows.weight[0] > 0
    if not bool(kept.any()):
        return None

    def pick(part: Tensor | None) -> Tensor | None:
        return None if part is None else part[0][kept]

    return Rows(
        rows.item[0][kept],
        rows.rating[0][kept],
        rows.weight[0][kept],
        pick(rows.negative),
        pick(rows.partner),
        pick(rows.mix),
    )
