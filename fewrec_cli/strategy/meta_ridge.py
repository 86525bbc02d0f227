"""Meta-ridge: each task solves a ridge regression, and training goes through the solution."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.backbone.base import Backbone, row_worth
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.totals import TrainTotals
from fewrec_cli.engine.accumulate import mean_in_parts
from fewrec_cli.engine.alike import by_length
from fewrec_cli.engine.base import Adapted, pairwise_loss, pointwise_loss, weighted_mean
from fewrec_cli.engine.ridge import fit
from fewrec_cli.engine.rows import linear_support
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.adapter.ridge import Ridge
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Feed, Outer, Strategy
from fewrec_cli.strategy.level import LevelHead
from fewrec_cli.strategy.meta_ridge_answer import RidgeAnswer, Voice
from fewrec_cli.strategy.meta_ridge_reader import SupportReader


class MetaRidge(Strategy):
    """score = o + z·w, with w = w0 + Σ_s y_s / √n + ridge of the rest; levels around the score.

    o and z are the backbone's (``linear_view``), λ the adapter's. What was rated counts besides how
    (y_s, learned of each item), and a network turns score and support into a probability of each
    level. One model serves known and new items, as the backbone drops ids in training
    (``id_dropout``). Implicit data is ranked by the ridge alone: it has no levels.

    Args:
        adapter: ``ridge``, whose λ is learned per column; as training goes through it, no factor
            on it is tried afterwards (``strengths``).
        augment: Changes of the supports, by name.
        augment_weight: α of D* = D + α D'.
        outer_lr: Step size (Adam), > 0.
        weight_decay: Of Adam, >= 0.
        epochs: Passes over the training tasks.
        patience: Validations without gain before training ends.
        level_share: Share of the levels' cross-entropy in the loss, 0..1; the rest is the score's
            nearly absolute error.
        expectation: Share of the levels' expected rating in the final score, 0..1; the rest is the
            ridge's.
        item_numbers: Learned numbers of each item that the network reads, >= 0.
        hidden: Hidden widths of the network.
        dropout: Of its hidden numbers, and of an item's numbers all at once, 0..1.
        implicit_l2: Penalty on each item's squared y, in rows.
        shift_penalty: Penalty, in rows, on how far a user's level on what is asked may lie from
            that on the history (``scenario.history=true``), > 0; None allows no shift.
        weighting: Share of each task in a step: its share of the query ``rows``, or ``uniform``.
        tasks_per_step: Episodes per step.
        support: Smallest and largest support of an episode; sizes are drawn log-uniformly.
        query: Largest query of an episode.

    Source:
        Bertinetto et al., "Meta-learning with differentiable closed-form solvers", ICLR 2019;
        implicit term: Koren, "Factorization Meets the Neighborhood", KDD 2008, equation 15.
    """

    count: Tensor

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        outer_lr: float,
        weight_decay: float,
        epochs: int,
        patience: int,
        level_share: float,
        expectation: float,
        item_numbers: int,
        hidden: list[int],
        dropout: float,
        implicit_l2: float,
        shift_penalty: float | None,
        weighting: Literal["uniform", "rows"],
        tasks_per_step: int,
        support: list[int],
        query: int,
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=Outer("adam", outer_lr, weight_decay, epochs, patience, "huber", "onecycle"),
            feed=Feed("tasks", tasks_per_step, (support[0], support[1]), query),
        )
        self.level_share = level_share
        self.expectation = expectation
        self.item_numbers = item_numbers
        self.hidden = hidden
        self.dropout = dropout
        self.implicit_l2 = implicit_l2
        self.shift_penalty = shift_penalty
        self.weighting = weighting

    @property
    def name(self) -> str:
        """The word shown for this phase."""
        return "meta_ridge"

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Create y of each item, the network and the levels.

        Raises:
            ConfigError: The adapter is no ridge.
        """
        if not isinstance(self.adapter, Ridge):
            raise ConfigError(
                "strategy=meta_ridge learns through a ridge solve, and this adapter makes none",
                "leave strategy/adapter out, or choose strategy/adapter=ridge",
            )
        self.adapter.strengths = (1.0,)
        columns = len(backbone.head.linear_weights())
        self.rated = nn.Parameter(torch.zeros(dataset.n_items, columns))
        counts = TrainTotals.of(dataset, train).item_count
        self.register_buffer("count", torch.from_numpy(counts).float().clamp(min=1))
        self.worth = row_worth(implicit=dataset.implicit)
        self.voice: Voice | None = None
        if dataset.scale is not None:
            mean, sd = float(backbone.rating_mean), float(backbone.rating_sd)
            levels = LevelHead(dataset.scale, mean, sd)
            reader = SupportReader(
                dataset.n_items, levels.level, self.item_numbers, self.hidden, self.dropout
            )
            self.voice = Voice(levels, reader, self.expectation)

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> RidgeAnswer:
        """Solve every task's ridge regression around its own prior mean."""
        stretched = self.stretched(support, seed)
        start = backbone.head.linear_weights() + self._implied(stretched)
        rows = linear_support(backbone, user, stretched)
        residual = rows.rating - rows.offset - (rows.design @ start[..., None])[..., 0]
        design, penalty = rows.design, self._penalty()
        shifted = self.shift_penalty is not None and stretched.past is not None
        if shifted:
            design, penalty = self._with_shift(design, penalty, stretched)
        solved = fit(design, residual, rows.weight, design.new_zeros(design.shape[2]), penalty)
        seen = None
        if self.voice is not None:
            left = residual - (design @ solved.weights[..., None])[..., 0]
            seen = self.voice.reader.read(rows.design, rows.rating, left, rows.weight)
        weights = start + solved.weights[:, -start.shape[-1] :]
        if shifted:
            weights = weights + functional.pad(solved.weights[:, :1], (start.shape[-1] - 1, 0))
        return RidgeAnswer(self.voice, start, weights, solved.covariance, seen)

    def _with_shift(self, design: Tensor, penalty: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """Put a column in front that is 1 on rows outside the history, and its penalty."""
        assert rows.past is not None, "the caller asks only then"
        new = (1 - rows.past).repeat(1, design.shape[1] // rows.past.shape[1])  # and negatives
        price = penalty.new_tensor([self.shift_penalty])
        return torch.cat([new[..., None], design], -1), torch.cat([price, penalty])

    def _implied(self, rows: Rows) -> Tensor:
        """Return what the choice of items says, Σ_s v_s y_s / √Σ v, ``(tasks, columns)``."""
        chosen = functional.embedding(rows.item, self.rated) * rows.weight[..., None]
        return chosen.sum(1) / rows.weight.sum(1, keepdim=True).clamp(min=1).sqrt()

    def _penalty(self) -> Tensor:
        assert isinstance(self.adapter, Ridge), "build() refuses any other"
        return self.adapter.strength * self.adapter.log_penalty.exp()

    def unadapted(self, backbone: Backbone, user: Tensor) -> RidgeAnswer:
        """Return the answer to an empty support."""
        none = user.new_zeros(len(user), 0)
        empty = none.to(backbone.rating_mean)
        return self.adapt(backbone, user, Rows(none, empty, empty), seed=0, training=False)

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the mean query loss after adaptation, with the regularisers."""
        if not isinstance(batch, TaskBatch):
            raise TypeError(f"meta_ridge is fed with tasks, got {type(batch).__name__}")
        mean_rows = batch.query.weight.sum(1).mean()

        def losses(part: TaskBatch) -> Tensor:
            alike = by_length(part)
            each = torch.cat([self.task_losses(backbone, some) for some in alike])
            rows = torch.cat([some.query.weight.sum(1) for some in alike])
            return each * rows / mean_rows if self.weighting == "rows" else each

        learned = [p for p in (*backbone.parameters(), *self.parameters()) if p.requires_grad]
        item, weight = batch.query.item, batch.query.weight
        size = functional.embedding(item, self.rated).square().sum(-1)
        held = (size * weight / self.count[item]).sum() / weight.sum().clamp(min=1)
        penalty = backbone.penalty(item, weight) + self.worth * self.implicit_l2 * held
        return mean_in_parts(losses, self.cut(batch), learned) + penalty

    def query_losses(
        self, backbone: Backbone, adapted: Adapted, user: Tensor, query: Rows
    ) -> Tensor:
        """Return each task's mean loss of score and levels, ``(tasks,)``."""
        assert isinstance(adapted, RidgeAnswer), "adapt() returns nothing else"
        score, probability = adapted.read(backbone, user, query.item)
        if query.negative is not None:
            other, _ = adapted.read(backbone, user, query.negative)
            return weighted_mean(pairwise_loss(score, other), query.weight)
        losses = pointwise_loss(score, query.rating, self.outer.loss)
        if probability is not None and self.voice is not None:
            surprise = self.voice.levels.losses(probability, query.rating)
            losses = (1 - self.level_share) * losses + self.level_share * surprise
        return weighted_mean(losses, query.weight)
