"""Pretraining as a stage of the cache: weights that were trained before are not trained again."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.strategies import DDPStrategy
from torch import nn

from fewrec_cli.core.cache import adding, find
from fewrec_cli.core.cache_entry import read
from fewrec_cli.core.errors import CacheError, RunFolderError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.determinants import determinants, foreign
from fewrec_cli.experiment.weights import Weights, put_weights, read_weights, save_weights
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.batch import TaskBatch

KIND = "pretrained"
WEIGHTS, OUTCOME = "weights.ckpt", "outcome.json"
WHOLE = "32-true"


@dataclass(frozen=True)
class Trained:
    """What the phases of a pretraining ended with, besides the weights.

    Attributes:
        steps: Best step of each phase by its word.
        losses: Validation loss at that step (standard units), or None without validation tasks.
        seconds: Wall time of the phases.
        cpu_seconds: Processor time of the phases in the first process.
    """

    steps: dict[str, int]
    losses: dict[str, float | None]
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Origin:
    """Where the weights of a run come from, as its manifest tells.

    Attributes:
        cached: Whether they were taken from the cache.
        made: When they were trained, local time.
        seconds: Wall time of that training, whoever did it.
        cpu_seconds: Its processor time; not in the run's own ``cpu_seconds`` where ``cached``.
    """

    cached: bool
    made: str
    seconds: float
    cpu_seconds: float


class Stage:
    """The cached pretraining of one run.

    Args:
        cfg: The run's config; ``cache`` switches the stage off.
        world: Its backbone and strategy take cached weights in place.
        reporter: Told what is taken, and why nothing is.

    Attributes:
        origin: Where the weights come from, once they are there.
    """

    def __init__(self, cfg: DictConfig, world: World, reporter: Reporter) -> None:
        self.cfg = cfg
        self.world = world
        self.reporter = reporter
        self.origin: Origin | None = None

    def facts(self, validation: Sequence[TaskBatch], trainer: pl.Trainer) -> dict[str, Any] | None:
        """Return what the weights will depend on; None where the cache takes no part.

        Args:
            validation: What validation chooses by.
            trainer: Of this run, before the first step.
        """
        world = self.world
        together = world.dataset.shard.world > 1
        if not self.cfg.cache or world.strategy.runs or not world.strategy.phases:
            return None
        if not world.totals.rows:
            return None  # nothing is trained: an entry would hold the starting weights
        if trainer.global_rank > 0 and not together:
            return None  # started by the first process, which trains
        reason = refusal(self.cfg, trainer, together=together)
        if reason:
            self.reporter.say(f"cache: not used, as {reason}")
            return None
        return determinants(self.cfg, world, validation, trainer)

    def take(self, facts: dict[str, Any]) -> Trained | None:
        """Put cached weights into backbone and strategy; None where there are none.

        Processes that share a run from its start take them all, or none does.
        """
        folder = find(KIND, facts, tell=self.reporter.say)
        content = None if folder is None else self._read(folder)
        there = self.world.dataset.shard.gather(content is not None)
        if folder is None or content is None or not all(there):
            return None
        trained, weights, made = content
        put_weights(weights, self._modules, folder / WEIGHTS)
        self.origin = Origin(True, _time(made), trained.seconds, trained.cpu_seconds)
        self.reporter.say(
            f"pretrained weights taken from the cache (made {self.origin.made} in "
            f"{trained.seconds:,.1f} s; cache=false trains anew)"
        )
        return trained

    def _read(self, folder: Path) -> tuple[Trained, Weights, float] | None:
        """Read an entry; None where another process removes it meanwhile."""
        entry = read(folder)
        try:
            outcome = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
            weights = read_weights(folder / WEIGHTS)
        except (FileNotFoundError, RunFolderError) as fault:
            self.reporter.say(f"cache: an entry went away while it was read: {fault}")
            return None
        return None if entry is None else (Trained(**outcome), weights, entry.made)

    def keep(self, facts: dict[str, Any] | None, trained: Trained, trainer: pl.Trainer) -> None:
        """Keep what this run has trained; only the first process writes.

        Args:
            facts: What the weights depend on; None keeps nothing.
            trained: What the phases ended with.
            trainer: Tells which process this is.
        """
        self.origin = Origin(False, _time(time.time()), trained.seconds, trained.cpu_seconds)
        if facts is None or trainer.global_rank > 0:
            return
        try:
            with adding(KIND, facts) as folder:
                save_weights(folder / WEIGHTS, self._modules)
                (folder / OUTCOME).write_text(json.dumps(asdict(trained)), encoding="utf-8")
        except (CacheError, OSError, RuntimeError) as fault:  # a full disk is no reason to stop
            self.reporter.say(f"cache: the weights are not kept: {str(fault).splitlines()[0]}")

    @property
    def _modules(self) -> dict[str, nn.Module]:
        return {"backbone": self.world.backbone, "strategy": self.world.strategy}


def refusal(cfg: DictConfig, trainer: pl.Trainer, *, together: bool) -> str:
    """Say why cached weights could be other ones, or processes disagree; empty where neither.

    Args:
        cfg: The run's config.
        trainer: Of this run, before the first step.
        together: Whether all processes are there from the start and can talk.
    """
    own = foreign(cfg)
    if own is not None:
        return f"{own} is none of fewrec's classes, and what it is made of is not followed"
    if "max_time" in cfg.trainer and cfg.trainer.max_time is not None:
        return "trainer.max_time ends training by the clock"
    precision = str(cfg.trainer.precision)
    if precision.endswith("-true") and precision != WHOLE:
        return f"trainer.precision={precision} trains weights of another type than it starts with"
    if trainer.world_size == 1 or together:
        return ""
    parallel = trainer.strategy
    if not isinstance(parallel, DDPStrategy):
        return f"{type(parallel).__name__} may hold the weights in parts"
    environment = parallel.cluster_environment
    if trainer.num_nodes > 1 or environment is None or environment.creates_processes_externally:
        return "the processes were started from outside, and each would have to find the same"
    return ""


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")
