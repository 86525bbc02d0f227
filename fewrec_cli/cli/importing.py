"""The user's own config folder, which holds their classes too."""

import sys
from pathlib import Path

from fewrec_cli.core.errors import ConfigError


def add_import_path(folder: Path | None) -> None:
    """Put a config folder on the import path, so that a ``_target_`` finds the files in it.

    Raises:
        ConfigError: There is no such folder.
    """
    if folder is None:
        return
    if not folder.is_dir():
        raise ConfigError(
            f"--config-dir {folder}: no such folder",
            "give the folder that holds your strategy/, data/, ... folders",
        )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
