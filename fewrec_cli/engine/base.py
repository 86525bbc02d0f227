"""What every inner loop shares: adapted weights, the task loss, the settings of the steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class TaskWeights:
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


@dataclass(frozen=True)
class InnerLoop:
    """The settings of a gradient inner loop.

    Attributes:
        names: Adapted parameters, relative to the backbone.
        rates: Step size of each of them: a scalar or the parameter's own shape.
        steps: Number of steps, >= 0.
        second_order: Keep the graph of the steps for the outer gradient.
        scale: Factor on every step of each task, ``(tasks,)``.
    """

    names: tuple[str, ...]
    rates: Mapping[str, Tensor]
    steps: int
    second_order: bool
    scale: Tensor

    def step(self, name: str, gradient: Tensor) -> Tensor:
        """Return how far a stacked parameter ``(tasks, *shape)`` moves against its gradient."""
        scale = self.scale.reshape(-1, *(1 for _ in gradient.shape[1:]))
        return self.rates[name] * scale * gradient


RatingLoss = Literal["squared", "huber"]

HUBER_BETA = 0.25
"""Errors below this (standard units) count squared, above it absolutely."""


def pointwise_loss(scores: Tensor, rating: Tensor, kind: RatingLoss = "squared") -> Tensor:
    """Loss of each row, in standard units: squared error, or nearly the absolute one.

    The squared error aims at the mean of the ratings, the other at their median, which is what
    MAE asks for.
    """
    if kind == "huber":
        return functional.smooth_l1_loss(scores, rating, beta=HUBER_BETA, reduction="none")
    return (scores - rating).square()


def pairwise_loss(scores: Tensor, negative: Tensor) -> Tensor:
    """Bayesian personalised ranking: -log sigmoid(positive - negative), row by row.

    Source:
        Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
    """
    return functional.softplus(negative - scores)


def weighted_mean(losses: Tensor, weight: Tensor) -> Tensor:
    """Mean over each task's own rows, ``(...)`` from ``(..., n)``; 0 for a task without rows."""
    total = weight.sum(-1)
    return (losses * weight).sum(-1) / torch.where(total > 0, total, torch.ones_like(total))
