"""Prompt: a language model reads the support, in words, together with each candidate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from fewrec_cli.backbone.base import Backbone, Listener, Told
from fewrec_cli.core.errors import ConfigError, ScenarioError
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.engine.base import Adapted, Prediction, pairwise_loss, weighted_mean
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Feed, Outer, Strategy
from fewrec_cli.strategy.prompt_fit import Examples, chosen_penalty, fitted
from fewrec_cli.strategy.prompt_text import SupportText, listener_of

CONTENT_FREE = "N/A"


class Prompt(Strategy):
    """P(liked) = sigmoid(score of the backbone's head, having read the support and the candidate).

    Zero-shot, the head is that of the backbone: with ``backbone.score=prompt`` how much likelier
    one word is than another, less what it is where support and candidate say nothing. Otherwise it
    learns from labelled examples (the training windows of ``scenario=windows``, the rows seen of
    ``domain_cold``, elsewhere episodes of the training rows): a language model that stays as it is
    gets a change of the head that minimises the cross-entropy of liked with a penalty, in closed
    form; one that learns (``backbone.tuned``) does so by steps, head included, on the same loss.
    Levels are those of liked, and of other, rows of the examples. Implicit data: the score alone,
    learned by steps against sampled negatives.

    Args:
        adapter: Read by nothing.
        augment: Changes of the supports by name.
        augment_weight: Read by nothing.
        told: Template of a user's text.
        entry: Template of an item in a list, or None.
        zero_shot: Whether nothing is learned.
        penalty: Of the head's squared change, in examples, where the vectors' total variance is 1;
            None: the largest that cross-validation over the examples' users finds no worse.
        outer_lr: Largest step size (Adam), > 0.
        weight_decay: Of Adam, >= 0.
        epochs: Passes over the examples.
        patience: Validations without gain before training ends.
        tasks_per_step: Examples of a step.
        support: Smallest and largest support of an episode.
        query: Largest query of an episode.

    Source:
        The support in the prompt: Brown et al., "Language Models are Few-Shot Learners", NeurIPS
        2020; of liked and disliked titles: Bao et al., "TALLRec", RecSys 2023. Calibration: Zhao et
        al., "Calibrate Before Use", ICML 2021.
    """

    found: Tensor
    shares: Tensor

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        told: str,
        entry: str | None,
        zero_shot: bool,
        penalty: float | None,
        outer_lr: float,
        weight_decay: float,
        epochs: int,
        patience: int,
        tasks_per_step: int,
        support: list[int],
        query: int,
    ) -> None:
        sizes = (support[0], support[1])
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=Outer("adam", outer_lr, weight_decay, epochs, patience),
            feed=Feed("tasks", tasks_per_step, sizes, query, examples=True),
        )
        if penalty is not None and penalty <= 0:
            raise ConfigError(
                f"strategy.penalty={penalty:g} is not above 0", "give e.g. 3, or null"
            )
        self.template = told
        self.entry = entry
        self.zero_shot = zero_shot
        self.penalty = penalty
        self.stepwise = not zero_shot

    @property
    def phases(self) -> Sequence[Strategy]:
        """One where the language model learns; a head alone is fitted in closed form."""
        return (self,) if self.stepwise else ()

    @property
    def fitted(self) -> int:
        """The change of the head, where it is in closed form."""
        return 0 if self.zero_shot or self.stepwise else len(self.found)

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Prepare the texts, and a change of the head of 0.

        Raises:
            ConfigError: The backbone does not read users and items together.
        """
        listener = listener_of(backbone)
        self.stepwise = not self.zero_shot and (listener.learns or dataset.implicit)
        self.least = backbone.liked_from(dataset)
        mean, sd = float(backbone.rating_mean), float(backbone.rating_sd)
        levels = torch.zeros(0)
        if dataset.scale is not None and not dataset.implicit:
            levels = (torch.from_numpy(dataset.scale.levels).float() - mean) / sd
        self.texts = SupportText(dataset, self.template, self.entry, self.least)
        if listener.cut_items:
            backbone.reporter.say(
                f"item texts ({listener.cut_items:,}): cut after {listener.most} tokens, to leave "
                f"{listener.room} for what is told of a user"
            )
        above = levels >= (self.least or 0.0)
        apart = torch.stack([~above, above]).float()
        self.register_buffer("level", levels)
        self.register_buffer("shares", apart / apart.sum(1, keepdim=True).clamp(min=1))
        width = listener.vectors.trunk.width
        self.register_buffer("found", torch.zeros(width + 2))  # of the vector, the offset, and b
        self._calibrate(backbone, listener)

    @torch.no_grad()
    def _calibrate(self, backbone: Backbone, listener: Listener) -> None:
        """Let supports and candidates without content score 0 on average, where words decide."""
        free = listener.free
        if free is None:
            return
        texts = self.texts.without_content([CONTENT_FREE] * len(free))
        vectors = listener.read(listener.told(texts), free[:, None])
        none = functional.pad(vectors, (0, 1))
        self.found[-1] = -backbone.head(none).mean()

    def logit(self, backbone: Backbone, told: Told, item: Tensor) -> Tensor:
        """Return the score of items ``(tasks, n)`` for users of whom something is told."""
        features = listener_of(backbone).features(told, item)
        change = features @ self.found[:-1] + self.found[-1]
        score: Tensor = backbone.head(features) + change
        return score

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the mean over tasks of the cross-entropy of liked query rows."""
        if not isinstance(batch, TaskBatch):
            raise TypeError(f"prompt is fed with tasks, got {type(batch).__name__}")
        penalty = backbone.penalty(batch.query.item, batch.query.weight)
        return self.adapted_loss(backbone, batch) + penalty

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> "Prompted":
        """Put every support into words."""
        rows = self.stretched(support, seed)
        told, _ = self.texts.tell(listener_of(backbone), user, rows)
        return Prompted(self, told.to(user.device))

    def unadapted(self, backbone: Backbone, user: Tensor) -> "Prompted":
        """Tell nothing but the facts of users."""
        item = user.new_zeros(len(user), 0)
        none = item.to(backbone.rating_mean)
        return self.adapt(backbone, user, Rows(item, none, none), seed=0, training=False)

    def query_losses(
        self, backbone: Backbone, adapted: Adapted, user: Tensor, query: Rows
    ) -> Tensor:
        """Return each task's mean cross-entropy (implicit data: pairwise loss), ``(tasks,)``."""
        assert isinstance(adapted, Prompted)
        score = self.logit(backbone, adapted.told, query.item)
        if query.negative is not None:
            other = self.logit(backbone, adapted.told, query.negative)
            return weighted_mean(pairwise_loss(score, other), query.weight)
        losses = functional.binary_cross_entropy_with_logits(
            score, self._liked(query).to(score), reduction="none"
        )
        return weighted_mean(losses, query.weight)

    @torch.no_grad()
    def fit(self, backbone: Backbone, examples: Iterable[TaskBatch]) -> int:
        """Fit the head's change, unless steps did, and the levels of liked and of other rows.

        Raises:
            ScenarioError: There is no labelled row, and ``zero_shot`` is false.
        """
        if self.zero_shot or self.least is None:
            return 0
        device = backbone.rating_mean.device
        batches = [batch.to(device) for batch in examples]
        if not batches:
            raise ScenarioError(
                "strategy=prompt learns from labelled rows, and none is seen",
                "raise scenario.domain_shots, or take strategy.zero_shot=true",
            )
        self._fit_levels(batches)
        if self.stepwise:
            return 0
        parts = []
        with backbone.reporter.stage("examples", len(batches)) as advance:
            for batch in batches:
                parts.append(self._example(backbone, batch))
                advance()
        rows = Examples.of(parts)
        penalty = chosen_penalty(rows) if self.penalty is None else self.penalty
        found, steps = fitted(rows, penalty)
        self.found += found.to(self.found)
        backbone.reporter.say(
            f"prompt: head fitted to {len(rows.liked):,} rows with a penalty of {penalty:g}"
            + (" (cross-validated)" if self.penalty is None else "")
        )
        return steps

    def _example(self, backbone: Backbone, batch: TaskBatch) -> Examples:
        """Return the query rows of a batch as the head reads them."""
        listener = listener_of(backbone)
        told = self.adapt(backbone, batch.user, batch.support, seed=batch.seed, training=False).told
        features = listener.features(told, batch.query.item)
        start = backbone.head(features) + features @ self.found[:-1] + self.found[-1]
        real = batch.query.weight > 0
        owner = batch.user[:, None].expand(real.shape)
        return Examples(
            features[real],
            start[real],
            self._liked(batch.query)[real],
            batch.query.weight[real],
            owner[real],
        )

    def _fit_levels(self, batches: Sequence[TaskBatch]) -> None:
        """Count the levels of liked and of other rows, one row of each level beside."""
        levels = self.get_buffer("level")
        above = levels >= (self.least or 0.0)
        count = torch.stack([~above, above]).double()
        for batch in batches:
            place = (batch.query.rating[..., None] - levels).abs().argmin(-1)
            where = (self._liked(batch.query).long(), place)
            count.index_put_(where, batch.query.weight.double(), accumulate=True)
        self.shares.copy_(count / count.sum(1, keepdim=True))

    def _liked(self, rows: Rows) -> Tensor:
        assert self.least is not None
        return rows.rating >= self.least

    def remarks(self, backbone: Backbone, tasks: Iterable[TaskBatch]) -> Sequence[str]:
        """Show what is told of a user, and count the support rows that had no room."""
        listener, shown = listener_of(backbone), ""
        rows = left_out = cut = 0
        for one in tasks:
            told, spoken = self.texts.tell(
                listener, one.user, self.stretched(one.support, one.seed)
            )
            rows, left_out = rows + spoken.rows, left_out + spoken.left_out
            cut += told.cut
            shown = shown or next((text for text in spoken.texts if text), "")
        return [
            f"prompt: of {rows:,} support rows {left_out:,} were left out, beyond {listener.room} "
            f"tokens; {cut:,} texts were cut all the same",
            f"prompt: the first user is told of as: {shown}",
        ]


@dataclass(frozen=True)
class Prompted(Adapted):
    """What is told of the users of a batch of tasks.

    Attributes:
        strategy: Scores.
        told: One text of each task.
    """

    strategy: Prompt
    told: Told

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Foretell P(liked), and by it the levels and the expected rating."""
        score = self.strategy.logit(backbone, self.told, item)
        level = self.strategy.get_buffer("level")
        if not len(level):
            return Prediction(score)
        chance = torch.sigmoid(score)[..., None]
        shares = self.strategy.shares
        levels = chance * shares[1] + (1 - chance) * shares[0]
        return Prediction(levels @ level, levels)

    def take(self, tasks: Tensor) -> Self:
        """Return what is told of some of the tasks."""
        return replace(self, told=self.told.take(tasks))
