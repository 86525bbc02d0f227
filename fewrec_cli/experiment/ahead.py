"""How long a training takes in which a language model learns, told before its first step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import torch

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.progress import Reporter, spelled
from fewrec_cli.scenario.batch import RowBatch, Rows, TaskBatch
from fewrec_cli.strategy.base import Batch, Strategy
from fewrec_cli.text.encode import cores

PROBE = 16
"""Rows of a first step that are timed; of tasks, one."""
AGAIN = 4 / 3
"""A step whose activations are too large to be kept takes so many times one that keeps them."""
LONG_S = 60.0
"""Seconds of training from which on one is told."""


def tell_length(
    backbone: Backbone,
    phase: Strategy,
    draw: Callable[[], Batch],
    steps: int,
    validation: Sequence[TaskBatch],
    validations: int,
    reporter: Reporter,
) -> None:
    """Say how many pairs a phase reads, and how long that takes at most, if it takes long.

    A small part of the first step is timed, and nothing is changed. Training may end earlier, where
    validation gains no more.

    Args:
        backbone: On the device it is trained on; only one that reads pairs anew is timed.
        phase: Whose loss is minimised.
        draw: Makes this process's part of the first step; not called where nothing is timed.
        steps: Of the phase, at most.
        validation: What is scored after each epoch.
        validations: How often that is, at most.
        reporter: Told in one line.
    """
    if not backbone.reads_anew:
        return
    first = draw()
    device = first.user.device
    checks = sum(_pairs(batch) for batch in validation) * validations
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        step_s = AGAIN * _step_seconds(backbone, phase, first)
        check_s = _pair_seconds(backbone, first) if checks else 0.0
    whole = steps * step_s + checks * check_s
    if whole < LONG_S:
        return
    pairs, what = _pairs(first), "rows" if isinstance(first, RowBatch) else "tasks"
    each = f"{len(first):,} {what}" + (f", {pairs:,} pairs" if pairs != len(first) else "")
    reporter.say(
        f"{phase.name}: {steps:,} steps of {each}: a language model that learns reads "
        f"{steps * pairs:,} pairs, and {checks:,} to validate: about {spelled(whole)} at most; "
        f"less with strategy.epochs=, or strategy.{what}_per_step= and trainer.max_steps="
        f"{_threads()}; backbone.tuned=frozen reads each pair once"
    )


def _threads() -> str:
    """Name the key that takes more cores, where there are some."""
    return f", with threads={cores()}" if torch.get_num_threads() < cores() else ""


def _step_seconds(backbone: Backbone, phase: Strategy, first: Batch) -> float:
    """Return the seconds of a whole step and its gradient, from a part of it."""
    learned = [p for p in (*backbone.parameters(), *phase.parameters()) if p.requires_grad]
    some = _part(first, PROBE)
    for part in (_part(first, 1), some):  # whatever a first call takes longer is not counted
        _wait(first.user.device)
        started = time.perf_counter()
        loss = phase.loss(backbone, part)
        torch.autograd.grad(loss, learned, allow_unused=True)
        _wait(first.user.device)
        spent = time.perf_counter() - started
    return spent * len(first) / len(some)


@torch.no_grad()
def _pair_seconds(backbone: Backbone, first: Batch) -> float:
    """Return the seconds in which a pair is read, without a gradient."""
    some = _part(first, PROBE)
    item = some.item[:, None] if isinstance(some, RowBatch) else some.query.item[:, :PROBE]
    started = time.perf_counter()
    backbone(some.user, item)
    _wait(item.device)
    return (time.perf_counter() - started) / item.numel()


def _part(batch: Batch, rows: int) -> Batch:
    """Return the first rows of a batch, or its first task; of that, one row if one is asked for."""
    if isinstance(batch, RowBatch):
        return replace(
            batch,
            user=batch.user[:rows],
            item=batch.item[:rows],
            rating=batch.rating[:rows],
            negative=None if batch.negative is None else batch.negative[:rows],
        )
    support, query = batch.support.slice(slice(0, 1)), batch.query.slice(slice(0, 1))
    if rows == 1:
        support, query = _narrow(support), _narrow(query)
    return replace(batch, user=batch.user[:1], support=support, query=query)


def _narrow(rows: Rows) -> Rows:
    """Return the first row of each task."""
    own = {one.name: getattr(rows, one.name) for one in fields(rows)}
    return replace(rows, **{name: v[:, :1] for name, v in own.items() if v is not None})


def _pairs(batch: Batch) -> int:
    """Return how many pairs a batch has, negatives counted, repetitions too."""
    if isinstance(batch, RowBatch):
        return len(batch) * (1 if batch.negative is None else 2)
    return sum(
        int((rows.weight > 0).sum()) * (1 if rows.negative is None else 2)
        for rows in (batch.support, batch.query)
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
