"""Everything that trained weights depend on, as the facts that the stage cache keeps them under.

What a run has read and drawn enters by its content, what it was asked for by its words: the rows
that pretraining sees, the validation tasks as tensors, the starting weights and the state of the
random numbers; the words of backbone, strategy and trainer; machine and libraries. Words that act
on nothing before the weights are chosen do not enter: ``evaluation``, ``logger``, draws, query
candidates, ``strategy.adapter.strengths`` (tried afterwards), the label in tables.
"""

import math
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.digest import digest
from fewrec_cli.experiment.world import World, plain
from fewrec_cli.scenario.batch import TaskBatch
from fewrec_cli.strategy.words import LABEL

APART = ("interactions", "sources", "notes", "oracle", "shard")
"""Of a data set: its rows enter as far as pretraining sees them, the others are read by nothing
that trains."""
AFTERWARDS = "strengths"
"""Word of an adapter that is read once the weights are chosen."""
OURS = ("fewrec_cli.", "pytorch_lightning.", "lightning.")
LIBRARIES = ("torch", "pytorch-lightning", "numpy", "scipy")
LANGUAGE_LIBRARIES = ("transformers", "tokenizers", "peft")
"""Enter where they have been imported."""
CPU_LIST = Path("/proc/cpuinfo")


def determinants(
    cfg: DictConfig, world: World, validation: Sequence[TaskBatch], trainer: pl.Trainer
) -> dict[str, Any]:
    """Return the facts; to be asked right before the first step.

    Args:
        cfg: The run's config; backbone, strategy, trainer and seed are read.
        world: Not yet trained; each phase knows into how many parts its steps are cut.
        validation: What validation chooses by.
        trainer: Tells the device and the number of processes.
    """
    shard = world.dataset.shard
    return {
        "shown": _shown(cfg, world),
        "data": {"hash": world.dataset.hash, "content": digest(_content(world.dataset))},
        "train": shard.gather(digest(world.train)),
        "tasks": {
            "validation": digest(list(validation)),
            "history": world.tensors.past is not None,
            **_examples(world),
        },
        "backbone": _words(plain(cfg.backbone)),
        "strategy": _strategy(cfg),
        "trainer": _words(plain(cfg.trainer)),
        "parts": [phase.parts for phase in world.strategy.phases],
        "start": digest([_state(world.backbone), _state(world.strategy)]),
        "seed": cfg.seed,
        "random": digest(torch.get_rng_state()),
        "processes": trainer.world_size,
        "machine": _machine(trainer.strategy.root_device),
        "versions": _versions(),
    }


def _examples(world: World) -> dict[str, str]:
    """Return the scenario's examples, where a phase trains on them."""
    read = any(phase.feed.examples for phase in world.strategy.phases)
    return {"examples": digest(world.split.examples)} if read else {}


def foreign(cfg: DictConfig) -> str | None:
    """Return a class that trains and is not ours, so that its sources are not followed, or None."""
    nodes = (cfg.backbone, cfg.strategy, cfg.trainer)
    targets = [target for node in nodes for target in _targets(plain(node))]
    return next((target for target in targets if not target.startswith(OURS)), None)


def _targets(node: object) -> list[str]:
    if isinstance(node, Mapping):
        own = [str(node["_target_"])] if "_target_" in node else []
        return own + [target for inner in node.values() for target in _targets(inner)]
    if isinstance(node, list):
        return [target for inner in node for target in _targets(inner)]
    return []


def _content(dataset: Dataset) -> dict[str, Any]:
    names = [part.name for part in fields(dataset) if part.name not in APART]
    return {name: getattr(dataset, name) for name in names}


def _state(module: torch.nn.Module) -> dict[str, Any]:
    """Return weights and buffers, those too that are not saved, and what files say of networks.

    A language model's own settings (its dropout) lie in a file beside its weights, in no word.
    """
    settings = {
        name: part.config.to_json_string()
        for name, part in module.named_modules()
        if hasattr(part, "config") and hasattr(part.config, "to_json_string")
    }
    return {**module.state_dict(), "buffers": dict(module.named_buffers()), "settings": settings}


def _strategy(cfg: DictConfig) -> Any:
    words = {key: value for key, value in plain(cfg.strategy).items() if key != LABEL}
    adapter = {key: value for key, value in words["adapter"].items() if key != AFTERWARDS}
    return _words({**words, "adapter": adapter})


def _words(value: Any) -> Any:
    """Return config values as JSON has them; the order of keys stays, as phases have one."""
    if isinstance(value, Mapping):
        return {str(key): _words(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_words(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def _shown(cfg: DictConfig, world: World) -> str:
    """Say what was trained in a few words, none of which adds to the other facts."""
    words = [str(node["_target_"]).split(".")[-2] for node in (cfg.backbone, cfg.strategy)]
    adapter = str(cfg.strategy.adapter["_target_"]).split(".")[-2]
    rows = f"{world.dataset.name}, {len(world.train):,} training rows"
    return f"{rows}, {words[0]}, {words[1]} with {adapter}, seed {cfg.seed}"


def _machine(device: torch.device) -> dict[str, Any]:
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "device": device.type,
        "gpu": gpu,
        "cpu": [platform.machine(), torch.backends.cpu.get_cpu_capability(), _cpu()],
        "threads": torch.get_num_threads(),
        "matmul": torch.get_float32_matmul_precision(),
    }


def _cpu() -> str:
    """Return the processor's model: its kernels differ in the last bits from those of others."""
    if not CPU_LIST.is_file():
        return platform.processor()
    lines = CPU_LIST.read_text(encoding="utf-8", errors="replace").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def _versions() -> dict[str, str]:
    used = [*LIBRARIES, *(name for name in LANGUAGE_LIBRARIES if name in sys.modules)]
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in used}}
