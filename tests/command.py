"""The command as a user runs it: a process of its own, in a folder of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LAUNCH = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # exec makes it the system's own
os.execv(sys.argv[1], sys.argv[1:])
"""


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


@contextmanager
def started(arguments: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start ``python ARGUMENTS`` in a folder, as from a terminal, and end it with the block.

    Ctrl-C reaches the process although whoever started the tests may ignore it, as ``nohup`` and
    shells without job control do: what is ignored is inherited. Whatever the process started is
    killed with it where the block is left while it runs.
    """
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", LAUNCH, sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
