"""Tasks of pretraining, support and query: fitted to in closed form, or trained on in steps."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import IntArray
from fewrec_cli.experiment.feed import Steps
from fewrec_cli.experiment.tasks import parts
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.base import TaskPool
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.base import Feed

TASKS = 4096
"""Tasks of one part, at most."""


def examples(world: World, seed: int) -> Iterator[TaskBatch]:
    """Yield the scenario's examples, or one pass of episodes where it has none.

    Args:
        world: Its strategy's feed says how episodes are drawn.
        seed: The run's seed, of the episodes.

    Raises:
        ConfigError: Each process holds rows of its own.
    """
    shard = world.dataset.shard
    if shard.world > 1:
        raise ConfigError(
            f"strategy={world.strategy.name} is fitted to all training rows at once, and with "
            "data.shard=auto each process holds its own",
            "take data.shard=none",
        )
    pool = world.split.examples
    if pool is None:
        steps = Steps(world.rows, world.strategy.feed, seed, "examples", 0, 1, shard)
        for step in range(len(steps)):
            batch = steps[(0, step)]
            assert isinstance(batch, TaskBatch), "the feed of a fit is tasks"
            yield batch
        return
    episodes = world.scenario.draw(pool, 0)
    for tasks in parts(episodes, None, TASKS):
        yield world.tensors.batch(episodes, tasks, None, derive_seed(seed, "examples"))


class ExampleSteps(Steps):
    """Training steps over the scenario's examples: an epoch is all of them, in random order.

    Args:
        world: Gives the tasks.
        pool: The examples.
        feed: How many make a step; sizes of episodes are not read.
        seed: The run's seed.
        phase: The phase's word, part of the random stream.
        rank: This process.
        processes: Number of processes, which share every step.

    Raises:
        ConfigError: Each process holds rows of its own.
    """

    def __init__(
        self,
        world: World,
        pool: TaskPool,
        feed: Feed,
        seed: int,
        phase: str,
        rank: int,
        processes: int,
    ) -> None:
        if world.dataset.shard.world > 1:
            raise ConfigError(
                f"strategy={world.strategy.name} learns from the scenario's examples, and with "
                "data.shard=auto each process holds its own rows",
                "take data.shard=none",
            )
        self.tensors = world.tensors
        self.episodes = world.scenario.draw(pool, 0)
        super().__init__(world.rows, feed, seed, phase, rank, processes)

    @property
    def size(self) -> int:
        """Examples of an epoch."""
        return len(self.episodes)

    def _task_batch(
        self, order: IntArray, mine: slice, share: float, rng: np.random.Generator, seed: int
    ) -> TaskBatch:
        own = derive_seed(seed, self.rank)
        return replace(self.tensors.batch(self.episodes, order[mine], None, own), share=share)


def steps_of(world: World, feed: Feed, seed: int, phase: str, rank: int, processes: int) -> Steps:
    """Return the training steps of a phase: over examples where it wants them and there are some.

    Arguments are those of ``ExampleSteps``.
    """
    pool = world.split.examples if feed.examples else None
    if pool is not None:
        return ExampleSteps(world, pool, feed, seed, phase, rank, processes)
    return Steps(world.rows, feed, seed, phase, rank, processes, world.dataset.shard)
