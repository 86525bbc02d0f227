"""MAML: learn shared weights from which a few steps on the support lead far on the query."""

from collections.abc import Mapping

from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.base import RatingLoss
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Feed, Outer, Strategy


class MAML(Strategy):
    """Minimises the query loss after adaptation, through the adapter.

    First or second order, the adapted set (``last`` is ANIL) and learned step sizes are the
    adapter's; with ``strategy/adapter=ridge`` the outer loop goes through the closed-form solve.

    Args:
        adapter: Fits a task to its support, differentiably.
        augment: Changes of the supports, by name.
        augment_weight: α of D* = D + α D'.
        outer_lr: Step size of the outer loop (Adam), > 0.
        weight_decay: Of Adam, >= 0.
        epochs: Passes over the training tasks.
        patience: Validations without gain before meta-training ends.
        loss: Of the query: ``squared`` aims at the mean rating, ``huber`` at the median.
        tasks_per_step: Episodes per step.
        support: Smallest and largest support of an episode; sizes are drawn log-uniformly.
        query: Largest query of an episode.

    Source:
        Finn et al., "Model-Agnostic Meta-Learning", ICML 2017, algorithm 1; ANIL: Raghu et al.,
        "Rapid Learning or Feature Reuse?", ICLR 2020. Departure: Adam in the outer loop.
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
        tasks_per_step: int,
        support: list[int],
        query: int,
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=Outer("adam", outer_lr, weight_decay, epochs, patience, loss),
            feed=Feed("tasks", tasks_per_step, (support[0], support[1]), query),
        )

    def task_losses(self, backbone: Backbone, batch: TaskBatch) -> Tensor:
        """Return each task's query loss after adaptation; support and query go in together."""
        support = self.stretched(batch.support, batch.seed)
        return self.adapter.query_losses(
            backbone, batch.user, support, batch.query, self.outer.loss
        )

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the mean over tasks of the query loss after adaptation."""
        if not isinstance(batch, TaskBatch):
            raise TypeError(f"maml is fed with tasks, got {type(batch).__name__}")
        penalty = backbone.penalty(batch.query.item, batch.query.weight)
        return self.adapted_loss(backbone, batch) + penalty
