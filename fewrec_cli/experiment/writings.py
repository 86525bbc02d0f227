"""Texts that a strategy has written, kept in the run folder for people to read."""

from pathlib import Path

import numpy as np
import torch

from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.experiment.run import write_columns
from fewrec_cli.experiment.tasks import parts
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.base import Episodes

PROFILES = "profiles.parquet"
DESCRIPTIONS = "descriptions.parquet"
MOST_TASKS = 4096
"""Tasks of one part, at most."""


@torch.no_grad()
def write_writings(
    folder: Path, world: World, drawn: tuple[Episodes, ...], seed: int, device: torch.device
) -> None:
    """Write ``profiles.parquet`` and ``descriptions.parquet`` if the strategy has any.

    Args:
        folder: The run folder.
        world: Its strategy has answered.
        drawn: The test tasks, read at the headline support size.
        seed: The run's seed; texts that are drawn are those that answered.
        device: Where backbone and strategy are.
    """
    dataset, strategy, shots = world.dataset, world.strategy, world.scenario.shots
    frames: list[dict[str, np.ndarray]] = []
    for episodes in drawn:
        own = derive_seed(seed, "adapt", episodes.draw, -1 if shots is None else shots)
        for tasks in parts(episodes, shots, MOST_TASKS):
            batch = world.tensors.batch(episodes, tasks, shots, own).to(device)
            texts = strategy.profiles_of(world.backbone, batch.user, batch.support, seed=own)
            if not texts:
                break
            frames.append(
                {
                    "draw": np.full(len(tasks), episodes.draw),
                    "task": tasks,
                    "user_id": dataset.user_ids[episodes.user[tasks]],
                    **{name: np.array(column, dtype=object) for name, column in texts.items()},
                }
            )
    if frames:
        write_columns(
            folder / PROFILES,
            {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]},
        )
    items = strategy.descriptions()
    if items:
        own_items = {name: np.array(column, dtype=object) for name, column in items.items()}
        write_columns(folder / DESCRIPTIONS, {"item_id": dataset.item_ids, **own_items})
