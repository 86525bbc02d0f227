"""What happens beside training: progress, and keeping the weights that validate best."""

import math
import time

import pytorch_lightning as pl
import torch

from fewrec_cli.core.progress import Advance
from fewrec_cli.experiment.module import FewShotModule

LEAST_GAIN = 1e-5


class BestWeights(pl.Callback):
    """Keeps the weights of the best validation and ends a phase that no longer gains.

    Args:
        patience: Validations without gain before training stops.

    Attributes:
        step: Step of the best validation, counted within the phase.
        loss: Its loss, or None before the first finite one.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.step = 0
        self.loss: float | None = None
        self._waited = 0
        self._weights: dict[str, torch.Tensor] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the newest validation with the best."""
        loss = float(trainer.callback_metrics["val/loss"])
        if math.isfinite(loss) and (self.loss is None or loss < self.loss - LEAST_GAIN):
            self.loss, self.step, self._waited = loss, trainer.global_step, 0
            self._weights = {k: v.detach().clone() for k, v in pl_module.state_dict().items()}
            return
        self._waited += 1
        trainer.should_stop = trainer.should_stop or self._waited >= self.patience

    def restore(self, module: FewShotModule, last_step: int) -> None:
        """Put the best weights back; without validation the last ones stay."""
        if self._weights:
            module.load_state_dict(self._weights)
        else:
            self.step = last_step


class Progress(pl.Callback):
    """Moves the bar of a phase.

    Args:
        best: Tells the best validation so far.

    Attributes:
        advance: The bar, set once it is shown; None moves nothing.
    """

    def __init__(self, best: BestWeights) -> None:
        self.best = best
        self.advance: Advance | None = None
        self._shown = 0.0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Count a step; the best validation stands beside the bar."""
        note = None
        if self.best.loss is not None and time.perf_counter() - self._shown > 0.2:
            note = f"best val loss {self.best.loss:.4f} at step {self.best.step:,}"
            self._shown = time.perf_counter()
        if self.advance is not None:
            self.advance(1, note)
