"""How far each of several models is trusted, fitted on tasks that none of them was trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.engine.base import Prediction, pointwise_loss

LEAST = 1e-4
"""No level is held for less likely than this by one model: another must be able to raise it."""
ITERATIONS = 200
FOLDS = 5


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


@dataclass(frozen=True)
class Heard:
    """What models say of tasks, and what was rated.

    Attributes:
        user: The user of each task, ``(tasks,)``.
        said: Of the query rows.
        rating: Standard units, ``(tasks, n)``.
        weight: 0 where a row is padding, ``(tasks, n)``.
    """

    user: Tensor
    said: Said
    rating: Tensor
    weight: Tensor

    def double(self) -> "Heard":
        """Return the same in float64."""
        said = Said(self.said.score.double(), self.said.levels.double(), self.said.size.double())
        return Heard(self.user, said, self.rating.double(), self.weight.double())

    def of(self, tasks: Tensor) -> "Heard":
        """Return some tasks, by a mask ``(tasks,)``."""
        said = Said(self.said.score[tasks], self.said.levels[tasks], self.said.size[tasks])
        return Heard(self.user[tasks], said, self.rating[tasks], self.weight[tasks])


class Mixer(nn.Module):
    """log p(level) = Σ v_m log p_m(level) + how often it is given; score = c + Σ w_m s_m.

    v and w are straight lines in log(1 + support rows), as what is best from one rating need not be
    best from fifty. A model without levels is given a normal curve of its own error's width around
    its score. Both fits are convex, so that the result does not depend on a seed.

    Args:
        models: How many, M.
        level: Rating levels, standard units, ``(levels,)``.
        penalties: Penalties tried on what differs from equal trust, in query rows.

    Source:
        Logarithmic opinion pool with fitted weights: Genest and Zidek, "Combining Probability
        Distributions", Statistical Science 1986; stacking: Wolpert, Neural Networks 1992.
    """

    level: Tensor
    width: Tensor
    centre: Tensor

    def __init__(self, models: int, level: Tensor, penalties: Sequence[float]) -> None:
        super().__init__()
        self.penalties = tuple(penalties)
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

    def fit(self, heard: Callable[[], Sequence[Heard]]) -> float:
        """Fit trust and pull to what was rated, in place.

        The penalty is the one with the least loss on tasks left out, in folds over users.

        Args:
            heard: Gives what the models say of batches of tasks; called again once the widths
                are known.

        Returns:
            The penalty.
        """
        self._measure(heard())
        told = [one.double() for one in heard()]
        self.double()
        users = torch.unique(torch.cat([one.user for one in told]))
        folds = min(FOLDS, len(users))
        tried = dict.fromkeys(self.penalties, 0.0)
        for fold in range(folds if len(tried) > 1 and folds > 1 else 0):
            out = users[fold::folds]
            kept = [one.of(~torch.isin(one.user, out)) for one in told]
            left = [one.of(torch.isin(one.user, out)) for one in told]
            for l2 in tried:
                self._descend(kept, l2)
                with torch.no_grad():
                    tried[l2] += float(self._surprise(left) + self._error(left))
        best = min(tried, key=lambda l2: (tried[l2], -l2))
        self._descend(told, best)
        self.float()
        return best

    @torch.no_grad()
    def _measure(self, told: Sequence[Heard]) -> None:
        """Set every model's error width, and the middle of the support sizes."""
        away = torch.cat([(one.said.score - one.rating[..., None])[one.weight > 0] for one in told])
        self.width.copy_(away.square().mean(0).sqrt().clamp(min=1e-3))
        rows = torch.cat([one.said.size for one in told]).log1p()
        spread = rows.std(correction=0)
        self.centre.copy_(torch.stack([rows.mean(), spread if spread > 0 else spread + 1]))

    def _descend(self, told: Sequence[Heard], l2: float) -> None:
        """Fit anew to some tasks, from equal trust."""
        with torch.no_grad():
            for one in self.parameters():
                one.zero_()
        _minimise([self.trust, self.popularity], lambda: self._surprise(told), l2)
        _minimise([self.pull, self.offset], lambda: self._error(told), l2)

    def _surprise(self, told: Sequence[Heard]) -> Tensor:
        """Sum of -log p of the rated levels."""
        total = torch.zeros((), dtype=torch.float64)
        for one in told:
            nearest = (self.level - one.rating[..., None]).abs().argmin(-1, keepdim=True)
            log = functional.log_softmax(self._logits(one.said), -1)
            total = total - (log.gather(-1, nearest)[..., 0] * one.weight).sum()
        return total

    def _error(self, told: Sequence[Heard]) -> Tensor:
        """Sum of the nearly absolute errors of the scores."""
        total = torch.zeros((), dtype=torch.float64)
        for one in told:
            away = pointwise_loss(self._score(one.said), one.rating, "huber")
            total = total + (away * one.weight).sum()
        return total


def _minimise(learned: list[nn.Parameter], loss: Callable[[], Tensor], l2: float) -> None:
    optimizer = torch.optim.LBFGS(
        learned, max_iter=ITERATIONS, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        with torch.enable_grad():
            found = loss() + l2 * sum((one.square().sum() for one in learned), torch.zeros(()))
            found.backward()  # type: ignore[no-untyped-call]
        return found.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
