"""Rating noise: the same items, ratings a little off."""

import torch

from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.augment.base import Augment


class Noise(Augment):
    """Adds normal noise to every rating; no effect on implicit data.

    Args:
        sd: Standard deviation of the noise, in standard deviations of the ratings, >= 0.
    """

    def __init__(self, *, sd: float) -> None:
        self.sd = sd

    def __call__(self, rows: Rows, generator: torch.Generator) -> Rows:
        """Return the rows with noisy ratings."""
        noise = torch.randn(rows.rating.shape, generator=generator).to(rows.rating)
        return Rows(rows.item, rows.rating + self.sd * noise, rows.weight, rows.negative)
