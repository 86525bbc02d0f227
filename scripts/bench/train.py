"""Whole training steps of loop and engine, ready to be timed, and the check that they agree."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

import torch
from torch.optim import Adam
from torch.utils.flop_counter import FlopCounterMode

from bench import ours, peers
from bench.clock import Contender
from bench.workload import Meta
from fewrec_cli.backbone.base import Backbone
from fewrec_cli.data.base import Dataset
from fewrec_cli.strategy.base import Strategy

RATE = 0.05
"""Inner step size."""
Gradients = Callable[[Backbone, Meta], object]
"""Adds one meta-batch's gradient to ``.grad``."""


@dataclass(frozen=True)
class Work:
    """A kind of meta-training step.

    Attributes:
        order: Of the outer gradient; Reptile has none.
        steps: Inner steps.
        loop: The step as peers write it.
    """

    name: str
    order: Literal["first", "second"]
    steps: int
    loop: Gradients

    @property
    def reptile(self) -> bool:
        """Whether it is Reptile's step rather than MAML's."""
        return self.name.startswith("reptile")

    def strategy(self, backbone: Backbone, data: Dataset, tasks: int, engine: str) -> Strategy:
        """Return the product's strategy for this work."""
        adapter = ours.gradient(self.order, self.steps, RATE, engine)
        build = ours.reptile if self.reptile else ours.maml
        return build(backbone, data, adapter, tasks)


def _first(backbone: Backbone, meta: Meta) -> None:
    peers.first_order(backbone, meta.tasks, 1, RATE)


def _cloned(steps: int, *, second_order: bool) -> Gradients:
    def gradients(backbone: Backbone, meta: Meta) -> None:
        peers.clone_adapt(backbone, meta.tasks, steps, RATE, second_order=second_order)

    return gradients


def _reptile(backbone: Backbone, meta: Meta) -> None:
    peers.reptile(backbone, meta.tasks, 5, RATE)


WORKS = (
    Work("first_k1", "first", 1, _first),
    Work("second_k1", "second", 1, _cloned(1, second_order=True)),
    Work("second_k5", "second", 5, _cloned(5, second_order=True)),
    Work("reptile_k5", "first", 5, _reptile),
)


def looped(work: Work, backbone: Backbone, metas: Sequence[Meta]) -> Contender:
    """Return the loop's training step."""
    own = deepcopy(backbone)
    return Contender(f"loop/{len(metas[0])}", _step(own, own.parameters(), metas, work.loop))


def engine(strategy: Strategy, backbone: Backbone, metas: Sequence[Meta], name: str) -> Contender:
    """Return the product's training step.

    Args:
        strategy: Prepared for ``backbone``.
        backbone: Trained in place.
        metas: Taken in turn.
        name: What it is called in the results; the meta-batch size is added.
    """
    backbone.train()

    def gradients(backbone: Backbone, meta: Meta) -> object:
        return ours.gradients(strategy, backbone, meta.batch)

    learned = [*backbone.parameters(), *strategy.parameters()]
    return Contender(f"{name}/{len(metas[0])}", _step(backbone, learned, metas, gradients))


def operations(step: Contender) -> float:
    """Return the floating-point operations of a step's matrix products, per task.

    At least: PyTorch's counter leaves out products that are added in place.
    """
    with FlopCounterMode(display=False) as counted:
        tasks = step.work()
    return counted.get_total_flops() / tasks


def _step(
    backbone: Backbone,
    learned: Sequence[torch.nn.Parameter],
    metas: Sequence[Meta],
    gradients: Gradients,
) -> Callable[[], int]:
    """Return one training step on the next meta-batch: gradient, then fused Adam."""
    optimizer = Adam([p for p in learned if p.requires_grad], lr=1e-4, fused=True)
    turns = cycle(metas)

    def step() -> int:
        meta = next(turns)
        optimizer.zero_grad()
        gradients(backbone, meta)
        optimizer.step()
        return len(meta)

    return step


def disagreement(work: Work, backbone: Backbone, data: Dataset, meta: Meta, engine: str) -> float:
    """Return the largest difference of the loop's and the engine's gradients on one meta-batch.

    Both run in float64; as a share of the largest number of the gradient.
    """
    exact = [deepcopy(backbone).double().train() for _ in range(2)]
    meta = meta.double()
    work.loop(exact[0], meta)
    strategy = work.strategy(exact[1], data, len(meta), engine).double().to(meta.batch.user.device)
    for name, value in strategy.named_parameters():
        if "log_rates" in name:  # the step size was rounded to float32
            value.data.fill_(math.log(RATE))
    ours.gradients(strategy, exact[1], meta.batch)
    loop, own = (
        {name: p.grad for name, p in one.named_parameters() if p.grad is not None} for one in exact
    )
    none = torch.zeros((), dtype=torch.float64)
    apart = [
        float((loop.get(name, none) - own.get(name, none)).abs().max()) for name in {*loop, *own}
    ]
    return max(apart) / max(float(value.abs().max()) for value in loop.values())
