"""Features: a logistic regression on a few plain numbers, fitted in closed form."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, get_args

import torch
from torch import Tensor
from torch.nn import functional

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import ConfigError, ScenarioError
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.engine import logistic
from fewrec_cli.engine.base import Adapted, Prediction
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Feed, Outer, Strategy
from fewrec_cli.strategy.features_reader import FeatureReader, Liked, Reads

OWN_ROWS = 16
"""Rows of a support that are foretold from its others, at most."""


class Features(Strategy):
    """P(liked) = sigmoid(w · numbers of support and item + b); see ``FeatureReader``.

    w and b are fitted by Newton steps to examples: the training windows of ``scenario=windows``,
    elsewhere episodes drawn once from the training rows. Each support also teaches by itself: any
    of its rows is foretold from its others. With ``pretrain`` another strategy is trained and
    adapted first, and its score is one number more. Levels are those of liked, and of other, rows
    of the examples in the shares of P.

    Args:
        adapter: That of ``pretrain``; read by nothing without it.
        augment: Changes of the supports by name, likewise.
        augment_weight: α of D* = D + α D', likewise.
        pretrain: The strategy whose score is one of the numbers, still without adapter and
            augment, or None.
        reads: Which numbers: ``likes``, ``alike``, ``texts``, ``numbers``, ``values``; see
            ``FeatureReader``.
        recent: Sizes of the first part of a support whose like share is a number.
        penalty: Of the squared weights, in examples, > 0.
        own_weight: Weight of a support row that is foretold from the others, beside 1 of a query.
        tasks_per_step: Episodes drawn at a time, where the scenario has no examples.
        support: Smallest and largest support of such an episode.
        query: Largest query of such an episode.

    Source:
        TALLRec's windows need no more: like shares by themselves are ahead of its language model
        (docs/given-splits.md). Rows foretold from others of their set: leave-one-out, Stone, 1974.
    """

    found: Tensor
    usual: Tensor
    shares: Tensor

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        pretrain: Callable[..., Strategy] | None,
        reads: list[Reads],
        recent: list[int],
        penalty: float,
        own_weight: float,
        tasks_per_step: int,
        support: list[int],
        query: int,
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=Outer("adam", 0.0, 0.0, 0, 0),
            feed=Feed("tasks", tasks_per_step, (support[0], support[1]), query),
        )
        given = {"adapter": adapter, "augment": augment, "augment_weight": augment_weight}
        self.base = None if pretrain is None else pretrain(**given)
        self.reads = reads
        self.recent = recent
        unknown = [word for word in reads if word not in get_args(Reads)]
        if unknown or not reads:
            said = f"strategy.reads={unknown[0]}" if unknown else "strategy.reads=[]"
            raise ConfigError(
                f"{said} names none of a regression's numbers",
                f"choose some of {', '.join(get_args(Reads))}",
            )
        self.penalty = penalty
        self.own_weight = own_weight

    @property
    def phases(self) -> Sequence[Strategy]:
        """The phases of ``pretrain``; the regression takes no training steps."""
        return () if self.base is None else self.base.phases

    @property
    def reads_backbone(self) -> bool:
        """Where ``pretrain`` has a score to give, or its language model vectors of the texts."""
        return self.base is not None or "texts" in self.reads

    @property
    def fitted(self) -> int:
        """The weights and b."""
        return len(self.found)

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Prepare the numbers, and weights of 0.

        Raises:
            ConfigError: The data has no ratings, or ``texts`` are asked for and no language model
                reads them.
        """
        least = backbone.liked_from(dataset)
        if dataset.scale is None or least is None:
            raise ConfigError(
                f"strategy=features learns what is liked and what is not, and {dataset.name} has "
                "no ratings",
                "give data with ratings (data.columns.rating), or choose another strategy",
            )
        if self.base is not None:
            self.base.build(backbone, dataset, train)
        texts = _texts(backbone) if "texts" in self.reads else None
        self.reader = FeatureReader(dataset, self.reads, self.recent, texts)
        mean, sd = float(backbone.rating_mean), float(backbone.rating_sd)
        levels = torch.from_numpy(dataset.scale.levels)
        self.least = least
        columns = len(self.reader.names) + (self.base is not None)
        self.register_buffer("found", torch.zeros(columns + 1))
        self.register_buffer("usual", torch.tensor(0.5))
        self.register_buffer("level", ((levels - mean) / sd).float())
        self.register_buffer("shares", torch.ones(2, len(levels)) / len(levels))
        self.register_buffer("ready", torch.tensor(False))

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Raise TypeError: nothing is trained by steps."""
        raise TypeError("features is fitted in closed form and has no loss of a step")

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> Adapted:
        """Read every support; before the fit, answer as ``pretrain`` does."""
        base = None
        if self.base is not None:
            base = self.base.adapt(backbone, user, support, seed=seed, training=training)
            if not self.get_buffer("ready"):
                return base
        return Weighed(self, self.likes(support), base)

    def unadapted(self, backbone: Backbone, user: Tensor) -> Adapted:
        """Read an empty support."""
        item = user.new_zeros(len(user), 0)
        none = item.to(backbone.rating_mean)
        return self.adapt(backbone, user, Rows(item, none, none), seed=0, training=False)

    def likes(self, rows: Rows) -> Liked:
        """Return rows as likes."""
        liked = (rows.rating >= self.least).to(rows.rating)
        return Liked(rows.item, liked, rows.weight)

    @torch.no_grad()
    def fit(self, backbone: Backbone, examples: Iterable[TaskBatch]) -> int:
        """Fit the weights, and the levels of liked and other rows; return the Newton steps.

        Raises:
            ScenarioError: There is no labelled row.
        """
        batches = [batch.to(backbone.rating_mean.device) for batch in examples]
        if not batches:
            raise ScenarioError(
                "strategy=features is fitted to labelled rows, and none is seen",
                "raise scenario.domain_shots, or take a strategy that can do without",
            )
        self.usual.fill_(self._like_share([batch.query for batch in batches]))
        parts = [part for batch in batches for part in self._rows(backbone, batch)]
        numbers, rating, weight = (
            torch.cat(column).double() for column in zip(*parts, strict=True)
        )
        liked = rating >= self.least
        found, steps = logistic.fit(numbers, liked, weight, self.penalty)
        self.found.copy_(found)
        place = (rating[:, None] - self.get_buffer("level")).abs().argmin(1)
        count = torch.zeros_like(self.shares, dtype=torch.float64)
        count.index_put_((liked.long(), place), weight, accumulate=True)
        above = self.get_buffer("level") >= self.least
        count += torch.stack([~above, above])  # one row of each level, where it belongs
        self.shares.copy_(count / count.sum(1, keepdim=True))
        self.get_buffer("ready").fill_(value=True)
        return steps

    def _like_share(self, queries: Sequence[Rows]) -> float:
        """Return the share of likes; empty supports are read as if it were theirs."""
        asked = [self.likes(query) for query in queries]
        liked = sum(float((one.weight * one.liked).sum()) for one in asked)
        return liked / sum(float(one.weight.sum()) for one in asked)

    def _rows(self, backbone: Backbone, batch: TaskBatch) -> Iterable[tuple[Tensor, ...]]:
        """Yield numbers, rating and weight of query rows, then of support rows by themselves."""
        yield self._asked(backbone, batch, batch.support, batch.query)
        if self.own_weight:
            for row in range(min(batch.support.item.shape[1], OWN_ROWS)):
                yield self._asked(backbone, batch, *_apart(batch.support, row, self.own_weight))

    def _asked(
        self, backbone: Backbone, batch: TaskBatch, support: Rows, query: Rows
    ) -> tuple[Tensor, ...]:
        base = None
        if self.base is not None:
            base = self.base.adapt(backbone, batch.user, support, seed=batch.seed, training=False)
        answer = Weighed(self, self.likes(support), base)
        numbers = answer.numbers(backbone, batch.user, query.item)
        real = query.weight > 0
        return numbers[real], query.rating[real], query.weight[real]


def _texts(backbone: Backbone) -> Tensor:
    """Return the vectors of the items' texts, ``(items, width)``."""
    vectors = backbone.item_vectors()
    if vectors is None:
        raise ConfigError(
            "strategy.reads names texts, and this backbone has no language model that reads them",
            "take backbone=bert, gpt2 or hybrid with backbone.score=encoder, or leave texts out",
        )
    return vectors


