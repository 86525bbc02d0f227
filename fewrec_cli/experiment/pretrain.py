"""Pretraining: one Lightning fit per phase, then the adapter's strength, on validation tasks."""

import logging
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger
from torch.utils.data import DataLoader

from fewrec_cli.core.errors import ConfigError, ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.experiment.calibrate import calibrate
from fewrec_cli.experiment.callback import BestWeights, Progress
from fewrec_cli.experiment.examples import examples
from fewrec_cli.experiment.feed import Steps, loader
from fewrec_cli.experiment.module import FewShotModule
from fewrec_cli.experiment.room import make_room
from fewrec_cli.experiment.tasks import parts
from fewrec_cli.experiment.world import World, make, plain
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.base import Strategy

LONGEST_VALIDATION_SUPPORT = 64
"""Validation during training cuts longer supports, so that it stays a small part of the time."""


@dataclass(frozen=True)
class Chosen:
    """What the validation tasks decided.

    Attributes:
        steps: Best step of each phase by its word.
        losses: Validation loss at that step (standard units), or None without validation tasks.
        strength: Factor on the adapter's strength.
    """

    steps: dict[str, int]
    losses: dict[str, float | None]
    strength: float


def pretrain(
    cfg: DictConfig, world: World, folder: Path, reporter: Reporter
) -> tuple[Chosen, pl.Trainer]:
    """Train every phase and choose the adapter's strength.

    Args:
        cfg: The run's config; ``trainer`` and ``logger`` are read here.
        world: Its backbone and strategy are trained in place.
        folder: The run folder.
        reporter: Shows a bar per phase.

    Returns:
        What validation chose, and the last phase's trainer (for its device and checkpoint).

    Raises:
        RunError: The loss is not finite.
        ScenarioError: A phase trains on tasks, and no user has two interactions.
        KeyboardInterrupt: Ctrl-C.
    """
    silence_lightning()
    validation = validation_batches(world)
    steps: dict[str, int] = {}
    losses: dict[str, float | None] = {}
    trainer = _trainer(cfg, world.strategy, folder, [])
    for number, phase in enumerate(world.strategy.phases):
        word = phase.name
        module = FewShotModule(world.backbone, phase, world.strategy)
        best = BestWeights(phase.outer.patience)
        progress = Progress(best)
        trainer = _trainer(cfg, phase, folder, [best, progress])
        feed = Steps(
            world.rows,
            phase.feed,
            cfg.seed,
            f"{number}-{word}",
            trainer.global_rank,
            trainer.world_size,
            world.dataset.shard,
        )
        _tell_short(world, phase, reporter)
        make_room(world, phase, trainer, reporter)
        total = _total_steps(trainer, len(feed))
        with reporter.stage(f"pretrain ({word})", total) as advance:
            progress.advance = advance
            _fit(trainer, module, feed, validation)
        best.restore(module, trainer.global_step)
        steps[word], losses[word] = best.step, best.loss
    with reporter.stage("choose"):
        strength = choose_strength(world, validation)
        world.backbone.eval()
        world.strategy.eval()
        fitted = world.strategy.fit(world.backbone, examples(world, cfg.seed))
        device = world.backbone.rating_mean.device
        world.strategy.choose(world.backbone, [batch.to(device) for batch in validation])
        calibrate(world, validation)
    if fitted:
        steps["fit"] = fitted
    return Chosen(steps, losses, strength), trainer


def validation_batches(world: World) -> list[TaskBatch]:
    """Return the validation tasks of the first draw at every support size of the table above 0."""
    pool = world.split.valid
    if len(pool) == 0:
        return []
    episodes = world.scenario.draw(pool, 0)
    batches = []
    for shots in dict.fromkeys((*world.scenario.curve, world.scenario.shots)):
        cut = LONGEST_VALIDATION_SUPPORT if shots is None else shots
        if cut == 0:
            continue
        for tasks in parts(episodes, cut, len(episodes)):
            seed = derive_seed(0, "validation", cut)
            batches.append(world.tensors.batch(episodes, tasks, cut, seed))
    return batches


