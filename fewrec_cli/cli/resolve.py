"""What must be known before anything is composed: the parts of a folder's name, the import path."""

import hashlib
import json
import sys
from datetime import datetime
from typing import Any

from omegaconf import DictConfig, OmegaConf

from fewrec_cli.cli.words import Line
from fewrec_cli.core.errors import ConfigError

HASH_LENGTH = 8


def register_resolvers() -> None:
    """Make the two parts of a run folder's name known: its time and its config's hash."""

    def config_hash(*, _root_: DictConfig) -> str:
        content = {key: value for key, value in _plain(_root_).items() if key != "hydra"}
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]

    def now() -> str:  # to the millisecond: equal commands started together must not meet
        return datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]

    OmegaConf.register_new_resolver("fewrec.hash", config_hash, replace=True)
    OmegaConf.register_new_resolver("fewrec.time", now, use_cache=True, replace=True)


def add_import_path(line: Line) -> None:
    """Put the user's config folder on the import path, so that a ``_target_`` finds his files."""
    if line.config_dir is None:
        return
    if not line.config_dir.is_dir():
        raise ConfigError(
            f"--config-dir {line.value('--config-dir')}: no such folder",
            "give the folder that holds your strategy/, data/, ... folders",
        )
    if str(line.config_dir) not in sys.path:
        sys.path.insert(0, str(line.config_dir))


def _plain(cfg: DictConfig) -> dict[str, Any]:
    content = OmegaConf.to_container(cfg, resolve=False)
    return {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}
