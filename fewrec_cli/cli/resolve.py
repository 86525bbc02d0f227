"""The parts of a run folder's name, as resolvers that a config can refer to."""

import hashlib
import json
from datetime import datetime
from typing import Any

from omegaconf import DictConfig, OmegaConf

HASH_LENGTH = 8
NOT_OF_THE_RUN = ("hydra", "table", "cache")
"""Words that change no figure: equal figures get equal hashes."""


def register_resolvers() -> None:
    """Make the two parts of a run folder's name known: its time and its config's hash."""

    def hash_of_root(*, _root_: DictConfig) -> str:
        return config_hash(_root_)

    def now() -> str:  # to the millisecond: equal commands started together must not meet
        return datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]

    OmegaConf.register_new_resolver("fewrec.hash", hash_of_root, replace=True)
    OmegaConf.register_new_resolver("fewrec.time", now, use_cache=True, replace=True)


def config_hash(cfg: DictConfig) -> str:
    """Return what tells two configs apart; equal words give equal hashes, whatever their order."""
    content = {key: value for key, value in _plain(cfg).items() if key not in NOT_OF_THE_RUN}
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def _plain(cfg: DictConfig) -> dict[str, Any]:
    content = OmegaConf.to_container(cfg, resolve=False)
    return {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}
