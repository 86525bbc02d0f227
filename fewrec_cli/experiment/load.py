"""A finished run, brought back: the one way in for every command that works on one."""

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.errors import RunFolderError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.pretrain import Chosen
from fewrec_cli.experiment.weights import CHECKPOINT, load_weights
from fewrec_cli.experiment.world import World, build


def open_run(
    base: Path, reporter: Reporter, cfg: DictConfig | None = None
) -> tuple[DictConfig, World, Chosen]:
    """Rebuild a run from its folder, trained weights included.

    Args:
        base: A finished run folder, of ``train`` or of ``evaluate``.
        reporter: Told of long work.
        cfg: The run's config with words changed that leave its weights alone; None takes it as
            it was saved.

    Returns:
        The config, the world with trained weights, and what validation chose.

    Raises:
        RunFolderError: The folder is unfinished, its weights do not fit, or the data has changed.
    """
    manifest = read_manifest(base)
    if cfg is None:
        loaded = OmegaConf.load(base / "config.yaml")
        if not isinstance(loaded, DictConfig):
            raise RunFolderError(f"{base / 'config.yaml'} is no config", "take another run")
        cfg = loaded
    world = build(cfg, reporter)
    if world.dataset.hash != manifest["data"]["hash"]:
        raise RunFolderError(
            f"the data of {base} has changed since the run: its hash was "
            f"{manifest['data']['hash'][:8]}, now it is {world.dataset.hash[:8]}",
            "bring back the files that the run's manifest.json names, or train anew",
        )
    load_weights(weights_of(base), {"backbone": world.backbone, "strategy": world.strategy})
    chosen = Chosen(**manifest["chosen"])
    world.strategy.adapter.strength = chosen.strength
    return cfg, world, chosen


def read_manifest(base: Path) -> dict[str, Any]:
    """Return what a finished run says of itself.

    Raises:
        RunFolderError: The folder holds no finished run.
    """
    try:
        content = json.loads((base / "manifest.json").read_text(encoding="utf-8"))
        _ = content["data"]["hash"], content["chosen"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise RunFolderError(
            f"{base} holds no finished run: manifest.json is missing or unreadable",
            "give the folder of a finished run, the last line that fewrec train printed",
        ) from fault
    return dict(content)


def weights_of(base: Path) -> Path:
    """Return where a run's weights lie: in its folder, or in that of the run it evaluated."""
    manifest = read_manifest(base)
    return Path(manifest["weights"]) if "weights" in manifest else base / CHECKPOINT
