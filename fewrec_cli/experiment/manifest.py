"""What a finished run says of itself, and where its weights lie."""

import json
from pathlib import Path
from typing import Any

from fewrec_cli.core.errors import RunFolderError
from fewrec_cli.core.paths import require_folder
from fewrec_cli.experiment.weights import CHECKPOINT

GIVE = "give the folder of a finished run, the last line that fewrec train printed"


def read_manifest(base: Path) -> dict[str, Any]:
    """Return what a finished run says of itself.

    Raises:
        RunFolderError: There is no such folder, or it holds no finished run.
    """
    require_folder(base, GIVE, what="run folder")
    try:
        content = json.loads((base / "manifest.json").read_text(encoding="utf-8"))
        _ = content["data"]["hash"], content["chosen"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise RunFolderError(
            f"{base} holds no finished run: manifest.json is missing or unreadable",
            GIVE,
        ) from fault
    return dict(content)


def weights_of(base: Path) -> Path:
    """Return where a run's weights lie: in its folder, or in that of the run it evaluated."""
    manifest = read_manifest(base)
    return Path(manifest["weights"]) if "weights" in manifest else base / CHECKPOINT