def choose_strength(world: World, validation: list[TaskBatch]) -> float:
    """Set the adapter's strength to the one with the least validation loss, and return it."""
    adapter = world.strategy.adapter
    if not validation or len(adapter.strengths) < 2:
        adapter.strength = adapter.strengths[0] if len(adapter.strengths) == 1 else 1.0
        return adapter.strength
    world.backbone.eval()
    found = {}
    for strength in adapter.strengths:
        adapter.strength = strength
        loss = _validation_loss(world, validation)
        found[strength] = loss if np.isfinite(loss) else np.inf
    adapter.strength = min(found, key=lambda strength: (found[strength], abs(np.log(strength))))
    return adapter.strength


@torch.no_grad()
def _validation_loss(world: World, validation: list[TaskBatch]) -> float:
    device = world.backbone.rating_mean.device
    strategy = world.strategy
    total = count = 0.0
    for batch in validation:
        here = batch.to(device)
        adapted = strategy.adapt(
            world.backbone, here.user, here.support, seed=here.seed, training=False
        )
        losses = strategy.query_losses(world.backbone, adapted, here.user, here.query)
        total += float(losses.sum())
        count += len(here)
    return total / count


def _tell_short(world: World, phase: Strategy, reporter: Reporter) -> None:
    """Count the users who are too short for an episode; refuse to train on none."""
    if phase.feed.kind != "tasks":
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


def _trainer(
    cfg: DictConfig, phase: Strategy, folder: Path, callbacks: list[pl.Callback]
) -> pl.Trainer:
    settings: dict[str, Any] = plain(cfg.trainer)
    if settings["max_epochs"] is None:
        settings["max_epochs"] = phase.outer.epochs
    ours = {
        "callbacks": callbacks,
        "logger": _logger(cfg, phase.name),
        "default_root_dir": str(folder),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        "inference_mode": False,
        "log_every_n_steps": 1,
    }
    return made_trainer({**ours, **settings})


def made_trainer(settings: Mapping[str, Any]) -> pl.Trainer:
    """Make a trainer.

    Raises:
        ConfigError: Lightning, or the number of cores, does not allow it.
    """
    _check_devices(settings)
    try:
        trainer: pl.Trainer = make(dict(settings))
    except InstantiationException as fault:
        reason = str(fault.__cause__ or fault).splitlines()[0]
        raise ConfigError(
            f"Lightning refuses the trainer: {reason}",
            "choose trainer=auto or cpu, or mend trainer.* (fewrec doctor lists the devices)",
        ) from fault
    return trainer


def _check_devices(settings: Mapping[str, Any]) -> None:
    """Refuse more processes on the CPU than it has cores; two are always allowed."""
    cores, devices = os.cpu_count() or 1, settings.get("devices")
    on_cpu = settings.get("accelerator") in ("cpu", "auto") and not torch.cuda.is_available()
    if on_cpu and isinstance(devices, int) and devices > max(cores, 2):
        raise ConfigError(
            f"trainer.devices={devices} asks for as many processes on {cores} CPU cores",
            f"lower trainer.devices to {max(cores, 2)} or less",
        )


def _logger(cfg: DictConfig, phase: str) -> Logger | bool:
    """Return the phase's own record of losses, so that no phase writes over another's."""
    if not cfg.logger:
        return False
    settings = plain(cfg.logger)
    logger: Logger = make({**settings, "version": settings.get("version") or phase})
    return logger


def _fit(
    trainer: pl.Trainer,
    module: FewShotModule,
    feed: Steps,
    validation: list[TaskBatch],
) -> None:
    """Fit; Lightning ends a run on Ctrl-C by leaving the process, which we turn into our own."""
    module.train()
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


def silence_lightning() -> None:
    """Hide Lightning's tips, and warnings about choices that are ours, not the user's."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for text in (
        ".*does not have many workers.*",
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
        ".*Starting from v1\\.9\\.0, `tensorboardX` has been removed.*",
        ".*GPU available but not used.*",
        ".*Experiment logs directory .* exists and is not empty.*",
        ".*You defined a `validation_step` but have no `val_dataloader`.*",
    ):
        warnings.filterwarnings("ignore", message=text)
