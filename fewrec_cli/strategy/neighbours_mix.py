"""What neighbours of two kinds say of candidates, and how far each kind is believed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.neighbours_voices import Heard

DAMPINGS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Dampings that are tried on the validation tasks."""
ALPHAS = tuple(step / 10 for step in range(11))
"""Shares of the collaborative part that are tried."""


@dataclass(frozen=True)
class Belief:
    """How far neighbours are believed.

    Attributes:
        rated: Damping of the collaborative part, >= 0.
        described: Damping of content, >= 0.
        alpha: Share of the collaborative part where both have neighbours, 0..1.
    """

    rated: float
    described: float
    alpha: float


@dataclass(frozen=True)
class Said:
    """What is said of candidates.

    Attributes:
        start: The score without neighbours, ``(tasks, n)``.
        rated: The collaborative part's neighbours; None: it is not asked.
        described: Those of content; likewise.
        usual: What a neighbour that has not the item's ratings would say: 0, or its level for
            implicit data, ``(tasks, n)``.
    """

    start: Tensor
    rated: Heard | None
    described: Heard | None
    usual: Tensor

    def score(self, belief: Belief) -> Tensor:
        """Return the score of every candidate, ``(tasks, n)``.

        Where one part has no neighbour the other speaks alone; where none has, ``start`` stays.
        """
        first = self._gain(self.rated, belief.rated)
        second = self._gain(self.described, belief.described)
        alpha = torch.full_like(self.start, belief.alpha)
        alpha = alpha.masked_fill(~self.known(self.described), 1.0)
        alpha = alpha.masked_fill(~self.known(self.rated), 0.0)
        return self.start + alpha * first + (1 - alpha) * second

    def known(self, heard: Heard | None) -> Tensor:
        """Return whether a part has a neighbour of each candidate, ``(tasks, n)``."""
        return self.start.new_zeros(self.start.shape) > 0 if heard is None else heard.known

    def _gain(self, heard: Heard | None, damping: float) -> Tensor:
        if heard is None:
            return torch.zeros_like(self.start)
        gain = (heard.total - heard.weight * self.usual) / (heard.weight + damping).clamp(min=1e-12)
        return gain * heard.known


@dataclass(frozen=True)
class Asked:
    """Query rows of a batch of validation tasks and what is said of them.

    Attributes:
        query: The rows.
        said: Of them.
        negative: Of their sampled negatives; None for explicit data.
    """

    query: Rows
    said: Said
    negative: Said | None

    def loss(self, belief: Belief) -> tuple[float, float]:
        """Return the summed error, and the rows: absolute error, or share of pairs misordered."""
        score = self.said.score(belief)
        if self.negative is None:
            errors = (score - self.query.rating).abs()
        else:
            above = score - self.negative.score(belief)
            errors = (above < 0) + 0.5 * (above == 0)
        return float((errors * self.query.weight).sum()), float(self.query.weight.sum())


def chosen(asked: Sequence[Asked], start: Belief, free: Sequence[str]) -> Belief:
    """Return the belief with the least validation error: each part's damping alone, then α.

    Args:
        asked: What was said of validation tasks.
        start: Values that are kept where they are not free, or where no row tells.
        free: Which of ``rated``, ``described`` and ``alpha`` are chosen.
    """
    given = start.alpha
    rated, described = start.rated, start.described
    if "rated" in free:
        rated = _least(asked, DAMPINGS, lambda one: Belief(one, start.described, 1.0))
    if "described" in free:
        described = _least(asked, DAMPINGS, lambda one: Belief(start.rated, one, 0.0))
    if "alpha" not in free:
        return Belief(rated, described, given)
    alpha = _least(asked, ALPHAS, lambda one: Belief(rated, described, one))
    return Belief(rated, described, alpha)


def _least(
    asked: Sequence[Asked], tried: Sequence[float], belief: Callable[[float], Belief]
) -> float:
    def error(one: float) -> float:
        found = [each.loss(belief(one)) for each in asked]
        return sum(total for total, _ in found) / sum(rows for _, rows in found)

    errors = {one: error(one) for one in tried}
    return min(errors, key=lambda one: errors[one])
