"""Neural process: the mean of what each support row says decides how queries are scored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from fewrec_cli.engine.base import RatingLoss
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Feed, Outer, Strategy
from fewrec_cli.strategy.reading import Network, Reading, Seen


class NeuralProcess(Reading):
    """An encoder of support rows, their mean, and a decoder that the mean modulates.

    The mean gives the task's own weights for the head's linear view (with ``backbone=mf`` the
    user's factors and bias) and scales and shifts the hidden layer of a small network over the
    query's features. See ``Reading`` for what becomes of the answer.

    Args:
        adapter: Fits a task to its support; the decoder corrects its score.
        augment: Changes of the supports, by name.
        augment_weight: α of D* = D + α D'.
        pretrain: The strategy whose training comes first, still without adapter and augment, or
            None.
        width: Numbers that a support is summed up in, and hidden width.
        outer_lr: Step size (Adam) of shared weights, encoder and decoder, > 0.
        weight_decay: Of Adam, >= 0.
        epochs: Passes over the training tasks.
        patience: Validations without gain before training ends.
        loss: Of the score: ``squared`` aims at the mean rating, ``huber`` at the median.
        level_weight: Weight of -log p(level) beside it, >= 0.
        without_support: Share of training tasks whose support is hidden, 0..1.
        tasks_per_step: Episodes per step.
        support: Smallest and largest support of an episode; sizes are drawn log-uniformly.
        query: Largest query of an episode.

    Source:
        Lin et al., "Task-adaptive Neural Process for User Cold-Start Recommendation", WWW 2021,
        sections 4.2 and 4.3 (FiLM). Departures: the deterministic path alone, as in the conditional
        neural process (Garnelo et al., ICML 2018, equation 2), without latent variable and memory
        of task clusters; rows are read around the shared score; own weights for the linear view.
    """

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        pretrain: Callable[..., Strategy] | None,
        width: int,
        outer_lr: float,
        weight_decay: float,
        epochs: int,
        patience: int,
        loss: RatingLoss,
        level_weight: float,
        without_support: float,
        tasks_per_step: int,
        support: list[int],
        query: int,
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            pretrain=pretrain,
            outer=Outer("adam", outer_lr, weight_decay, epochs, patience, loss),
            feed=Feed("tasks", tasks_per_step, (support[0], support[1]), query),
            level_weight=level_weight,
            without_support=without_support,
        )
        self.width = width

    @property
    def name(self) -> str:
        """The word shown for this phase."""
        return "neural_process"

    def network(self, columns: int, outputs: int) -> "EncoderDecoder":
        """Make encoder and decoder."""
        return EncoderDecoder(columns, self.width, outputs)


@dataclass(frozen=True)
class Mean:
    """What a support was summed up in.

    Attributes:
        value: ``(tasks, width)``; 0 for an empty support.
    """

    value: Tensor

    def take(self, tasks: Tensor) -> Self:
        """Return the means of some of the tasks, by their index ``(n,)``."""
        return replace(self, value=self.value[tasks])


class EncoderDecoder(Network):
    """Each support row is encoded by itself; the mean modulates the decoder.

    The encoder is also given its features times the surprise: their mean is the gradient of the
    support loss in the last layer, the first thing that a fit would look at.

    Args:
        columns: Width of the head's linear view.
        width: Of the mean and of the hidden layers.
        outputs: Numbers per query row; all start at 0.
    """

    def __init__(self, columns: int, width: int, outputs: int) -> None:
        super().__init__()
        self.row = nn.Linear(columns + 1, width)
        self.encoder = nn.Sequential(
            nn.Linear(2 * width + 1, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.scale_and_shift = nn.Linear(width, 2 * width)
        self.hidden = nn.Linear(columns + 1, width)
        self.answer = nn.Linear(width, outputs)
        self.own = nn.Linear(width, columns)
        for part in (self.own, self.answer):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)

    def read(self, seen: Seen) -> Mean:
        """Return the weighted mean of the encoded rows."""
        surprise = seen.surprise[..., None]
        row = self.row(torch.cat([seen.design, seen.score[..., None]], -1))
        encoded = self.encoder(torch.cat([row, row * surprise, surprise], -1))
        total = seen.weight.sum(-1, keepdim=True)
        mean = torch.einsum("tn,tnw->tw", seen.weight, encoded)
        return Mean(mean / torch.where(total > 0, total, torch.ones_like(total)))

    def forward(self, memory: Mean, design: Tensor, score: Tensor) -> Tensor:
        """Score queries with the task's own weights and its modulated network."""
        scale, shift = self.scale_and_shift(memory.value)[:, None].chunk(2, -1)
        hidden = self.hidden(torch.cat([design, score[..., None]], -1))
        answer = self.answer(torch.relu((1 + scale) * hidden + shift))
        linear = design @ self.own(memory.value)[..., None]
        return torch.cat([answer[..., :1] + linear, answer[..., 1:]], -1)
