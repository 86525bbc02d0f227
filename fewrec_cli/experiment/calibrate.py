"""The last choice of pretraining: how far ratings lie from their predictions."""

from collections.abc import Sequence

from fewrec_cli.experiment.feed import Steps
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.base import Feed

TRAINING_TASKS = Feed("tasks", per_step=512, support=(1, 64), query=10)
"""Tasks of users that pretraining has seen, where none are held out for validation."""


def calibrate(world: World, validation: Sequence[TaskBatch]) -> None:
    """Let the strategy learn the size of its errors, in place; implicit data has none."""
    if world.dataset.implicit:
        return
    device = world.backbone.rating_mean.device
    world.backbone.eval()
    tasks = validation or _training_tasks(world)
    world.strategy.calibrate(world.backbone, (batch.to(device) for batch in tasks))


def _training_tasks(world: World) -> list[TaskBatch]:
    """Draw one batch of tasks from the training rows; empty where no user has two of them."""
    steps = Steps(world.rows, TRAINING_TASKS, 0, "calibrate", 0, 1)
    batch = steps[(0, 0)] if len(world.rows.people) else None
    return [batch] if isinstance(batch, TaskBatch) else []
