"""Pretraining: one Lightning fit per phase, then the adapter's strength, on validation tasks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.experiment.calibrate import calibrate
from fewrec_cli.experiment.examples import examples
from fewrec_cli.experiment.phases import prepare_phases, train_phases
from fewrec_cli.experiment.stage import Stage
from fewrec_cli.experiment.tasks import parts
from fewrec_cli.experiment.trainer import silence_lightning, trainer_of
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.batch import TaskBatch

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
    cfg: DictConfig, world: World, folder: Path, reporter: Reporter, stage: Stage | None = None
) -> tuple[Chosen, pl.Trainer]:
    """Train every phase, or take its weights from the cache; then choose the adapter's strength.

    Args:
        cfg: The run's config; ``trainer`` and ``logger`` are read here.
        world: Its backbone and strategy are trained in place.
        folder: The run folder.
        reporter: Shows a bar per phase.
        stage: The cache of this pretraining; None always trains.

    Returns:
        What validation chose, and the last phase's trainer (for its device and its process's rank).

    Raises:
        RunError: The loss is not finite.
        ScenarioError: A phase trains on tasks, and no user has two interactions.
        KeyboardInterrupt: Ctrl-C.
    """
    silence_lightning()
    validation = validation_batches(world)
    trainer = trainer_of(cfg, world.strategy, folder, [])
    prepare_phases(world, trainer, reporter)
    with reporter.stage("cache"):
        facts = None if stage is None else stage.facts(validation, trainer)
        trained = None if stage is None or facts is None else stage.take(facts)
    if trained is None:
        trained, last = train_phases(cfg, world, validation, folder, reporter)
        trainer = last or trainer
        if stage is not None:
            stage.keep(facts, trained, trainer)
    steps = dict(trained.steps)
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
    return Chosen(steps, trained.losses, strength), trainer


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
