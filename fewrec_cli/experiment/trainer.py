"""Lightning's trainer of one phase, made from the config."""

import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.experiment.world import make, plain
from fewrec_cli.strategy.base import Strategy


def trainer_of(
    cfg: DictConfig, phase: Strategy, folder: Path, callbacks: list[pl.Callback]
) -> pl.Trainer:
    """Make the trainer of a phase, with what is ours and not the user's to choose."""
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
