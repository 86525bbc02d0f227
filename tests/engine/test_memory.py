"""What a meta-step is said to take against what it took."""

from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from fewrec_cli.engine import memory
from fewrec_cli.engine.memory import MetaStep, fitting, free_bytes
from fewrec_cli.experiment.room import meta_step
from fewrec_cli.scenario.batch import Rows, TaskBatch
from tests.backbone.small import made, small_dataset, train_rows
from tests.engine.case import rows
from tests.strategy.feeding import built_strategy

STEP = MetaStep(
    tasks=10,
    support=4,
    query=2,
    width=100,
    adapted=1000,
    steps=2,
    second_order=True,
    shared=500,
)
CPU = torch.device("cpu")


def test_formula_by_hand() -> None:
    per_task = 4 * (1000 * (2.5 + 2.25 * 2) + 100 * ((2 + 0.7 * 2) * 4 + 3 * 2))
    assert STEP.task_bytes == int(per_task)
    assert STEP.bytes == 3 * 500 * 4 + 10 * STEP.task_bytes
    first = replace(STEP, second_order=False)
    assert first.task_bytes == 4 * (1000 * (2.5 + 1.25 * 2) + 100 * (1.5 * 4 + 2 * 2))


def test_parts_are_the_fewest_that_fit() -> None:
    assert STEP.parts(STEP.bytes) == 1
    for parts in range(2, 11):
        most = -(-STEP.tasks // parts)
        room = STEP.shared_bytes + most * STEP.task_bytes
        found = STEP.parts(room)
        assert -(-STEP.tasks // found) <= most
        assert found <= parts
    assert STEP.parts(0) == STEP.tasks  # a task is never cut


def test_free_memory_is_what_the_system_says() -> None:
    free = free_bytes(CPU)
    assert 1 << 24 < free < 1 << 50
    assert 1 <= fitting(CPU, 1 << 20) <= free >> 20
    assert fitting(CPU, 1 << 60) == 1


@pytest.mark.parametrize(
    ("limit", "used", "cached", "expected"),
    [
        ("max", "900000", "0", 8 << 20),  # no limit: what the system has left
        ("5000000", "3000000", "500000", 2_500_000),  # caches of files would be given up
        ("1000", "3000", "0", 0),
        ("99999999999", "1", "0", 8 << 20),
    ],
)
def test_a_container_s_limit_counts(tmp_path, monkeypatch, limit, used, cached, expected) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9999999 kB\nMemAvailable: 8192 kB\n")
    files = {"max": limit, "current": used, "stat": f"anon 5\ninactive_file {cached}\n"}
    for name, text in files.items():
        (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr(memory, "SYSTEM", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert free_bytes(CPU) == expected


def test_where_nothing_is_told_a_little_memory_is_assumed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(memory, "SYSTEM", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert free_bytes(CPU) == memory.UNKNOWN


def single(part: Rows) -> Rows:
    """Return rows in float32."""
    return replace(part, rating=part.rating.float(), weight=part.weight.float())


def peak_bytes(work) -> int:
    """Return the most that was allocated at once, beyond what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    now = most = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["vmap", "auto"])
@pytest.mark.parametrize("which", ["head", "last", "all"])
@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("parts", [1, 4])
def test_a_step_takes_less_than_was_said_but_not_far_less(
    engine, which, order, steps, parts
) -> None:
    """The general path's peak lies between a third of the estimate and the estimate."""
    dataset = small_dataset()
    backbone = made("mlp", width=32, hidden=[64, 64])
    backbone.prepare(dataset, train_rows(dataset))
    backbone.train()
    strategy = built_strategy(
        "strategy=maml",
        f"strategy.order={order}",
        f"strategy.adapted={which}",
        f"strategy.inner_steps={steps}",
        f"strategy.adapter.engine={engine}",
        "strategy.tasks_per_step=32",
        "strategy.support=[40,40]",
        "strategy.query=10",
    )
    strategy.prepare(backbone, dataset, train_rows(dataset))
    drawn = torch.Generator().manual_seed(0)
    support, query = (single(rows([n] * 32, n, "explicit", drawn)) for n in (40, 10))
    batch = TaskBatch(torch.zeros(32, dtype=torch.int64), support, query)
    strategy.parts = parts
    took = peak_bytes(lambda: strategy.loss(backbone, batch).backward())
    said = meta_step(backbone, strategy, processes=parts, implicit=False).bytes
    assert took <= said
    if engine == "vmap":
        assert took >= said / 3
