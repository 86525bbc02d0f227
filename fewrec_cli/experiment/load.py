"""A finished run, brought back: the one way in for every command that works on one."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.errors import RunFolderError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.check import shown
from fewrec_cli.experiment.manifest import read_manifest, weights_of
from fewrec_cli.experiment.members import join_members
from fewrec_cli.experiment.pretrain import Chosen
from fewrec_cli.experiment.saved import read_saved
from fewrec_cli.experiment.weights import load_weights
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
    saved = read_saved(base)
    cfg = saved.cfg if cfg is None else cfg
    filled = [f"{k}={shown(v)}" for k, v in saved.added.items() if OmegaConf.select(cfg, k) == v]
    if filled:
        reporter.say(f"keys that came after that run, as it was made: {', '.join(filled)}")
    world = build(cfg, reporter)
    join_members(cfg, world)
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
