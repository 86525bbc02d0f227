"""One run of a table, in a process of its own."""

import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path

from fewrec_cli.cli.diagnose import quoted


def run_one(words: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]) -> None:
    """Run ``fewrec train`` with all that it prints in a file; exits with its exit code.

    The process leaves the terminal's group, so that Ctrl-C reaches it once, from the table.

    Args:
        words: The words after ``train``.
        folder: The run folder.
        log: File that takes stdout and stderr.
        environment: Variables set before anything is read.
    """
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_the_table, daemon=True).start()
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    from fewrec_cli.cli import main

    sys.exit(main(["train", *words, f"hydra.run.dir={quoted(str(folder))}"]))


def _end_with_the_table() -> None:
    """Interrupt this process when the one that runs the table is gone."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)
