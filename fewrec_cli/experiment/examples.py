"""Tasks of pretraining, support and query, for what is fitted in closed form."""

from collections.abc import Iterator

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.experiment.feed import Steps
from fewrec_cli.experiment.tasks import parts
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.batch import TaskBatch

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