def _apart(support: Rows, row: int, weight: float) -> tuple[Rows, Rows]:
    """Return supports less one row, and that row as a query of some weight."""
    width = support.item.shape[1]
    others = torch.arange(width)
    others = others[others != row]

    def columns(rows: Rows, which: Tensor) -> Rows:
        return Rows(rows.item[:, which], rows.rating[:, which], rows.weight[:, which])

    one = columns(support, torch.tensor([row]))
    return columns(support, others), one.reweighted(weight * one.weight)


@dataclass(frozen=True)
class Weighed(Adapted):
    """What is known of a batch of tasks: their supports as likes.

    Attributes:
        strategy: Holds the weights.
        seen: The supports.
        base: What ``pretrain`` learned of them, or None.
    """

    strategy: Features
    seen: Liked
    base: Adapted | None

    def numbers(self, backbone: Backbone, user: Tensor, item: Tensor) -> Tensor:
        """Return the numbers of each candidate, ``(tasks, n, columns)``."""
        found: Tensor = self.strategy.reader(self.seen, item, self.strategy.usual)
        if self.base is None:
            return found
        score = self.base.predict(backbone, user, item).score
        return torch.cat([found, score[..., None]], -1)

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Foretell P(liked), and by it the levels and the expected rating."""
        numbers = functional.pad(self.numbers(backbone, user, item), (0, 1), value=1.0)
        chance = torch.sigmoid(numbers @ self.strategy.found)[..., None]
        levels = chance * self.strategy.shares[1] + (1 - chance) * self.strategy.shares[0]
        return Prediction(levels @ self.strategy.get_buffer("level"), levels)

    def take(self, tasks: Tensor) -> Self:
        """Return what is known of some of the tasks."""
        base = None if self.base is None else self.base.take(tasks)
        return replace(self, seen=self.seen.take(tasks), base=base)
