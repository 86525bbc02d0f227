"""Whether a meta-step fits into memory, told before it is run; if not, it is cut into parts."""

import pytorch_lightning as pl
import torch

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.progress import Reporter
from fewrec_cli.engine.memory import STEP_SHARE, MetaStep, free_bytes
from fewrec_cli.experiment.world import World
from fewrec_cli.strategy.base import Strategy


def make_room(world: World, phase: Strategy, trainer: pl.Trainer, reporter: Reporter) -> None:
    """Set ``phase.parts`` so that its step takes at most ``STEP_SHARE`` of the free memory.

    Args:
        world: Gives the backbone and the kind of data.
        phase: Changed in place where it is fed with tasks; nothing else is cut.
        trainer: Tells the device and the number of processes that share it.
        reporter: Told in one line if the step is cut.
    """
    if phase.feed.kind != "tasks":
        return
    device: torch.device = trainer.strategy.root_device
    step = meta_step(world.backbone, phase, trainer.world_size, implicit=world.dataset.implicit)
    free = free_bytes(device)
    sharing = trainer.world_size if device.type == "cpu" else 1
    phase.parts = step.parts(int(STEP_SHARE * free / sharing))
    if phase.parts > 1:
        reporter.say(
            f"memory: a step of {step.tasks:,} tasks may take {_size(step.bytes)} of "
            f"{_size(free)} free: cut into {phase.parts:,} parts, gradients summed, same result"
        )


def meta_step(backbone: Backbone, phase: Strategy, processes: int, *, implicit: bool) -> MetaStep:
    """Return the sizes of one process's step."""
    feed, adapter = phase.feed, phase.adapter
    rows = 2 if implicit else 1  # every row brings a negative
    return MetaStep(
        tasks=-(-feed.per_step // processes),
        support=feed.support[1] * rows * (1 + len(phase.augments)),
        query=feed.query * rows,
        width=backbone.numbers_of_a_row(adapter.names),
        adapted=adapter.numbers(backbone),
        steps=adapter.inner_steps,
        second_order=adapter.order == "second",
        shared=sum(value.numel() for value in backbone.parameters()),
    )


def _size(count: int) -> str:
    """Return bytes in the largest unit that leaves at least 1.

    Example:
        >>> _size(3 << 29)
        '1.5 GiB'
    """
    unit = "GiB" if count >= 1 << 30 else "MiB"
    return f"{count / (1 << (30 if unit == 'GiB' else 20)):,.1f} {unit}"
