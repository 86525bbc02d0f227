"""Steps over a scenario's examples: each of them once in an epoch, as one process or as two."""

from pathlib import Path

import numpy as np
import pytest

from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.examples import ExampleSteps, examples, steps_of
from fewrec_cli.experiment.feed import Steps
from fewrec_cli.experiment.pipeline import train
from fewrec_cli.experiment.world import World, build
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.base import Feed
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed

FEED = Feed("tasks", 4, (1, 2), 1, examples=True)
WINDOWS = (
    *SHRUNK_RUN,
    "data=synthetic",
    *SHRUNK_DATA,
    "scenario=windows",
    "scenario.shots=3",
    "scenario.curve=[3]",
    "scenario.domain_shots=10",
)


@pytest.fixture(scope="module")
def world() -> World:
    return build(composed(*WINDOWS), Reporter(quiet=True))


def tasks(batches: list[TaskBatch]) -> list[tuple[int, ...]]:
    """Return user, support and query items of each task, sorted."""
    found = []
    for batch in batches:
        columns = (batch.user[:, None], batch.support.item, batch.query.item)
        rows = np.concatenate([column.numpy() for column in columns], 1)
        found += [tuple(row) for row in rows.tolist()]
    return sorted(found)


def test_an_epoch_is_every_example_once_in_another_order_each_time(world: World) -> None:
    steps = steps_of(world, FEED, 0, "0-prompt", 0, 1)
    assert isinstance(steps, ExampleSteps)
    assert len(steps) == 3
    expected = tasks(list(examples(world, 0)))
    assert len(expected) == 10
    epochs = [[steps[(epoch, step)] for step in range(3)] for epoch in range(2)]
    assert [len(batch) for batch in epochs[0]] == [4, 4, 2]
    for epoch in epochs:
        assert tasks(epoch) == expected
    first, second = (epoch[0].query.item.flatten().tolist() for epoch in epochs)
    assert first != second


def test_two_processes_share_each_step(world: World) -> None:
    alone = steps_of(world, FEED, 0, "0-prompt", 0, 1)
    both = [steps_of(world, FEED, 0, "0-prompt", rank, 2) for rank in range(2)]
    for step in range(3):
        parts = [steps[(0, step)] for steps in both]
        assert tasks(parts) == tasks([alone[(0, step)]])
        assert sum(part.share for part in parts) == pytest.approx(2)


def test_whoever_does_not_ask_for_examples_gets_episodes(world: World) -> None:
    plain = Feed("tasks", 4, (1, 2), 1)
    assert type(steps_of(world, plain, 0, "0-maml", 0, 1)) is Steps


@pytest.mark.slow
def test_a_language_model_learns_from_examples_in_the_whole_pipeline(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    words = (
        "strategy=prompt",
        "strategy.epochs=1",
        "strategy.tasks_per_step=5",
        "backbone=bert",
        "backbone.score=cross",
        "backbone.tuned=bias",
        "backbone.weights=scratch",
        "backbone.scratch.layers=1",
        "backbone.scratch.width=16",
        "backbone.scratch.vocabulary=400",
    )
    with Reporter(quiet=True) as reporter:
        assert train(composed(*WINDOWS, *words), tmp_path, reporter) is not None
    assert (tmp_path / "metrics.json").is_file()
