"""The config of a finished run, brought up to the keys that this version reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from fewrec_cli.core.errors import Faults, FewrecError, RunFolderError
from fewrec_cli.core.paths import CONFIG
from fewrec_cli.experiment.annotation import wanted
from fewrec_cli.experiment.check import GROUPS, LIGHTNINGS
from fewrec_cli.experiment.signature import Parameter, signature

OURS = "fewrec_cli."
POOL = {"pool": False}
NEUTRAL: Mapping[str, Mapping[str, object]] = {
    "fewrec_cli.backbone.bert.bert": {"precision": "auto"},
    "fewrec_cli.backbone.gpt2.gpt2": {"precision": "auto"},
    "fewrec_cli.backbone.hybrid.hybrid": {"precision": "auto"},
    "fewrec_cli.backbone.mf.MF": {"content": "table", "blocks": 10, "weights": None},
    "fewrec_cli.backbone.mlp.MLP": {"weights": None},
    "fewrec_cli.data.movielens.MovieLens": {"extra": None, "text": None},
    "fewrec_cli.data.table.Table": {"shard": "none"},
    "fewrec_cli.metric.settings.Evaluation": {
        "positives": "threshold",
        "further": [],
        "pool_factors": None,
        "pool_bias": 2,
        "pool_sweeps": 6,
        "deciles": [],
    },
    "fewrec_cli.scenario.both_cold.BothCold": POOL,
    "fewrec_cli.scenario.item_cold.ItemCold": POOL,
    "fewrec_cli.scenario.melu.MeLU": POOL,
    "fewrec_cli.scenario.metahin.MetaHIN": POOL,
    "fewrec_cli.strategy.features.Features": {"reads": ["likes", "alike", "numbers"]},
    "fewrec_cli.strategy.meta_ridge.MetaRidge": {"shift_penalty": None},
}
"""Keys that came after the first runs, by class, each with the value by which a run is what it was
before there was the key."""
ROOT = ("seed", "threads")
"""Keys of the root that a finished run needs."""


@dataclass(frozen=True)
class Saved:
    """What a run was made of.

    Attributes:
        cfg: Its config, with every key that this version reads.
        added: Keys that its file lacks, each with the value under which the run was made.
    """

    cfg: DictConfig
    added: Mapping[str, Any]


def read_saved(base: Path) -> Saved:
    """Read the config of a finished run.

    Keys that came later are filled in where there is a value that changes nothing; what else is
    absent only the user can know.

    Raises:
        RunFolderError: The file cannot be read.
        Faults: It lacks keys, one fault for each.
    """
    path = base / CONFIG
    try:
        cfg = OmegaConf.load(path)
    except (OSError, ValueError, YAMLError) as fault:
        raise RunFolderError(
            f"cannot read {path}: {str(fault).partition(chr(10))[0]}",
            "the file was changed since the run; take another run",
        ) from fault
    if not isinstance(cfg, DictConfig):
        raise RunFolderError(f"{path} is no config", "take another run")
    absent = dict(_absent(cfg))
    added = {}
    for word, (target, _) in absent.items():
        key = word.rpartition(".")[2]
        if key in NEUTRAL.get(target, {}):
            added[word] = NEUTRAL[target][key]
            OmegaConf.update(cfg, word, added[word], force_add=True)
    faults: list[FewrecError] = [
        _lacks(path, word, parameter)
        for word, (_, parameter) in absent.items()
        if word not in added
    ]
    if faults:
        raise Faults(faults)
    return Saved(cfg, added)


def _absent(cfg: DictConfig) -> Iterator[tuple[str, tuple[str, Parameter | None]]]:
    """Yield each key that is read and not there, with its class and what the class takes."""
    yield from ((key, ("", None)) for key in ROOT if key not in cfg)
    for group in GROUPS:
        node = cfg.get(group)
        if group not in LIGHTNINGS and isinstance(node, DictConfig):
            yield from _absent_in(node, group)


def _absent_in(node: DictConfig, path: str) -> Iterator[tuple[str, tuple[str, Parameter | None]]]:
    """The same of one node with a ``_target_`` and of the nodes inside it.

    The classes of a user's own are not on the import path yet; building them tells.
    """
    target = node.get("_target_")
    if isinstance(target, str) and target.startswith(OURS) and not node.get("_partial_"):
        for name, parameter in signature(target).parameters.items():
            if parameter.required and name not in node:
                yield f"{path}.{name}", (target, parameter)
    for key in map(str, node):
        child = None if OmegaConf.is_missing(node, key) else node[key]
        if isinstance(child, DictConfig):
            yield from _absent_in(child, f"{path}.{key}")


def _lacks(path: Path, word: str, parameter: Parameter | None) -> RunFolderError:
    parent, _, key = word.rpartition(".")
    takes = f" ({wanted(parameter.annotation, parameter.module)})" if parameter else ""
    below = f" below {parent}" if parent else ""
    return RunFolderError(
        f"{path} lacks {word}, which this version reads",
        f"add '{key}:'{takes}{below} in that file, as the run was trained, or train anew",
    )
