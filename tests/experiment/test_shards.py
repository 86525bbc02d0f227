"""Runs on data in shards: the same tasks for any number of processes, every row trained on once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from fewrec_cli.backbone.mf import MF
from fewrec_cli.core.errors import ConfigError, ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.shard import Shard
from fewrec_cli.experiment.feed import Steps, TrainingRows
from fewrec_cli.experiment.processes import processes_of
from fewrec_cli.experiment.world import World, build
from fewrec_cli.strategy.base import Feed
from fewrec_cli.strategy.meta_ridge import MetaRidge
from fewrec_cli.strategy.reptile import Reptile
from tests.composed import composed
from tests.data.reading import load

USERS = 23
QUIET = Reporter(quiet=True)


def rows_of(users: np.ndarray) -> TrainingRows:
    """Training rows of some of 23 users, of 1 to 9 rows each."""
    user = np.repeat(users, users % 9 + 1)
    item = np.arange(len(user)) % 40
    return TrainingRows.of(
        Interactions(user, item, np.ones(len(user))), 40, 0.0, 1.0, implicit=False
    )


def shares(feed: Feed, world: int) -> list[Steps]:
    """Steps of processes of which the first has one user in four, the others the rest."""
    owner = np.where(np.arange(USERS) % 4 == 0, 0, 1 + np.arange(USERS) % max(world - 1, 1))
    indexes = [rows_of(np.flatnonzero(owner == rank)) for rank in range(world)]
    sizes = [len(i) if feed.kind == "rows" else len(i.people) for i in indexes]
    told = [(None, size) for size in sizes]
    return [
        Steps(index, feed, 0, "0-maml", rank, world, Shard(rank, world, lambda _: told))
        for rank, index in enumerate(indexes)
    ]


@pytest.mark.parametrize("feed", [Feed("rows", 16), Feed("tasks", 4, (2, 5), 3)], ids=str)
@pytest.mark.parametrize("world", [2, 3])
def test_processes_take_each_of_their_own_rows_once_in_equally_many_steps(
    feed: Feed, world: int
) -> None:
    ranks = shares(feed, world)
    assert len({len(one) for one in ranks}) == 1
    seen: list[list[Any]] = [[] for _ in ranks]
    for step in range(len(ranks[0])):
        batches = [one[1, step] for one in ranks]
        real = sum(len(batch) for batch in batches if batch.share > 0)
        assert real <= feed.per_step + world
        for batch, taken in zip(batches, seen, strict=True):
            assert batch.share == pytest.approx(len(batch) * world / real if batch.share else 0)
            if batch.share:
                pairs = getattr(batch, "item", batch.user)
                taken += list(zip(batch.user.tolist(), pairs.tolist(), strict=True))
    for one, taken in zip(ranks, seen, strict=True):
        assert len(set(taken)) == len(taken) == one.size
        assert {user for user, _ in taken} <= set(one.rows.train.user.tolist())
    assert sum(one.size for one in ranks) == int(ranks[0].sizes.sum())


def test_a_process_without_a_task_is_refused() -> None:
    rows, feed = rows_of(np.arange(4)), Feed("tasks", 4, (2, 5), 3)
    with pytest.raises(ScenarioError, match="nothing to train on"):
        Steps(rows, feed, 0, "0", 0, 2, Shard(0, 2, lambda _: [(None, 3), (None, 0)]))


@pytest.fixture
def parts(folder: Path) -> Path:
    """Generated interactions as parts by user, in the working folder."""
    data = load("synthetic", users=80, items=40, ratings_per_user=[16, 24])
    rows = data.interactions
    table = pa.table(
        {
            "user_id": data.user_ids[rows.user],
            "item_id": data.item_ids[rows.item],
            "stars": rows.rating,
            "when": rows.timestamp,
        }
    )
    (folder / "parts").mkdir()
    for number in range(4):
        own = table.filter(pa.array(rows.user % 4 == number))
        pq.write_table(own, folder / "parts" / f"{number}.parquet")
    return folder / "parts"


def words(parts: Path, *more: str) -> list[str]:
    return [
        *("data=table", f"data.interactions={parts}", "data.columns.rating=stars"),
        *("data.columns.timestamp=when", "scenario.draws=2", "scenario.shots=3"),
        *("scenario.query=5", "scenario.curve=[0,3]", *more),
    ]


def world_of(parts: Path, *more: str) -> World:
    return build(composed(*words(parts, *more)), QUIET)


@pytest.mark.slow
def test_one_process_trains_on_the_rows_of_the_whole_data(parts: Path) -> None:
    whole, alone = (world_of(parts, f"data.shard={word}") for word in ("none", "auto"))
    assert len(alone.train) == len(whole.train)
    assert alone.totals.rows == whole.totals.rows
    np.testing.assert_array_equal(alone.split.test.user, whole.split.test.user)
    np.testing.assert_array_equal(alone.split.valid.user, whole.split.valid.user)
    np.testing.assert_array_equal(alone.split.known_items, whole.split.known_items)
    np.testing.assert_allclose(alone.totals.item_excess, whole.totals.item_excess, atol=1e-9)


def test_what_cannot_be_in_shards_is_refused(parts: Path) -> None:
    for scenario in ("item_cold", "both_cold", "warm"):
        with pytest.raises(ScenarioError, match=f"scenario=user_cold, not with {scenario}: "):
            world_of(parts, "data.shard=auto", f"scenario={scenario}")


@pytest.mark.parametrize("kind", [MF, Reptile])
def test_whoever_reads_a_share_of_the_rows_as_if_it_were_all_is_refused(
    kind: Any, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(self: Any, *given: Any) -> None:
        assert given[-1].item.max() < 40

    words = ("strategy=reptile", "data.shard=auto")
    world_of(parts, *words)
    monkeypatch.setattr(kind, "prepare", prepare)
    with pytest.raises(ConfigError, match=f"(?i)does not go with .* {kind.__name__}"):
        world_of(parts, *words)


@pytest.mark.slow
def test_meta_ridge_counts_the_rows_of_all_processes(parts: Path) -> None:
    whole, alone = (
        world_of(parts, f"data.shard={word}", "strategy=meta_ridge") for word in ("none", "auto")
    )
    assert isinstance(alone.strategy, MetaRidge)
    assert isinstance(whole.strategy, MetaRidge)
    assert torch.equal(alone.strategy.count, whole.strategy.count)
    np.testing.assert_array_equal(alone.strategy.count, np.maximum(alone.totals.item_count, 1))


def test_a_trainer_that_cannot_be_made_is_told_as_in_any_run(parts: Path) -> None:
    cfg = composed(*words(parts, "data.shard=auto", "trainer.accelerator=abacus"))
    with pytest.raises(ConfigError, match="Lightning refuses the trainer"):
        processes_of(cfg)


@pytest.mark.slow
def test_two_processes_evaluate_the_tasks_of_one(parts: Path) -> None:
    facts = {}
    for trainer in ("cpu", "cpu_ddp"):
        line = words(parts, "data.shard=auto", f"trainer={trainer}", "strategy.epochs=2")
        done = subprocess.run(
            [sys.executable, "-m", "fewrec_cli", "train", *line, "logger=none"],
            capture_output=True,
            text=True,
            cwd=parts.parent,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        folder = Path(done.stdout.splitlines()[-1])
        manifest = json.loads((folder / "manifest.json").read_text())
        metrics = json.loads((folder / "metrics.json").read_text())
        facts[trainer] = (manifest, metrics)
        if trainer == "cpu_ddp":
            assert "(4): parts were read once, 2 and 2 by the 2 processes" in done.stderr
    (one, ones), (two, twos) = facts["cpu"], facts["cpu_ddp"]
    assert two["data"]["hash"] == one["data"]["hash"]
    assert two["episodes"] == one["episodes"]
    assert two["tasks"] == one["tasks"]
    assert two["floors"] == one["floors"]
    floors, same = (
        {
            (row["row"], row["shots"], name): value["mean"]
            for row in each["rows"]
            if row["kind"] not in ("model", "unadapted")
            for name, value in row["metrics"].items()
            if value["mean"] is not None
        }
        for each in (ones, twos)
    )
    assert len(floors) > 50
    assert same == pytest.approx(floors, abs=1e-9)


@pytest.mark.slow
def test_a_fault_that_one_process_meets_is_told_once(parts: Path) -> None:
    last = parts / "3.parquet"
    table = pq.read_table(last)
    stars = table.column("stars").to_numpy().copy()
    stars[5] = 9
    pq.write_table(table.set_column(2, "stars", pa.array(stars)), last)
    line = words(parts, "data.shard=auto", "data.scale=[1,5]", "trainer=cpu_ddp")
    done = subprocess.run(
        [sys.executable, "-m", "fewrec_cli", "train", *line],
        capture_output=True,
        text=True,
        cwd=parts.parent,
        timeout=240,
    )
    assert done.returncode == 2
    assert done.stderr.count("3.parquet row 6: rating 9 is not on the scale") == 1
