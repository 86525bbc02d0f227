"""What a strategy says of itself once it has answered the test tasks."""

from collections.abc import Iterator, Sequence

import torch

from fewrec_cli.experiment.tasks import parts
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.batch import TaskBatch

MOST_TASKS = 4096
"""Tasks of one part, at most."""


@torch.no_grad()
def remarks(world: World, episodes: Episodes, device: torch.device) -> Sequence[str]:
    """Return the strategy's remarks, one line each.

    Args:
        world: Its strategy is trained.
        episodes: The draw that it may look at, at the headline support size.
        device: Where backbone and strategy are.
    """
    shots = world.scenario.shots

    def batches() -> Iterator[TaskBatch]:
        for tasks in parts(episodes, shots, MOST_TASKS):
            yield world.tensors.batch(episodes, tasks, shots, 0).to(device)

    return world.strategy.remarks(world.backbone, batches())
