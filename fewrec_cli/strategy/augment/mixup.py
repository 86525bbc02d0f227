"""Mixup of supports: rows halfway between two of the same task."""

import torch

from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.augment.base import Augment


class Mixup(Augment):
    """Mixes each row with one of its task drawn at random, features and rating alike.

    Args:
        concentration: Parameter of the Beta distribution of the mixing share, > 0.

    Source:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, section 2, applied
        to encoded rows within one support.
    """

    def __init__(self, *, concentration: float) -> None:
        self.concentration = concentration

    def __call__(self, rows: Rows, generator: torch.Generator) -> Rows:
        """Return rows with a partner item and a share of the first."""
        shape = rows.rating.shape
        count = (rows.weight > 0).sum(-1, keepdim=True)
        drawn = torch.rand(shape, generator=generator).to(rows.rating)
        other = (drawn * count).long().clamp(max=max(shape[1] - 1, 0))
        share = self._beta(shape, generator).to(rows.rating)
        rating = share * rows.rating + (1 - share) * rows.rating.gather(1, other)
        return Rows(
            rows.item, rating, rows.weight, rows.negative, rows.item.gather(1, other), share
        )

    def _beta(self, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
        """Draw from Beta(c, c) as a ratio of two gamma variables."""
        size = torch.full(shape, float(self.concentration))
        one, two = (torch._standard_gamma(size, generator=generator) for _ in range(2))
        return one / (one + two).clamp(min=1e-12)
