"""Item dropout: the same task with some of its rows missing."""

import torch

from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.augment.base import Augment


class Drop(Augment):
    """Drops rows at random.

    Args:
        probability: Chance of each row to be dropped, 0..1.
    """

    def __init__(self, *, probability: float) -> None:
        self.probability = probability

    def __call__(self, rows: Rows, generator: torch.Generator) -> Rows:
        """Return the rows, the dropped ones with weight 0."""
        drawn = torch.rand(rows.weight.shape, generator=generator).to(rows.weight)
        kept = (drawn >= self.probability).to(rows.weight)
        return Rows(rows.item, rows.rating, rows.weight * kept, rows.negative)
