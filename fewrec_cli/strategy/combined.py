"""Combined: phases of several strategies, by default transfer, then MAML, with augmentation."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.engine.base import Adapted
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Strategy


class Combined(Strategy):
    """Each phase starts from the weights of the one before; all share adapter and augmentation.

    Args:
        adapter: Fits a task to its support, in meta-training and in evaluation.
        augment: Changes of the supports, by name.
        augment_weight: α of D* = D + α D'.
        phases: Strategies in the order in which they train, still without adapter and augment.
    """

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        phases: Mapping[str, Callable[..., Strategy]],
    ) -> None:
        held = [
            phase(adapter=adapter, augment=augment, augment_weight=augment_weight)
            for phase in phases.values()
        ]
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=held[-1].outer,
            feed=held[-1].feed,
        )
        self.held = nn.ModuleList(held)
        self._phases = tuple(part for phase in held for part in phase.phases)

    @property
    def phases(self) -> Sequence[Strategy]:
        """The held strategies' phases, in order."""
        return self._phases

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Create what the held strategies need; each builds its own phases."""
        for strategy in self.held:
            if isinstance(strategy, Strategy):
                strategy.build(backbone, dataset, train)

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the last phase's loss."""
        return self._phases[-1].loss(backbone, batch)

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> Adapted:
        """Fit every task as the last phase does."""
        return self._phases[-1].adapt(backbone, user, support, seed=seed, training=training)

    def unadapted(self, backbone: Backbone, user: Tensor) -> Adapted:
        """Answer as the last phase does."""
        return self._phases[-1].unadapted(backbone, user)

    def query_losses(
        self, backbone: Backbone, adapted: Adapted, user: Tensor, query: Rows
    ) -> Tensor:
        """Return the last phase's losses."""
        return self._phases[-1].query_losses(backbone, adapted, user, query)
