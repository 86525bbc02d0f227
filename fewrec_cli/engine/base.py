"""What every path of the engine shares: what adaptation answers, the losses, the inner loop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.scenario.batch import Rows

CANDIDATE_NUMBERS = 768
"""Attributes, features and networks of a candidate that is scored by itself: above the measured
peak of every strategy and backbone with the numbers of its yaml, on short supports."""


@dataclass(frozen=True)
class Prediction:
    """What is foretold of candidates.

    Attributes:
        score: Expected rating (explicit data) or preference, standard units, ``(tasks, n)``;
            candidates are ranked by it.
        levels: Probability of each rating level, ascending, ``(tasks, n, levels)``; None for a
            point predictor.
        variance: Predictive variance of a rating, standard units squared, ``(tasks, n)``, or of
            the first of them; None where there is none or ``Adapted.variance`` is to be asked.
    """

    score: Tensor
    levels: Tensor | None = None
    variance: Tensor | None = None


class Adapted(ABC):
    """What a batch of tasks learned from its supports: answers for each task's candidates."""

    @abstractmethod
    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Foretell the ratings of items.

        Args:
            backbone: Shared weights, those that were adapted.
            user: ``(tasks,)``.
            item: ``(tasks, n)``.
        """

    def variance(self, backbone: Backbone, user: Tensor, item: Tensor) -> Tensor | None:
        """Return the predictive variance of ratings where it costs more than ``predict``.

        It is asked for query rows alone. None: there is none, or it came with the prediction.

        Args:
            backbone: Shared weights, those that were adapted.
            user: ``(tasks,)``.
            item: ``(tasks, n)``.

        Returns:
            Standard units squared, ``(tasks, n)``.
        """
        return None

    @abstractmethod
    def take(self, tasks: Tensor) -> Self:
        """Return what some of the tasks learned, by their index ``(n,)``."""

    @property
    def candidate_numbers(self) -> int:
        """How many numbers ``predict`` holds at once of each candidate, from above."""
        return CANDIDATE_NUMBERS

    def last_layer(self, backbone: Backbone) -> Tensor:
        """Return each task's weights of the head's linear view, ``(tasks, columns)``.

        Where no task has its own, the shared ones, ``(1, columns)``.

        Args:
            backbone: Shared weights, those that were adapted.

        Raises:
            ConfigError: More was learned than these weights.
        """
        shared = backbone.head.from_linear(backbone.head.linear_weights()[None])
        whole = {f"head.{name}": value for name, value in shared.items()}
        values = self.values_by_name()
        beyond = sorted(set(values) - set(whole))
        if beyond:
            raise ConfigError(
                f"what was adapted is more than the last layer: {beyond[0]}",
                "choose strategy.adapted=last, or strategy/adapter=ridge",
            )
        tasks = len(next(iter(values.values()), whole[next(iter(whole))]))
        parts = [values.get(name, one).expand(tasks, *one.shape[1:]) for name, one in whole.items()]
        return torch.cat([part.reshape(tasks, -1) for part in parts], 1)

    def values_by_name(self) -> Mapping[str, Tensor]:
        """Return the adapted parameters by name relative to the backbone, ``(tasks, *shape)``.

        Raises:
            ConfigError: What was learned is not a change of the backbone's parameters.
        """
        raise ConfigError(
            f"{type(self).__name__} adapts no parameters of the backbone",
            "choose strategy=transfer or maml with strategy/adapter=gradient or ridge",
        )


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


def query_losses(
    backbone: Backbone, adapted: Adapted, user: Tensor, query: Rows, kind: RatingLoss = "squared"
) -> Tensor:
    """Return each task's mean loss on its query rows, ``(tasks,)``."""
    scores = adapted.predict(backbone, user, query.item).score
    if query.negative is None:
        return weighted_mean(pointwise_loss(scores, query.rating, kind), query.weight)
    negative = adapted.predict(backbone, user, query.negative).score
    return weighted_mean(pairwise_loss(scores, negative), query.weight)
