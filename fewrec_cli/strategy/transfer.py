"""Transfer: supervised pretraining on all training interactions, then adaptation."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.base import Adapted, RatingLoss, pairwise_loss, pointwise_loss
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import RowBatch, Rows
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Feed, Outer, Strategy


class Transfer(Strategy):
    """Learns users and items together; a cold user starts from what all users share.

    Args:
        adapter: Fits a task to its support.
        augment: Changes of the supports at adaptation, by name.
        augment_weight: α of D* = D + α D'.
        outer_lr: Step size of pretraining (Adam), > 0.
        weight_decay: Of Adam, >= 0.
        epochs: Passes over the training interactions.
        patience: Validations without gain before pretraining ends.
        loss: ``squared`` aims at the mean rating, ``huber`` at the median.
        rows_per_step: Interactions per step.
        alpha: θ = θ0 + α (θ1 - θ0) between the shared weights and the adapted ones; 1 takes the
            adapted weights as they are.
    """

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
        loss: RatingLoss,
        rows_per_step: int,
        alpha: float,
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=Outer("adam", outer_lr, weight_decay, epochs, patience, loss),
            feed=Feed("rows", rows_per_step),
        )
        self.alpha = alpha

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the mean loss of the rows, each user's personal factors included."""
        if not isinstance(batch, RowBatch):
            raise TypeError(f"transfer is fed with rows, got {type(batch).__name__}")
        features = backbone.encode(batch.user, batch.item[:, None], personal=True)
        scores = backbone.head(features)[:, 0]
        penalty = backbone.penalty(batch.item, torch.ones_like(batch.rating))
        penalty = penalty + backbone.personal_penalty(batch.user)
        if batch.negative is None:
            return pointwise_loss(scores, batch.rating, self.outer.loss).mean() + penalty
        other = backbone.encode(batch.user, batch.negative[:, None], personal=True)
        return pairwise_loss(scores, backbone.head(other)[:, 0]).mean() + penalty

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> Adapted:
        """Adapt, then go the share ``alpha`` of the way."""
        adapted = super().adapt(backbone, user, support, seed=seed, training=training)
        if self.alpha == 1:
            return adapted
        return TaskWeights(adapted.values_by_name()).towards(
            dict(backbone.named_parameters()), self.alpha
        )
