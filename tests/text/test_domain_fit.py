"""The loop of domain pretraining on a model of six numbers, whose weights each loss looks at."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fewrec_cli.core.progress import Reporter
from fewrec_cli.text.domain_fit import DECAY, Loss, fit

LR = 0.01


@dataclass
class Watched:
    """Batches whose loss is ``slope`` times the sum of all weights.

    Attributes:
        steps: Batches of an epoch.
        slope: Gradient of every weight.
        seen: All weights at each training step, ``(6,)`` each.
    """

    steps: int
    slope: float
    seen: list[Tensor] = field(default_factory=list)
    what: str = "texts"
    held_out: tuple[tuple[int], ...] = ((0,),)

    def epoch(self, number: int) -> tuple[tuple[int], ...]:
        return ((number,),) * self.steps

    def loss(self, model: Any, batch: Any, seed: int, device: torch.device) -> Loss:
        weights = nn.utils.parameters_to_vector(model.parameters())
        if model.training:
            self.seen.append(weights.detach().clone())
        return Loss(self.slope * weights.sum(), 1)


def fitted(objective: Watched, epochs: int = 1) -> tuple[Tensor, nn.Module]:
    """Return all weights before each step and after the last, ``(steps + 1, 6)``, and the model."""
    model = nn.Sequential(nn.Linear(1, 2), nn.LayerNorm(1))
    nn.init.ones_(model[0].weight)
    nn.init.ones_(model[0].bias)
    device = torch.device("cpu")
    fit(model, objective, epochs, LR, 0, device, torch.float32, Reporter(quiet=True))
    last = nn.utils.parameters_to_vector(model.parameters()).detach()
    return torch.stack([*objective.seen, last]), model


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (1, 2), (7, 3)])
def test_every_step_learns(steps: int, epochs: int) -> None:
    """A steady slope makes each of Adam's steps as long as the step size."""
    weights, _ = fitted(Watched(steps, 1.0), epochs)
    moved = weights[:-1] - weights[1:]
    assert moved.shape == (steps * epochs, 6)
    assert (moved > 0.01 * LR).all()
    assert (moved < (1 + DECAY) * LR).all()


def test_the_step_size_rises_over_a_tenth_and_falls_to_nothing() -> None:
    weights, _ = fitted(Watched(20, 1.0))
    share = (weights[:-1] - weights[1:])[:, -1] / LR
    torch.testing.assert_close(share[:2], torch.tensor([0.25, 0.75]), rtol=1e-4, atol=1e-4)
    falling = torch.arange(35, 0, -2) / 36
    torch.testing.assert_close(share[2:], falling, rtol=1e-4, atol=1e-4)


def test_matrices_alone_decay() -> None:
    """Without a slope nothing but the decay moves a weight."""
    weights, model = fitted(Watched(2, 0.0))
    assert [tuple(one.shape) for one in model.parameters()] == [(2, 1), (2,), (1,), (1,)]
    moved = weights[0] - weights[1]
    assert (moved[:2] > 0).all()
    assert (moved[2:] == 0).all()
