"""Strategies as the command builds them, fed with the small hand-checked tasks, in float64."""

from dataclasses import replace
from functools import cache
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import RowBatch, Rows, TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.base import Strategy
from fewrec_cli.strategy.words import ASIDE
from tests.backbone.small import ITEMS, USERS, small_dataset, train_rows
from tests.composed import composed
from tests.engine.case import Case

ADAPTER = "strategy.adapter"


class Spy(Adapter):
    """Keeps what it was given; moves the head's bias by a constant."""

    def __init__(self) -> None:
        super().__init__([1.0])
        self.given: list[Rows] = []

    def adapt(self, backbone: Any, user: Tensor, support: Rows, *, training: bool) -> TaskWeights:
        self.given.append(support)
        start = backbone.get_parameter("head.bias")
        return TaskWeights({"head.bias": (start + 1).expand(len(user), *start.shape)})


def built_strategy(*words: str) -> Strategy:
    """Return a strategy, not yet prepared.

    Options are composed once for all tests; values (``strategy.x=...``) are set afterwards.
    """
    values = [word for word in words if word.startswith("strategy.")]
    options = shipped(tuple(word for word in words if word not in values))
    cfg = OmegaConf.merge({"strategy": options}, OmegaConf.from_dotlist(values))
    node: Any = OmegaConf.to_container(cfg.strategy, resolve=True)
    for word in ASIDE:
        node.pop(word, None)  # the adapter has taken it over
    found: Strategy = instantiate(node, _convert_="all")
    return found


@cache
def shipped(options: tuple[str, ...]) -> Any:
    """Return a strategy's yaml with its interpolations."""
    return OmegaConf.to_container(composed(*options).strategy)


def strategy(made: Case, *words: str) -> Strategy:
    """Return a strategy prepared for the case's backbone."""
    found = built_strategy(*words)
    dataset = small_dataset()
    found.prepare(made.backbone, dataset, train_rows(dataset))
    return found.double()


def batch(made: Case, seed: int = 0) -> TaskBatch:
    """Return the case's tasks as a meta-batch."""
    return TaskBatch(made.user, made.support, made.query, seed=seed)


def with_rates_of(made: Case, found: Strategy) -> Case:
    """Return the case whose hand-written loop uses the strategy's own learned numbers."""
    adapter: Any = found.adapter
    rates = dict(zip(adapter.names, adapter.log_rates, strict=True))
    return replace(made, log_rates=rates, shrinkage=adapter.shrinkage)


def row_batch(*, implicit: bool = False) -> RowBatch:
    """Return nine interactions of any users."""
    drawn = torch.Generator().manual_seed(7)
    user = torch.randint(USERS, (9,), generator=drawn)
    item, negative = torch.randint(ITEMS, (2, 9), generator=drawn)
    rating = torch.randn(9, generator=drawn, dtype=torch.float64)
    return RowBatch(user, item, rating, negative if implicit else None)
