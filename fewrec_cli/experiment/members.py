"""Finished runs as parts of another: built for its data, with their own trained weights."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import RunFolderError, ScenarioError
from fewrec_cli.core.paths import require_folder
from fewrec_cli.experiment.manifest import read_manifest, weights_of
from fewrec_cli.experiment.saved import read_saved
from fewrec_cli.experiment.weights import load_weights
from fewrec_cli.experiment.world import World, build_strategy, make, plain
from fewrec_cli.strategy.base import Member

GIVE = "write strategy.runs=[FOLDER,FOLDER], the last lines that fewrec train printed"
FREE = ("shots", "query", "draws", "candidates", "curve", "short_history", "history", "pool")
"""Words of a scenario that leave alone what is trained on."""


def join_members(cfg: DictConfig, world: World) -> None:
    """Give a strategy that is made of finished runs their trained models.

    Args:
        cfg: The config that ``world`` was built from.
        world: Its strategy is changed in place.

    Raises:
        RunFolderError: A run is absent or unfinished, or was trained on other rows.
        ScenarioError: There are no validation tasks to fit weights on.
    """
    if not world.strategy.runs:
        return
    if not len(world.split.valid):
        raise ScenarioError(
            "the runs' weights are fitted on validation tasks, and scenario.validation=null "
            "leaves none",
            "write e.g. scenario.validation=0.1, for the runs too",
        )
    folders = [Path(folder) for folder in world.strategy.runs]
    for folder in folders:
        require_folder(folder, GIVE, what="run folder")
    members = [_member(cfg, world, folder) for folder in folders]
    world.strategy.join(members)


def _member(cfg: DictConfig, world: World, folder: Path) -> Member:
    """Build one run's model and load its weights."""
    manifest = read_manifest(folder)
    loaded = read_saved(folder).cfg
    _check_same(cfg, loaded, world, manifest, folder)
    dataset, train = world.dataset, world.dataset.interactions.take(world.split.train)
    backbone: Backbone = make(loaded.backbone)
    backbone.reporter, backbone.seed = world.backbone.reporter, loaded.seed
    backbone.prepare(dataset, train)
    strategy = build_strategy(loaded)
    strategy.prepare(backbone, dataset, train)
    if strategy.runs:
        strategy.join([_member(cfg, world, Path(inner)) for inner in strategy.runs])
    load_weights(weights_of(folder), {"backbone": backbone, "strategy": strategy})
    strategy.adapter.strength = float(manifest["chosen"]["strength"])
    return Member(strategy.eval(), backbone.eval())


def _check_same(
    cfg: DictConfig, loaded: DictConfig, world: World, manifest: dict[str, Any], folder: Path
) -> None:
    """Refuse a run that saw other rows: what validates here might be its training data."""
    if manifest["data"]["hash"] != world.dataset.hash:
        raise RunFolderError(
            f"{folder} was trained on {manifest['data']['name']}@{manifest['data']['hash'][:8]}, "
            f"and this is {world.dataset.name}@{world.dataset.hash[:8]}",
            "give the same data words, or train that run anew",
        )
    here, there = plain(cfg.scenario), plain(loaded.scenario)
    for key in dict.fromkeys((*here, *there)):
        if key not in FREE and here.get(key) != there.get(key):
            raise RunFolderError(
                f"{folder} was trained with scenario.{key}={there.get(key)}, "
                f"and this is {here.get(key)}",
                "join runs of one scenario only: validation tasks must be new to all of them",
            )
