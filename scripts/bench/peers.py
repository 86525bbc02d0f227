"""The reference loops, written here in the way that meta-learning libraries write theirs.

Each takes one task after the other and lets autograd do the rest. They are written with care:
features are encoded once per task, not once per step, only the head is cloned, and each task's
graph is freed before the next one begins.
"""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from bench.workload import Task
from fewrec_cli.backbone.base import Backbone


def first_order(backbone: Backbone, tasks: Sequence[Task], steps: int, rate: float) -> None:
    """Add first-order MAML's gradient to ``.grad``: fast weights are loaded into the one model.

    The way of recommendation libraries: step on the support, load what the steps gave, take the
    query's gradient there, load the shared weights again.
    """
    head = backbone.head
    for task in tasks:
        kept = {name: weight.clone() for name, weight in head.state_dict().items()}
        _move(backbone, task, steps, rate)
        (_query_loss(backbone, head, task) / len(tasks)).backward()
        head.load_state_dict(kept)


def clone_adapt(
    backbone: Backbone, tasks: Sequence[Task], steps: int, rate: float, *, second_order: bool
) -> None:
    """Add MAML's gradient to ``.grad``: each task adapts a differentiable clone of the head.

    The way of libraries with a ``clone``/``adapt`` pair of calls; with ``second_order`` the
    steps' own graph is kept (``create_graph``).
    """
    for task in tasks:
        learner = clone(backbone.head)
        features = backbone.encode(task.user, task.item)
        if not second_order:
            features = features.detach()
        for _ in range(steps):
            loss = mse_loss(learner(features), task.rating)
            weights = list(learner.parameters())
            gradient = torch.autograd.grad(loss, weights, create_graph=second_order)
            moved = iter([w - rate * g for w, g in zip(weights, gradient, strict=True)])
            replace(learner, moved)
        (_query_loss(backbone, learner, task) / len(tasks)).backward()


def reptile(backbone: Backbone, tasks: Sequence[Task], steps: int, rate: float) -> None:
    """Put Reptile's step into ``.grad``: a deep copy per task is trained by plain SGD."""
    head = list(backbone.head.parameters())
    total = [torch.zeros_like(weight) for weight in head]
    for task in tasks:
        learner = deepcopy(backbone.head)
        optimizer = SGD(learner.parameters(), lr=rate)
        with torch.no_grad():
            features = backbone.encode(task.user, task.item)
        for _ in range(steps):
            optimizer.zero_grad()
            mse_loss(learner(features), task.rating).backward()
            optimizer.step()
        with torch.no_grad():
            torch._foreach_add_(total, list(learner.parameters()))
    for weight, moved in zip(head, total, strict=True):
        weight.grad = weight.detach() - moved / len(tasks)


def rank(
    backbone: Backbone, tasks: Sequence[Task], catalogue: Tensor, rate: float, k: int
) -> Tensor:
    """Adapt one user by one step, score every item, keep the best, ``(users, k)``."""
    best = []
    for task in tasks:
        kept = {name: weight.clone() for name, weight in backbone.head.state_dict().items()}
        _move(backbone, task, 1, rate)
        with torch.no_grad():
            scores = backbone(task.user, catalogue)
            scores[task.item] = -torch.inf
            best.append(scores.topk(k).indices)
        backbone.head.load_state_dict(kept)
    return torch.stack(best)


def clone(module: nn.Module) -> nn.Module:
    """Return a copy whose parameters are clones that autograd follows back to the originals."""
    copy = module.__new__(type(module))
    copy.__dict__ = dict(module.__dict__)
    copy._parameters = {
        name: None if value is None else value.clone()  # type: ignore[misc]
        for name, value in module._parameters.items()
    }
    copy._modules = {
        name: None if part is None else clone(part) for name, part in module._modules.items()
    }
    return copy


def replace(module: nn.Module, values) -> None:
    """Hand each parameter of a clone its next value, in the order of ``parameters()``."""
    for name in module._parameters:
        module._parameters[name] = next(values)
    for part in module.children():
        replace(part, values)


def _move(backbone: Backbone, task: Task, steps: int, rate: float) -> None:
    """Take the inner steps on the head's own weights."""
    head = dict(backbone.head.named_parameters())
    with torch.no_grad():
        features = backbone.encode(task.user, task.item)
    for _ in range(steps):
        loss = mse_loss(backbone.head(features), task.rating)
        gradient = torch.autograd.grad(loss, list(head.values()))
        moved = [(n, w - rate * g) for (n, w), g in zip(head.items(), gradient, strict=True)]
        backbone.head.load_state_dict(dict(moved))


def _query_loss(backbone: Backbone, head: nn.Module, task: Task) -> Tensor:
    return mse_loss(head(backbone.encode(task.user, task.query_item)), task.query_rating)
