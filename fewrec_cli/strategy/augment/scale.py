"""Rating scaling: the same taste from a milder or a stricter rater."""

import torch

from fewrec_cli.engine.base import weighted_mean
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.augment.base import Augment


class Scale(Augment):
    """Stretches each task's ratings around their mean by one factor; no effect on implicit data.

    Args:
        spread: The factor is drawn from 1 - spread .. 1 + spread, 0..1.
    """

    def __init__(self, *, spread: float) -> None:
        self.spread = spread

    def __call__(self, rows: Rows, generator: torch.Generator) -> Rows:
        """Return the rows with stretched ratings."""
        drawn = torch.rand(len(rows.rating), 1, generator=generator).to(rows.rating)
        factor = 1 + self.spread * (2 * drawn - 1)
        centre = weighted_mean(rows.rating, rows.weight)[:, None]
        return Rows(rows.item, centre + factor * (rows.rating - centre), rows.weight, rows.negative)
