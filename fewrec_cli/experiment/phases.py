"""The phases of pretraining: one Lightning fit each, which ends with its best weights."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from fewrec_cli.core.errors import ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.ahead import tell_length
from fewrec_cli.experiment.callback import BestWeights, Progress
from fewrec_cli.experiment.examples import steps_of
from fewrec_cli.experiment.feed import Steps, loader
from fewrec_cli.experiment.module import FewShotModule
from fewrec_cli.experiment.room import make_room
from fewrec_cli.experiment.stage import Trained
from fewrec_cli.experiment.trainer import trainer_of
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.base import Strategy


def prepare_phases(world: World, trainer: pl.Trainer, reporter: Reporter) -> None:
    """Refuse a phase that has nothing to train on, and cut the steps that do not fit into memory.

    Raises:
        ScenarioError: A phase trains on tasks, and no user has two interactions.
    """
    for phase in world.strategy.phases:
        _tell_short(world, phase, reporter)
        make_room(world, phase, trainer, reporter)


def train_phases(
    cfg: DictConfig,
    world: World,
    validation: Sequence[TaskBatch],
    folder: Path,
    reporter: Reporter,
) -> tuple[Trained, pl.Trainer | None]:
    """Train one phase after the other, in place, each from the best weights of the one before.

    Returns:
        What they ended with, and the last one's trainer; None without phases.

    Raises:
        RunError: The loss is not finite.
        KeyboardInterrupt: Ctrl-C.
    """
    steps: dict[str, int] = {}
    losses: dict[str, float | None] = {}
    trainer = None
    started, on_cpu = time.perf_counter(), time.process_time()
    for number, phase in enumerate(world.strategy.phases):
        best, trainer = _train(cfg, world, number, phase, validation, folder, reporter)
        steps[phase.name], losses[phase.name] = best.step, best.loss
    spent = time.perf_counter() - started, time.process_time() - on_cpu
    return Trained(steps, losses, *(round(seconds, 3) for seconds in spent)), trainer


def _train(
    cfg: DictConfig,
    world: World,
    number: int,
    phase: Strategy,
    validation: Sequence[TaskBatch],
    folder: Path,
    reporter: Reporter,
) -> tuple[BestWeights, pl.Trainer]:
    word = phase.name
    module = FewShotModule(world.backbone, phase, world.strategy)
    best = BestWeights(phase.outer.patience)
    progress = Progress(best)
    trainer = trainer_of(cfg, phase, folder, [best, progress])
    rank, processes = trainer.global_rank, trainer.world_size
    feed = steps_of(world, phase.feed, cfg.seed, f"{number}-{word}", rank, processes)
    if not len(feed):
        reporter.say(f"{word}: no labelled row is seen, so that nothing is pretrained")
        return best, trainer
    total = _total_steps(trainer, len(feed))
    module.train()
    if total and rank == 0:
        device = module.to(trainer.strategy.root_device).device
        checks = _validations(trainer, total, len(feed))
        tell_length(
            world.backbone,
            phase,
            lambda: feed[(0, 0)].to(device),
            total,
            validation,
            checks,
            reporter,
        )
    with reporter.stage(f"pretrain ({word})", total) as advance:
        progress.advance = advance
        _fit(trainer, module, feed, list(validation))
    best.restore(module, trainer.global_step)
    return best, trainer


def _tell_short(world: World, phase: Strategy, reporter: Reporter) -> None:
    """Count the users who are too short for an episode; refuse to train on none."""
    if phase.feed.kind != "tasks" or (phase.feed.examples and world.split.examples is not None):
        return
    known = int(world.split.known_users.sum())
    able = int(world.dataset.shard.total(np.array(len(world.rows.people))))
    what = f"{known - able:,} of {known:,} users have one training interaction, too few to split"
    if not able:
        raise ScenarioError(
            f"{phase.name} has no task to train on: {what}",
            "give data with longer histories, or take strategy=transfer, which trains on rows",
        )
    if able < known:
        reporter.say(f"short history ({known - able:,}): {what}: left out of {phase.name}")


def _fit(
    trainer: pl.Trainer,
    module: FewShotModule,
    feed: Steps,
    validation: list[TaskBatch],
) -> None:
    """Fit; Lightning ends a run on Ctrl-C by leaving the process, which we turn into our own."""
    checks: DataLoader[Any] | None = None
    if validation:
        checks = DataLoader(validation, batch_size=None)  # type: ignore[arg-type]
    try:
        trainer.fit(module, loader(feed), checks)
    except SystemExit as left:
        if not trainer.interrupted:
            raise
        raise KeyboardInterrupt from left
    if trainer.interrupted:
        raise KeyboardInterrupt


def _total_steps(trainer: pl.Trainer, per_epoch: int) -> int | None:
    epochs = trainer.max_epochs if trainer.max_epochs is not None else -1
    by_epochs = epochs * per_epoch if epochs >= 0 else None
    if trainer.max_steps >= 0:
        return trainer.max_steps if by_epochs is None else min(by_epochs, trainer.max_steps)
    return by_epochs


def _validations(trainer: pl.Trainer, total: int, per_epoch: int) -> int:
    """Return how often is validated in ``total`` steps, at most."""
    every = trainer.val_check_interval
    steps = every if isinstance(every, int) else max(1, int(every * per_epoch))
    return -(-total // steps)
