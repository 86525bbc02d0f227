"""What a ridge fit and its support say of a rating beyond the score: a tilt of its levels."""

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

STATISTICS = 4
"""Mean, spread, misfit and log number of a support's rows, besides the share of each level."""
FLOOR = 1e-4
"""Added to a variance (standard units squared) before its root is taken."""


@dataclass(frozen=True)
class Support:
    """What a reader keeps of the supports of a batch of tasks.

    Attributes:
        summary: Statistics and the share of each level, ``(tasks, 4 + levels)``.
        direction: Unit vector of each row's design, ``(tasks, n, columns - 1)``.
        value: Rating and residual after the fit of each row, 0 where none, ``(tasks, n, 2)``.
        absent: A number so low that its row is not attended to, 0 where there is one,
            ``(tasks, n)``.
    """

    summary: Tensor
    direction: Tensor
    value: Tensor
    absent: Tensor

    def take(self, tasks: Tensor) -> Self:
        """Return some of the tasks."""
        return type(self)(*(getattr(self, part.name)[tasks] for part in fields(self)))


class SupportReader(nn.Module):
    """A network from sufficient statistics of a task and a row to a tilt of the row's levels.

    A row is described by its score before and after the fit, how unsure the fit is of it, a few
    learned numbers of its item, and the ratings of the support rows that resemble it.

    Args:
        items: Size of the catalogue.
        level: Rating levels (standard units), ``(levels,)``.
        item_numbers: Learned numbers of each item, >= 0; those of unseen items stay 0.
        hidden: Widths of the hidden layers.
        dropout: Probability, in training, that a hidden number is left out, and that an item
            counts as unseen, 0..1.
    """

    level: Tensor

    def __init__(
        self, items: int, level: Tensor, item_numbers: int, hidden: list[int], dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.register_buffer("level", level)
        self.item = nn.Parameter(torch.zeros(items, item_numbers))
        self.log_sharpness = nn.Parameter(torch.tensor(5.0).log())
        widths = [3 + item_numbers + 2 + STATISTICS + len(level), *hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
            layers += [nn.Dropout(dropout)] if dropout else []
        last = nn.Linear(widths[-1], len(level))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)

    def read(self, design: Tensor, rating: Tensor, left: Tensor, weight: Tensor) -> Support:
        """Summarise supports.

        Args:
            design: ``(tasks, n, columns)``, the last column constant.
            rating: Standard units, ``(tasks, n)``.
            left: Residuals after the fit, ``(tasks, n)``.
            weight: 0 where there is no row, ``(tasks, n)``.
        """
        total = weight.sum(1).clamp(min=1)[:, None]

        def mean(values: Tensor) -> Tensor:
            return (values * weight).sum(1, keepdim=True) / total

        centre = mean(rating)
        spread = (mean((rating - centre).square()) + FLOOR).sqrt()
        misfit = (mean(left.square()) + FLOOR).sqrt()
        nearest = (rating[..., None] - self.level).abs().argmin(-1)
        shares = functional.one_hot(nearest, len(self.level)).to(rating) * weight[..., None]
        parts = [centre, spread, misfit, total.log() / 3, shares.sum(1) / total]
        real = weight > 0
        value = torch.stack([rating, left], -1) * real[..., None]
        direction = functional.normalize(design[..., :-1], dim=-1)
        absent = torch.where(real, 0.0, -1e9).to(value)
        return Support(torch.cat(parts, -1), direction, value, absent)

    def forward(self, support: Support, item: Tensor, design: Tensor, row: Tensor) -> Tensor:
        """Return the tilt of each level, ``(tasks, n, levels)``.

        Args:
            support: As ``read`` returned it.
            item: ``(tasks, n)``.
            design: ``(tasks, n, columns)``.
            row: Score after the fit, score before it, z'K⁻¹z, ``(tasks, n, 3)``.
        """
        alike = functional.normalize(design[..., :-1], dim=-1) @ support.direction.transpose(1, 2)
        alike = (alike * self.log_sharpness.exp() + support.absent[:, None]).softmax(-1)
        summary = support.summary[:, None].expand(*item.shape, -1)
        own = functional.embedding(item, self.item)
        if self.training and self.dropout:
            own = own * (torch.rand_like(own[..., :1]) >= self.dropout)
        found: Tensor = self.layers(torch.cat([row, own, alike @ support.value, summary], -1))
        return found
