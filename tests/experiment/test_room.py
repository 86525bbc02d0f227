"""A meta-step that does not fit is cut, told in one line, and ends where the whole step ends."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment import room
from fewrec_cli.experiment.pretrain import pretrain
from fewrec_cli.experiment.world import World, build
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed

WORDS = ("strategy.tasks_per_step=6", "trainer.max_steps=2", "backbone.id_dropout=0")


class Listening(Reporter):
    """Keeps what it was told."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.told: list[str] = []

    def say(self, text: str) -> None:
        self.told.append(text)


def trained(folder: Path, *words: str) -> tuple[World, list[str]]:
    cfg: Any = composed(*SHRUNK_DATA, *SHRUNK_RUN, *WORDS, *words)
    reporter = Listening()
    world = build(cfg, reporter)
    pretrain(cfg, world, folder, reporter)
    return world, [line for line in reporter.told if line.startswith("memory")]


def test_a_step_that_does_not_fit_is_cut_and_trains_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, told = trained(tmp_path)
    assert told == []
    assert whole.strategy.parts == 1
    step = room.meta_step(whole.backbone, whole.strategy, 1, implicit=False)
    room_for_two = (step.shared_bytes + 2.5 * step.task_bytes) / room.STEP_SHARE
    monkeypatch.setattr(room, "free_bytes", lambda device: int(room_for_two))
    cut, told = trained(tmp_path)
    assert cut.strategy.parts == 3
    assert told == [
        f"memory: a step of 6 tasks may take {room._size(step.bytes)} of "
        f"{room._size(int(room_for_two))} free: cut into 3 parts, gradients summed, same result"
    ]
    start = build(composed(*SHRUNK_DATA, *SHRUNK_RUN, *WORDS), Reporter(quiet=True))
    moved = False
    for (name, one), other in zip(
        whole.backbone.named_parameters(), cut.backbone.parameters(), strict=True
    ):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
        moved |= not torch.equal(one, start.backbone.get_parameter(name))
    assert moved


def test_steps_of_rows_are_never_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda device: 1)
    cfg: Any = composed(*SHRUNK_DATA, *SHRUNK_RUN, "strategy=transfer")
    world = build(cfg, Reporter(quiet=True))
    room.make_room(world, world.strategy, None, Listening())  # type: ignore[arg-type]
    assert world.strategy.parts == 1


def test_the_sizes_of_a_step_are_those_of_the_config() -> None:
    cfg: Any = composed(
        *SHRUNK_DATA,
        "backbone=mlp",
        "strategy=maml",
        "strategy/augment=[noise,drop]",
        "strategy.support=[1,20]",
        "strategy.query=7",
        "strategy.tasks_per_step=9",
        "strategy.inner_steps=4",
        "strategy.order=first",
    )
    world = build(cfg, Reporter(quiet=True))
    step = room.meta_step(world.backbone, world.strategy, 2, implicit=True)
    head = world.backbone.head
    assert (step.tasks, step.support, step.query) == (5, 20 * 2 * 3, 14)
    assert (step.steps, step.second_order) == (4, False)
    assert step.adapted == sum(value.numel() for value in head.parameters())
    assert step.width == sum(head.spec.widths)
    assert step.shared == sum(value.numel() for value in world.backbone.parameters())
