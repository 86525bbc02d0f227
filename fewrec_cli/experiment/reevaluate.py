"""``fewrec evaluate``: other shots, other metrics, the same weights."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment import run
from fewrec_cli.experiment.load import open_run
from fewrec_cli.experiment.manifest import read_manifest, weights_of
from fewrec_cli.experiment.pipeline import draw_all, finish, tell
from fewrec_cli.experiment.result import RunResult
from fewrec_cli.experiment.saved import read_saved
from fewrec_cli.experiment.trainer import silence_lightning


def evaluate(cfg: DictConfig, folder: Path, reporter: Reporter, base: Path) -> RunResult:
    """Evaluate a finished run again, without training.

    Args:
        cfg: The run's saved config with ``scenario.*``, ``evaluation.*``, ``trainer.*`` changed.
        folder: Where the figures go, existing.
        reporter: Told what happens.
        base: The finished run folder.

    Raises:
        FewrecError: The run cannot be loaded, or its tasks cannot be drawn as asked.
    """
    torch.set_num_threads(cfg.threads)
    cfg, world, chosen = open_run(base, reporter, _with_floors(cfg, base))
    tell(world, reporter)
    drawn = draw_all(world)
    run.write_config(cfg, folder)
    silence_lightning()
    trainer = pl.Trainer(
        accelerator=cfg.trainer.accelerator,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    device = trainer.strategy.root_device
    return finish(
        cfg, world, drawn, chosen, device, folder, reporter, weights=weights_of(base.absolute())
    )


def _with_floors(cfg: DictConfig, base: Path) -> DictConfig:
    """Keep the floors' constants that the run chose, so that its floors stay what they were.

    Floors that learn from pooled supports, where the run's did not, choose anew.
    """
    trained = read_saved(base).cfg.scenario
    if "pool" in trained and trained.pool != cfg.scenario.pool:
        return cfg
    kept = read_manifest(base)["floors"]
    words = {f"{side}_shrinkage": kept[side] for side in ("item", "user")}
    missing = {word: value for word, value in words.items() if cfg.evaluation[word] is None}
    return DictConfig(OmegaConf.merge(cfg, {"evaluation": missing}))
