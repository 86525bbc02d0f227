"""The product's own step, through the classes that a run is made of."""

from typing import Literal

from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.adapter.gradient import Gradient
from fewrec_cli.strategy.adapter.ridge import Ridge
from fewrec_cli.strategy.base import Strategy
from fewrec_cli.strategy.maml import MAML
from fewrec_cli.strategy.reptile import Reptile


def gradient(order: Literal["first", "second"], steps: int, rate: float, engine: str) -> Adapter:
    """Return ``strategy/adapter=gradient`` as plain MAML: fixed step size, no shrinkage."""
    return Gradient(
        inner_lr=rate,
        inner_steps=steps,
        order=order,
        adapted="head",
        learn_lr="none",
        shrinkage=0.0,
        engine=engine,  # type: ignore[arg-type]
        strengths=[1.0],
    )


def ridge() -> Adapter:
    """Return ``strategy/adapter=ridge`` with its starting penalties."""
    return Ridge(factor_penalty=10.0, bias_penalty=3.0, strengths=[1.0])


def maml(backbone: Backbone, data: Dataset, adapter: Adapter, tasks: int) -> Strategy:
    """Return ``strategy=maml``, prepared."""
    strategy = MAML(
        adapter=adapter,
        augment={},
        augment_weight=1.0,
        outer_lr=0.001,
        weight_decay=0.0,
        epochs=1,
        patience=1,
        loss="squared",
        tasks_per_step=tasks,
        support=[3, 90],
        query=10,
    )
    strategy.prepare(backbone, data, data.interactions)
    return strategy


def reptile(backbone: Backbone, data: Dataset, adapter: Adapter, tasks: int) -> Strategy:
    """Return ``strategy=reptile``, prepared."""
    strategy = Reptile(
        adapter=adapter,
        augment={},
        augment_weight=1.0,
        outer_lr=0.001,
        weight_decay=0.0,
        epochs=1,
        patience=1,
        tasks_per_step=tasks,
        support=[3, 90],
        weighting="uniform",
        optimizer="adam",
    )
    strategy.prepare(backbone, data, data.interactions)
    return strategy


def gradients(strategy: Strategy, backbone: Backbone, batch: TaskBatch) -> Tensor:
    """Add the gradient of the strategy's loss to ``.grad``; returns the loss."""
    loss = strategy.loss(backbone, batch)
    loss.backward()
    return loss.detach()
