"""How far each of several models is trusted, fitted on tasks that none of them was trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.engine.base import HUBER_BETA, Prediction

LEAST = 1e-4
"""No level is held for less likely than this by one model: another must be able to raise it."""
ITERATIONS = 200


@dataclass(frozen=True)
class Said:
    """What M models say of the same rows.

    Attributes:
        score: Standard units, ``(tasks, n, M)``.
        levels: Log probability of each level, ``(tasks, n, M, levels)``.
        size: Support rows of each task, ``(tasks,)``.
    """

    score: Tensor
    levels: Tensor
    size: Tensor


class Mixer(nn.Module):
    """log p(level) = Σ v_m log p_m(level) + how often it is given; score = c + Σ w_m s_m.

    v and w are straight lines in log(1 + support rows), as what is best from one rating need not be
    best from fifty. A model without levels is given a normal curve of its own error's width around
    its score. Both fits are convex, so that the result does not depend on a seed.

    Args:
        models: How many, M.
        level: Rating levels, standard units, ``(levels,)``.
        l2: Penalty on what differs from trust in equal parts, in query rows.

    Source:
        Logarithmic opinion pool with fitted weights: Genest and Zidek, "Combining Probability
        Distributions", Statistical Science 1986; stacking: Wolpert, Neural Networks 1992.
    """

    level: Tensor
    width: Tensor
    centre: Tensor

    def __init__(self, models: int, level: Tensor, l2: float) -> None:
        super().__init__()
        self.l2 = l2
        self.register_buffer("level", level)
        self.register_buffer("width", torch.ones(models))
        self.register_buffer("centre", torch.tensor([0.0, 1.0]))  # mean and sd of log(1 + rows)
        self.trust = nn.Parameter(torch.zeros(models, 2))
        self.pull = nn.Parameter(torch.zeros(models, 2))
        self.popularity = nn.Parameter(torch.zeros(len(level)))
        self.offset = nn.Parameter(torch.zeros(()))

    def said(self, predictions: Sequence[Prediction], size: Tensor) -> Said:
        """Bring what the models foretell into one form."""
        score = torch.stack([one.score for one in predictions], -1)
        levels = [
            self._around(one.score, number) if one.levels is None else one.levels
            for number, one in enumerate(predictions)
        ]
        return Said(score, torch.stack(levels, -2).clamp(min=LEAST).log(), size)

    def _around(self, score: Tensor, number: int) -> Tensor:
        away = (self.level - score[..., None]) / self.width[number]
        return functional.softmax(-0.5 * away.square(), -1)

    def forward(self, said: Said) -> Prediction:
        """Return the joint score ``(tasks, n)`` and levels ``(tasks, n, levels)``."""
        return Prediction(self._score(said), self._logits(said).softmax(-1))

    def _score(self, said: Said) -> Tensor:
        return self.offset + (said.score * self._weights(self.pull, said.size)).sum(-1)

    def _logits(self, said: Said) -> Tensor:
        trust = self._weights(self.trust, said.size)[..., None]
        return (said.levels * trust).sum(-2) + self.popularity

    def _weights(self, learned: Tensor, size: Tensor) -> Tensor:
        """Return each model's weight in each task, ``(tasks, 1, M)``."""
        z = (size.log1p() - self.centre[0]) / self.centre[1]
        return 1.0 / len(learned) + learned[:, 0] + z[:, None, None] * learned[:, 1]

    def fit(self, heard: Callable[[], Sequence[tuple[Said, Tensor, Tensor]]]) -> None:
        """Fit trust and pull to what was rated, in place.

        Args:
            heard: Gives what the models say of each batch of tasks, the ratings (standard units,
                ``(tasks, n)``) and the rows' weights; called again once the widths are known.
        """
        self._measure(heard())
        told = [(_double(said), rating.double(), weight) for said, rating, weight in heard()]
        self.double()
        self._descend([self.trust, self.popularity], lambda: self._surprise(told))
        self._descend([self.pull, self.offset], lambda: self._error(told))
        self.float()

    @torch.no_grad()
    def _measure(self, told: Sequence[tuple[Said, Tensor, Tensor]]) -> None:
        """Set every model's error width, and the middle of the support sizes."""
        away = torch.cat(
            [(said.score - rating[..., None])[weight > 0] for said, rating, weight in told]
        )
        self.width.copy_(away.square().mean(0).sqrt().clamp(min=1e-3))
        rows = torch.cat([said.size for said, _, _ in told]).log1p()
        spread = rows.std(correction=0)
        self.centre.copy_(torch.stack([rows.mean(), spread if spread > 0 else spread + 1]))

    def _descend(self, learned: list[nn.Parameter], loss: Callable[[], Tensor]) -> None:
        optimizer = torch.optim.LBFGS(
            learned, max_iter=ITERATIONS, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
        )

        def closure() -> float:
            optimizer.zero_grad()
            with torch.enable_grad():
                found = loss() + self.l2 * sum(
                    (one.square().sum() for one in learned), torch.zeros(())
                )
                found.backward()  # type: ignore[no-untyped-call]
            return float(found)

        optimizer.step(closure)  # type: ignore[no-untyped-call]

    def _surprise(self, told: Sequence[tuple[Said, Tensor, Tensor]]) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for said, rating, weight in told:
            nearest = (self.level - rating[..., None]).abs().argmin(-1)
            log = functional.log_softmax(self._logits(said), -1)
            total = total - (log.gather(-1, nearest[..., None])[..., 0] * weight).sum()
        return total

    def _error(self, told: Sequence[tuple[Said, Tensor, Tensor]]) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for said, rating, weight in told:
            away = functional.smooth_l1_loss(
                self._score(said), rating, beta=HUBER_BETA, reduction="none"
            )
            total = total + (away * weight).sum()
        return total


def _double(said: Said) -> Said:
    return Said(said.score.double(), said.levels.double(), said.size.double())
