"""The command as a user runs it: a process of its own, in a folder of its own."""

import subprocess
import sys
from pathlib import Path


def fewrec(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``fewrec WORDS`` in a folder and return what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "fewrec_cli", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
