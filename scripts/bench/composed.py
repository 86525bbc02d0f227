"""Parts of the product as its command composes them, so that a bench runs what a run runs."""

from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import OmegaConf

from fewrec_cli.strategy.words import ASIDE


def built(group: str, *words: str) -> Any:
    """Return the object behind one group of ``fewrec train WORDS``.

    Args:
        group: ``data``, ``backbone`` or ``strategy``.
        words: As on the command line.
    """
    GlobalHydra.instance().clear()
    with initialize_config_module(config_module="fewrec_cli.configs", version_base="1.3"):
        found = compose("train", overrides=list(words))
    node = OmegaConf.to_container(found[group], resolve=True)
    assert isinstance(node, dict)
    for word in ASIDE if group == "strategy" else ():
        node.pop(word, None)  # the adapter has taken it over
    return instantiate(node, _convert_="all")
