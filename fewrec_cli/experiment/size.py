"""How many numbers a model learns, and how many of them one task changes."""

from dataclasses import dataclass

import numpy as np
import torch

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.experiment.score import Scorer
from fewrec_cli.scenario.base import Episodes


@dataclass(frozen=True)
class Size:
    """Counts of numbers.

    Attributes:
        trainable: Numbers of backbone and strategy that are learned, by steps or in closed form.
        adapted: Numbers that the adaptation to one task changes; None of a strategy that answers
            with more than changed weights (a network that reads the support), or without a task.
    """

    trainable: int
    adapted: int | None

    def __str__(self) -> str:
        own = "" if self.adapted is None else f", {self.adapted:,} adapted per task"
        return f"{self.trainable:,} trainable{own}"


def size_of(scorer: Scorer, episodes: Episodes) -> Size:
    """Count the parameters, and what the first task of a draw changes.

    Args:
        scorer: Backbone and strategy, trained.
        episodes: One draw.
    """
    strategy = scorer.strategy
    stepwise = strategy.reads_backbone and (strategy.phases or strategy.runs)
    modules = (scorer.backbone, strategy) if stepwise else ()
    own = {id(one): one for module in modules for one in module.parameters() if one.requires_grad}
    learned = strategy.fitted + sum(one.numel() for one in own.values())
    return Size(learned, _adapted(scorer, episodes))


@torch.no_grad()
def _adapted(scorer: Scorer, episodes: Episodes) -> int | None:
    if not len(episodes):
        return None
    batch = scorer.world.tensors.batch(episodes, np.zeros(1, np.int64), 1, 0).to(scorer.device)
    answer = scorer.strategy.adapt(
        scorer.backbone, batch.user, batch.support, seed=0, training=False
    )
    try:
        changed = answer.values_by_name()
    except ConfigError:  # it answers with more than changed weights
        return None
    return sum(value[0].numel() for value in changed.values())
