"""Processes that share a run from its first line on: started early, so that they can talk."""

from typing import Any

import torch.distributed
from omegaconf import DictConfig

from fewrec_cli.data.shard import ALONE, Shard
from fewrec_cli.experiment.trainer import made_trainer, silence_lightning
from fewrec_cli.experiment.world import make, plain


def processes_of(cfg: DictConfig) -> Shard:
    """Return the processes that share the users of data in shards; one process alone otherwise.

    Lightning starts processes when it fits, long after the data was read. Where each process
    reads the rows of its own users they must talk before: they are started here, or joined by the
    process that was started, and Lightning finds them so.

    Args:
        cfg: The run's config; ``data`` and ``trainer`` are read.

    Raises:
        ConfigError: The trainer cannot be made on this machine.
    """
    if not make(cfg.data).sharded:
        return ALONE
    silence_lightning()
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    strategy: Any = made_trainer({**plain(cfg.trainer), **quiet, "max_epochs": 0}).strategy
    if strategy.launcher is None:
        return ALONE
    strategy.launcher.launch(strategy.setup_environment)
    if not torch.distributed.is_initialized():
        return ALONE
    return Shard(torch.distributed.get_rank(), torch.distributed.get_world_size(), exchange)


def exchange(value: Any) -> list[Any]:
    """Hand ``value`` to all processes; see ``Exchange``."""
    found: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, value)
    return found
