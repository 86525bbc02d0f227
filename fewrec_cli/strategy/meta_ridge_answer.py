"""What a meta-ridge task answers: a score, and the probability of each rating level."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.base import Adapted, Prediction
from fewrec_cli.engine.ridge import Covariance
from fewrec_cli.engine.rows import linear_rows
from fewrec_cli.strategy.level import LevelHead
from fewrec_cli.strategy.meta_ridge_reader import Support, SupportReader


class Voice(nn.Module):
    """Levels around a score, tilted by what a network reads.

    Args:
        levels: Distribution around a score.
        reader: Network of the tilt.
        expectation: Share of the levels' expected rating in the final score, 0..1.
    """

    def __init__(self, levels: LevelHead, reader: SupportReader, expectation: float) -> None:
        super().__init__()
        self.levels = levels
        self.reader = reader
        self.expectation = expectation


@dataclass(frozen=True)
class RidgeAnswer(Adapted):
    """What a batch of tasks learned from its supports.

    Attributes:
        voice: Turns scores into levels; None for implicit data.
        start: Prior mean w0 of each task, ``(tasks, columns)``.
        weights: w, ``(tasks, columns)``, the shift since the history in the last, the constant.
        covariance: K⁻¹ of each task; where there is a shift, with a first column for it.
        support: What the voice's network keeps of the supports; None for implicit data.
    """

    voice: Voice | None
    start: Tensor
    weights: Tensor
    covariance: Covariance
    support: Support | None

    def read(self, backbone: Backbone, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the ridge's score and the probability of each level, if there are levels."""
        offset, design = linear_rows(backbone, user, item)
        score = offset + (design @ self.weights[..., None])[..., 0]
        if self.support is None or self.voice is None:
            return score, None
        before = offset + (design @ self.start[..., None])[..., 0]
        shifts = len(self.covariance.spread) - design.shape[2]
        whole = torch.cat([torch.ones_like(design[..., :shifts]), design], -1)
        row = torch.stack([score, before, self.covariance.leverage(whole)], -1)
        tilt = self.voice.reader(self.support, item, design, row)
        return score, self.voice.levels(score, tilt)

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Foretell score and levels; the score leans to the levels' expectation as asked for."""
        score, probability = self.read(backbone, user, item)
        if probability is None or self.voice is None:
            return Prediction(score)
        share = self.voice.expectation
        expected = probability @ self.voice.levels.level
        return Prediction((1 - share) * score + share * expected, probability)

    def last_layer(self, backbone: Backbone) -> Tensor:
        """Return w."""
        return self.weights

    @property
    def candidate_numbers(self) -> int:
        """Every support row is compared to each candidate."""
        rows = 0 if self.support is None else self.support.absent.shape[1]
        return super().candidate_numbers + 3 * rows

    def take(self, tasks: Tensor) -> Self:
        """Return what some of the tasks learned."""
        return replace(
            self,
            start=self.start[tasks],
            weights=self.weights[tasks],
            covariance=self.covariance.take(tasks),
            support=None if self.support is None else self.support.take(tasks),
        )
