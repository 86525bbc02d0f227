"""Adapted weights as plain tensors, and scores of any backbone with each task's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.base import Adapted, Prediction
from fewrec_cli.engine.memory import tasks_at_once
from fewrec_cli.scenario.batch import Rows

Parameters = dict[str, Tensor]
Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class TaskWeights(Adapted):
    """What adaptation changed: a stack of parameters, one slice per task.

    Attributes:
        values: Parameter name relative to the backbone to ``(tasks, *shape)``; parameters that are
            absent keep their shared values. Empty for an unadapted model.
    """

    values: Mapping[str, Tensor]

    @property
    def in_head(self) -> bool:
        """Whether only the head was adapted, so that features may be encoded once."""
        return all(name.startswith("head.") for name in self.values)

    def detach(self) -> "TaskWeights":
        """Return the same weights without their graph."""
        return TaskWeights({name: value.detach() for name, value in self.values.items()})

    def towards(self, shared: Mapping[str, Tensor], alpha: float) -> "TaskWeights":
        """Return θ = θ0 + α (θ1 - θ0), with θ0 = ``shared`` and θ1 these weights."""
        moved = {
            name: shared[name] + alpha * (value - shared[name])
            for name, value in self.values.items()
        }
        return TaskWeights(moved)

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Score items with each task's own weights."""
        return Prediction(score(backbone, self, user, item))

    def take(self, tasks: Tensor) -> Self:
        """Return the weights of some of the tasks."""
        return replace(self, values={name: value[tasks] for name, value in self.values.items()})

    def values_by_name(self) -> Mapping[str, Tensor]:
        """Return ``values``."""
        return self.values


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
    call, names = caller(backbone), tuple(weights.values)
    found = []
    for columns in torch.split(item, _candidates_at_once(backbone, item, names), 1):
        some = at_once(backbone, user, columns, names)
        score_all = vmap(call, randomness="different", chunk_size=some)
        found.append(score_all(dict(weights.values), (user, columns)))
    return torch.cat(found, 1) if len(found) > 1 else found[0]


def at_once(backbone: Backbone, user: Tensor, item: Tensor, names: Sequence[str]) -> int | None:
    """Return how many tasks are run through the backbone at once, or None: all of them.

    Args:
        backbone: Shared weights.
        user: ``(tasks,)``.
        item: ``(tasks, n)``.
        names: What tasks adapt.
    """
    return tasks_at_once(user.device, len(user), item.shape[1] * _row_bytes(backbone, names))


def _candidates_at_once(backbone: Backbone, item: Tensor, names: Sequence[str]) -> int:
    """Return how many candidates of one task are scored at once, at least 1."""
    some = tasks_at_once(item.device, item.shape[1], _row_bytes(backbone, names))
    return max(item.shape[1], 1) if some is None else some


def _row_bytes(backbone: Backbone, names: Sequence[str]) -> int:
    return backbone.numbers_of_a_row(names) * backbone.rating_mean.element_size()


def _head_scores(backbone: Backbone, weights: TaskWeights, features: Tensor) -> Tensor:
    scores: Tensor = vmap(head_caller(backbone), randomness="different")(
        dict(weights.values), (features,)
    )
    return scores


def caller(backbone: Backbone) -> Callable[[Parameters, Inputs], Tensor]:
    """Return the whole backbone as a function of some of its parameters."""
    return lambda own, inputs: functional_call(backbone, own, inputs)


def head_caller(backbone: Backbone) -> Callable[[Parameters, Inputs], Tensor]:
    """Return the head as a function of some of its parameters, named as in the backbone."""
    head: nn.Module = backbone.head

    def call(own: Parameters, inputs: Inputs) -> Tensor:
        local = {name.removeprefix("head."): value for name, value in own.items()}
        scores: Tensor = functional_call(head, local, inputs)
        return scores

    return call
