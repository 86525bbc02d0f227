"""The best validation is kept, and training without gain ends."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from fewrec_cli.experiment.callback import LEAST_GAIN, BestWeights, Progress


def trained(losses: list[float], patience: int) -> tuple[BestWeights, nn.Module, Any]:
    """Go through validations; the weight at step n is n."""
    best, module = BestWeights(patience), nn.Linear(1, 1, bias=False)
    trainer = SimpleNamespace(callback_metrics={}, global_step=0, should_stop=False)
    for step, loss in enumerate(losses, start=1):
        with torch.no_grad():
            module.weight.fill_(float(step))
        trainer.callback_metrics["val/loss"] = torch.tensor(loss, dtype=torch.float64)
        trainer.global_step = step
        best.on_validation_end(trainer, module)  # type: ignore[arg-type]
        if trainer.should_stop:
            break
    return best, module, trainer


def test_the_best_weights_come_back() -> None:
    best, module, trainer = trained([3.0, 1.0, 2.0, 1.5], patience=5)
    assert (best.step, best.loss, trainer.should_stop) == (2, 1.0, False)
    best.restore(module, 4)  # type: ignore[arg-type]
    assert module.weight.item() == 2.0
    assert best.step == 2


def test_training_stops_after_patience_validations_without_gain() -> None:
    best, _, trainer = trained([3.0, 2.0, 2.5, 2.4, 2.3, 1.0], patience=3)
    assert (trainer.global_step, trainer.should_stop, best.step) == (5, True, 2)


def test_a_gain_starts_the_patience_anew() -> None:
    _, _, trainer = trained([3.0, 3.5, 2.0, 2.5, 2.4, 1.0], patience=3)
    assert not trainer.should_stop


def test_a_gain_below_the_least_is_none() -> None:
    best, _, trainer = trained([1.0, 1.0 - LEAST_GAIN / 2, 1.0 - LEAST_GAIN / 3], patience=2)
    assert (best.step, trainer.should_stop) == (1, True)


def test_without_validation_the_last_weights_stay() -> None:
    best, module, _ = trained([], patience=1)
    before = module.weight.item()
    best.restore(module, 17)  # type: ignore[arg-type]
    assert (best.step, best.loss, module.weight.item()) == (17, None, before)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_never_the_best(bad: float) -> None:
    best, module, _ = trained([bad, 2.0, bad, 3.0], patience=9)
    assert (best.step, best.loss) == (2, 2.0)
    best.restore(module, 4)  # type: ignore[arg-type]
    assert module.weight.item() == 2.0
    _, _, trainer = trained([bad, bad, bad], patience=2)
    assert trainer.global_step == 2


def test_progress_counts_steps_and_notes_the_best() -> None:
    best, _, trainer = trained([0.5], patience=3)
    calls: list[tuple[float, str | None]] = []
    Progress(best).on_train_batch_end(trainer, None, None, None, 0)  # type: ignore[arg-type]
    progress = Progress(best)
    progress.advance = lambda n, note: calls.append((n, note))
    for number in range(3):
        progress.on_train_batch_end(trainer, None, None, None, number)  # type: ignore[arg-type]
    assert [n for n, _ in calls] == [1, 1, 1]
    assert "best val loss 0.5000 at step 1" in [note for _, note in calls]
