"""Strategies that read the support instead of fitting to it: what they share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.engine.base import (
    Adapted,
    Prediction,
    pairwise_loss,
    pointwise_loss,
    weighted_mean,
)
from fewrec_cli.engine.rows import linear_rows, linear_support
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Feed, Outer, Strategy
from fewrec_cli.strategy.level import LevelHead


@dataclass(frozen=True)
class Seen:
    """Support rows as a network reads them; a padded row has weight 0.

    Attributes:
        design: Row of the head's linear view, ``(tasks, n, columns)``.
        score: Of the shared model, standard units, ``(tasks, n)``.
        surprise: Rating - score, standard units, ``(tasks, n)``.
        weight: ``(tasks, n)``.
    """

    design: Tensor
    score: Tensor
    surprise: Tensor
    weight: Tensor


class Memory(Protocol):
    """What a network keeps of the supports of a batch of tasks."""

    def take(self, tasks: Tensor) -> Self:
        """Return what it keeps of some of the tasks, by their index ``(n,)``."""


class Network(nn.Module, ABC):
    """Reads supports once, then answers any queries."""

    @abstractmethod
    def read(self, seen: Seen) -> Any:
        """Return a ``Memory`` of supports; the order of a support's rows must not matter."""

    @abstractmethod
    def forward(self, memory: Any, design: Tensor, score: Tensor) -> Tensor:
        """Answer each query by itself, ``(tasks, n, outputs)``.

        Args:
            memory: What was read.
            design: Row of the head's linear view, ``(tasks, n, columns)``.
            score: Of the shared model, standard units, ``(tasks, n)``.
        """


class Reading(Strategy, ABC):
    """The adapter's score, corrected by a network that has read the support.

    score = adapter's score + n / (n + κ) · correction, with n support rows and κ learned: a task
    without support keeps the shared score, and few rows correct less than many. The network starts
    at a correction of 0. For explicit data it also tilts the probabilities of the rating levels.

    Args:
        adapter: Fits a task to its support before the correction; ``none`` leaves all to it.
        augment: Changes of the supports, by name.
        augment_weight: α of D* = D + α D'.
        pretrain: The strategy whose training comes first, still without adapter and augment, or
            None.
        outer: How shared weights and the network are updated together.
        feed: What one step is fed with.
        level_weight: Weight of the loss of the level probabilities beside the score's.
        without_support: Share of training tasks whose support is hidden, so that the shared score
            stays one to start from.
    """

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        pretrain: Callable[..., Strategy] | None,
        outer: Outer,
        feed: Feed,
        level_weight: float,
        without_support: float,
    ) -> None:
        super().__init__(
            adapter=adapter, augment=augment, augment_weight=augment_weight, outer=outer, feed=feed
        )
        given = {"adapter": adapter, "augment": augment, "augment_weight": augment_weight}
        self.pretrain = None if pretrain is None else pretrain(**given)
        self.level_weight = level_weight
        self.without_support = without_support
        self.levels: LevelHead | None = None

    @abstractmethod
    def network(self, columns: int, outputs: int) -> Network:
        """Make the network.

        Args:
            columns: Width of the head's linear view.
            outputs: Numbers per query row: the correction, then the tilt of each level.
        """

    @property
    def phases(self) -> Sequence[Strategy]:
        """The phases of ``pretrain``, then this one."""
        return (self,) if self.pretrain is None else (*self.pretrain.phases, self)

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Create the network, κ and, for explicit data, the probabilities of the levels."""
        if self.pretrain is not None:
            self.pretrain.build(backbone, dataset, train)
        levels = 0
        if dataset.scale is not None:
            mean, sd = float(backbone.rating_mean), float(backbone.rating_sd)
            self.levels = LevelHead(dataset.scale, mean, sd)
            levels = len(dataset.scale.levels)
        self.reader = self.network(len(backbone.head.linear_weights()), 1 + levels)
        self.caution = nn.Parameter(torch.zeros(()))

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the mean over tasks of the query loss after reading the support."""
        if not isinstance(batch, TaskBatch):
            raise TypeError(f"{self.name} is fed with tasks, got {type(batch).__name__}")
        penalty = backbone.penalty(batch.query.item, batch.query.weight)
        drawn = torch.Generator().manual_seed(derive_seed(batch.seed, "hidden"))
        shown = torch.rand(len(batch), generator=drawn) >= self.without_support
        weight = batch.support.weight * shown.to(batch.support.weight)[:, None]
        some = replace(batch, support=batch.support.reweighted(weight))
        return self.adapted_loss(backbone, some) + penalty

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> Adapted:
        """Let the adapter fit every task, and the network read its support."""
        stretched = self.stretched(support, seed)
        fitted = self.adapter.adapt(backbone, user, stretched, training=training)
        seen = look(backbone, user, stretched)
        rows = support.weight.sum(-1)
        share = rows / (rows + functional.softplus(self.caution))
        return Corrected(self.reader, self.levels, self.reader.read(seen), share, fitted)

    def unadapted(self, backbone: Backbone, user: Tensor) -> Adapted:
        """Read an empty support."""
        item = user.new_zeros(len(user), 0)
        none = item.to(backbone.rating_mean)
        return self.adapt(backbone, user, Rows(item, none, none), seed=0, training=False)

    def query_losses(
        self, backbone: Backbone, adapted: Adapted, user: Tensor, query: Rows
    ) -> Tensor:
        """Return each task's mean loss of the score and of the levels, ``(tasks,)``."""
        found = adapted.predict(backbone, user, query.item)
        if query.negative is not None:
            negative = adapted.predict(backbone, user, query.negative).score
            return weighted_mean(pairwise_loss(found.score, negative), query.weight)
        losses = pointwise_loss(found.score, query.rating, self.outer.loss)
        if self.levels is not None and found.levels is not None:
            losses = losses + self.level_weight * self.levels.losses(found.levels, query.rating)
        return weighted_mean(losses, query.weight)


def look(backbone: Backbone, user: Tensor, support: Rows) -> Seen:
    """Return support rows as a network reads them; sampled negatives are rows of rating 0."""
    rows = linear_support(backbone, user, support)
    score = rows.offset + rows.design @ backbone.head.linear_weights()
    surprise = torch.where(rows.weight > 0, rows.rating - score, torch.zeros_like(score))
    return Seen(rows.design, score, surprise, rows.weight)


@dataclass(frozen=True)
class Corrected(Adapted):
    """What the adapter fitted and what the network read.

    Attributes:
        network: Answers queries.
        levels: Gives level probabilities; None for implicit data.
        memory: What the network read.
        share: n / (n + κ) of each task, ``(tasks,)``.
        fitted: What the adapter fitted.
    """

    network: Network
    levels: LevelHead | None
    memory: Memory
    share: Tensor
    fitted: Adapted

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Score items, each by itself: none sees the others."""
        offset, design = linear_rows(backbone, user, item)
        score = offset + design @ backbone.head.linear_weights()
        answer = self.share[:, None, None] * self.network(self.memory, design, score)
        if not (isinstance(self.fitted, TaskWeights) and not self.fitted.values):
            score = self.fitted.predict(backbone, user, item).score
        score = score + answer[..., 0]
        if self.levels is None:
            return Prediction(score)
        return Prediction(score, self.levels(score, answer[..., 1:]))

    def take(self, tasks: Tensor) -> Self:
        """Return what is known of some of the tasks."""
        return replace(
            self,
            memory=self.memory.take(tasks),
            share=self.share[tasks],
            fitted=self.fitted.take(tasks),
        )
