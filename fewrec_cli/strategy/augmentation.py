"""Augmentation: supervised pretraining, then adaptation to stretched supports."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.engine.base import Adapted
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Strategy


class Augmentation(Strategy):
    """Holds a strategy for pretraining and fits every task to D* = D + α D'.

    Args:
        adapter: Fits a task to its stretched support.
        augment: Changes of the supports, by name.
        augment_weight: α of D* = D + α D'.
        pretrain: The strategy whose training comes first, still without adapter and augment.
    """

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        pretrain: Callable[..., Strategy],
    ) -> None:
        inner = pretrain(adapter=adapter, augment=augment, augment_weight=augment_weight)
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=inner.outer,
            feed=inner.feed,
        )
        self.pretrain = inner

    @property
    def phases(self) -> Sequence[Strategy]:
        """The held strategy's phases."""
        return self.pretrain.phases

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Create what the held strategy needs."""
        self.pretrain.build(backbone, dataset, train)

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the held strategy's loss."""
        return self.pretrain.loss(backbone, batch)

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> Adapted:
        """Fit every task as the held strategy does, to its stretched support."""
        return self.pretrain.adapt(backbone, user, support, seed=seed, training=training)

    def unadapted(self, backbone: Backbone, user: Tensor) -> Adapted:
        """Answer as the held strategy does."""
        return self.pretrain.unadapted(backbone, user)

    def query_losses(
        self, backbone: Backbone, adapted: Adapted, user: Tensor, query: Rows
    ) -> Tensor:
        """Return the held strategy's losses."""
        return self.pretrain.query_losses(backbone, adapted, user, query)
