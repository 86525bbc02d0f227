"""The LightningModule: joins one phase of a strategy with a backbone."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import RunError
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.base import Batch, Strategy

ADAPTER_RATE = 10.0
"""The adapter's few numbers (log step sizes, log penalties) move this much faster than weights."""
ONE_KERNEL = ("cpu", "cuda")
"""Devices on which AdamW updates all weights in one kernel."""
FINAL_SHARE = 0.1
"""Share of the step size that is left at the end of the cosine."""
RISING, FIRST_SHARE, LAST_SHARE = 0.3, 0.04, 4e-6
"""One cycle: share of the steps in which the step size rises, and its shares at both ends."""


class FewShotModule(pl.LightningModule):
    """Trains a backbone by one phase; a step is one forward of the whole meta-batch.

    Args:
        backbone: Shared weights.
        phase: The strategy whose loss is minimised.
        whole: The strategy that adapts validation tasks, of which ``phase`` is a part.
    """

    def __init__(self, backbone: Backbone, phase: Strategy, whole: Strategy) -> None:
        super().__init__()
        self.backbone = backbone
        self.phase = phase
        self.whole = whole
        self._sum, self._count = torch.zeros(()), 0
        self._total: int | None = None

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the phase's loss; its gradient is averaged over processes."""
        loss = self.phase.loss(self.backbone, batch)
        self._sum = self._sum.to(loss.device) + loss.detach() * len(batch)
        self._count += len(batch)
        if not torch.isfinite(loss):
            raise RunError(
                f"the loss of {self.phase.name} is {loss.item()} at step {self.global_step}",
                "lower strategy.outer_lr or strategy.inner_lr",
            )
        return loss * batch.share

    def on_train_epoch_start(self) -> None:
        """Renew what the backbone derives from its weights."""
        self.backbone.refresh()

    def on_validation_start(self) -> None:
        """Renew it before anything is scored."""
        self.backbone.refresh()

    def on_train_end(self) -> None:
        """Renew it, as the last weights may be the ones that stay."""
        self.backbone.refresh()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tell the backbone of the step, before its gradients are gone."""
        self.backbone.stepped(self.global_step, self._total)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's mean loss; Lightning's own mean costs more than a small step."""
        mean = self._sum / max(self._count, 1)
        self.log("train/loss", mean, batch_size=max(self._count, 1), sync_dist=True)
        self._sum, self._count = torch.zeros((), device=self.device), 0

    def validation_step(self, batch: TaskBatch, _index: int) -> None:
        """Log the query loss of adapted validation tasks."""
        adapted = self.whole.adapt(
            self.backbone, batch.user, batch.support, seed=batch.seed, training=False
        )
        losses = self.whole.query_losses(self.backbone, adapted, batch.user, batch.query)
        self.log("val/loss", losses.mean(), batch_size=len(batch), sync_dist=True)

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Move a batch whole."""
        return batch.to(device)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the phase's optimiser, its step size moving along the phase's schedule."""
        outer = self.phase.outer
        own = {id(p) for p in self.whole.adapter.parameters()}
        shared = [p for p in self.parameters() if p.requires_grad and id(p) not in own]
        adapting = [p for p in self.whole.adapter.parameters() if p.requires_grad]
        parameters: list[dict[str, Any]] = [{"params": shared}]
        if adapting:
            parameters.append({"params": adapting, "lr": ADAPTER_RATE * outer.lr})
        optimizer: Optimizer
        if outer.optimizer == "sgd":
            optimizer = SGD(parameters, lr=outer.lr)
        else:
            optimizer = AdamW(
                parameters,
                lr=outer.lr,
                weight_decay=outer.weight_decay,
                fused=self._one_kernel([*shared, *adapting]) or None,
            )
        estimated = self.trainer.estimated_stepping_batches
        total = max(int(estimated), 1) if math.isfinite(estimated) else None
        self._total = total

        def share(step: int) -> float:
            if total is None:  # no end is known: the step size stays
                return 1.0
            return share_of(outer.schedule, min(step / total, 1.0))

        schedule = LambdaLR(optimizer, share)
        return OptimizerLRSchedulerConfig(
            optimizer=optimizer, lr_scheduler={"scheduler": schedule, "interval": "step"}
        )

    def _one_kernel(self, parameters: Sequence[Tensor]) -> bool:
        """Whether AdamW may move all weights at once; Lightning then clips no scaled gradient."""
        clipped = bool(self.trainer.gradient_clip_val) and "mixed" in str(self.trainer.precision)
        return not clipped and all(one.device.type in ONE_KERNEL for one in parameters)


def share_of(schedule: Literal["cosine", "onecycle"], done: float) -> float:
    """Return the share of the largest step size once the share ``done`` of the steps is taken.

    Example:
        >>> [round(share_of("onecycle", done), 2) for done in (0, 0.3, 0.65, 1)]
        [0.04, 1.0, 0.5, 0.0]
    """
    if schedule == "cosine":
        return _along(1.0, FINAL_SHARE, done)
    if done < RISING:
        return _along(FIRST_SHARE, 1.0, done / RISING)
    return _along(1.0, LAST_SHARE, (done - RISING) / (1 - RISING))


def _along(start: float, end: float, done: float) -> float:
    """Go from ``start`` to ``end`` along half a cosine."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done))
