"""Probabilities of the rating levels around a score."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.core.types import Scale


class LevelHead(nn.Module):
    """p(level) ∝ exp(-(level - score)² / 2s² + how often the level is given + tilt).

    A normal curve around the score, cut at the levels. Its width s and the levels' popularity are
    learned for all tasks together; ``tilt`` is what the caller knows of a row beyond its score.

    Args:
        scale: Rating levels (stars).
        mean: Of the training ratings (stars).
        sd: Of the training ratings (stars).
    """

    level: Tensor

    def __init__(self, scale: Scale, mean: float, sd: float) -> None:
        super().__init__()
        self.register_buffer("level", (torch.from_numpy(scale.levels).float() - mean) / sd)
        self.log_width = nn.Parameter(torch.zeros(()))
        self.popularity = nn.Parameter(torch.zeros(len(self.level)))

    def forward(self, score: Tensor, tilt: Tensor) -> Tensor:
        """Return probabilities, ``(..., levels)``.

        Args:
            score: Standard units, ``(...)``.
            tilt: ``(..., levels)``.
        """
        away = (self.level - score[..., None]) * (-self.log_width).exp()
        return functional.softmax(-0.5 * away.square() + self.popularity + tilt, -1)

    def losses(self, probability: Tensor, rating: Tensor) -> Tensor:
        """Return -log p of the level nearest to each rating (standard units), ``(...)``."""
        nearest = (self.level - rating[..., None]).abs().argmin(-1, keepdim=True)
        found = probability.gather(-1, nearest)[..., 0]
        return -found.clamp(min=torch.finfo(found.dtype).tiny).log()
