"""Reptile: move shared weights towards the weights that tasks adapt to."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.adapter.none import Unadapted
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Feed, Outer, Strategy


class Reptile(Strategy):
    """θ ← θ + ε Σ αi (θi - θ), where θi is what task i adapts to from all its rows.

    The step is handed to the outer optimiser as a gradient, so that several processes average it
    as they average any other: with ``sgd`` the update is exactly the one above, ``adam`` rescales
    it per number, which embeddings that few tasks touch need.

    Args:
        adapter: Fits a task to its rows; only what it adapts is learned, so ``strategy.adapted``
            is ``all`` by default.
        augment: Changes of the supports, by name.
        augment_weight: α of D* = D + α D'.
        outer_lr: ε at the start; it falls to a tenth along a cosine.
        weight_decay: Of Adam, >= 0.
        epochs: Passes over the training tasks.
        patience: Validations without gain before meta-training ends.
        tasks_per_step: Tasks per step.
        support: Smallest and largest number of rows of an episode; drawn log-uniformly.
        weighting: αi: ``uniform``, or ``rows``: in proportion to the task's number of rows.
        optimizer: ``adam`` or ``sgd``.

    Source:
        Nichol, Achiam, Schulman, "On First-Order Meta-Learning Algorithms", 2018, algorithm 2.
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
        tasks_per_step: int,
        support: list[int],
        weighting: Literal["uniform", "rows"],
        optimizer: Literal["adam", "sgd"],
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=Outer(optimizer, outer_lr, weight_decay, epochs, patience),
            feed=Feed("tasks", tasks_per_step, (support[0], support[1]), 1),
        )
        self.weighting = weighting

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Refuse an adapter that adapts nothing.

        Raises:
            ConfigError: The adapter adapts nothing, so that nothing could be learned.
        """
        if isinstance(self.adapter, Unadapted):
            raise ConfigError(
                "strategy=reptile learns only what its adapter adapts, and adapter none adapts "
                "nothing",
                "choose strategy/adapter=gradient or ridge",
            )

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return a scalar whose gradient is -Σ αi (θi - θ)."""
        if not isinstance(batch, TaskBatch):
            raise TypeError(f"reptile is fed with tasks, got {type(batch).__name__}")
        shares = self._shares(batch.support.weight.sum(-1))
        shared = dict(backbone.named_parameters())
        parts = []
        for name, moved in self._moved(backbone, batch, shares).items():
            step = moved - shares.sum() * shared[name].detach()
            parts.append((shared[name] * -step).sum())
        return torch.stack(parts).sum()

    @torch.no_grad()
    def _moved(self, backbone: Backbone, batch: TaskBatch, shares: Tensor) -> dict[str, Tensor]:
        """Return Σ αi θi of each adapted parameter."""
        moved: dict[str, Tensor] = {}
        start = 0
        for part in self.cut(batch):
            adapted = self.adapt(backbone, part.user, part.support, seed=part.seed, training=False)
            mine = shares[start : start + len(part)]
            start += len(part)
            for name, value in adapted.values_by_name().items():
                found = torch.einsum("t,t...->...", mine, value)
                moved[name] = moved[name] + found if name in moved else found
        return moved

    def _shares(self, rows: Tensor) -> Tensor:
        """Return αi, summing to 1, ``(tasks,)``."""
        weights = rows if self.weighting == "rows" else (rows > 0).to(rows)
        return weights / weights.sum().clamp(min=1)
