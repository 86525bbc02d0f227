"""Configs as the command composes them, and words that shrink a run to a second or two."""

from copy import deepcopy
from functools import cache
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.strategy.words import ASIDE

SHRUNK_DATA = ("data.users=60", "data.items=40", "data.ratings_per_user=[24,36]")
SHRUNK_RUN = (
    "scenario.draws=2",
    "scenario.shots=2",
    "scenario.query=3",
    "scenario.curve=[0,2]",
    "trainer=cpu",
    "trainer.max_steps=2",
    "logger=none",
)


def composed(*words: str) -> DictConfig:
    """Return what ``fewrec train WORDS`` would run with."""
    return deepcopy(_composed(words))


@cache
def _composed(words: tuple[str, ...]) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_module(config_module="fewrec_cli.configs", version_base="1.3"):
        return compose("train", overrides=list(words))


def built(group: str, *words: str) -> Any:
    """Return the object behind one group, e.g. ``built("strategy", "strategy=maml")``."""
    node = OmegaConf.to_container(composed(*words)[group], resolve=True)
    assert isinstance(node, dict)
    for word in ASIDE if group == "strategy" else ():
        node.pop(word, None)  # the adapter has taken it over
    return instantiate(node, _convert_="all")
