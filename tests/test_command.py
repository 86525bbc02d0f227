"""What tests start: Ctrl-C reaches it, and nothing of it outlives them."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import started

HANDLER = "import signal, sys; print(signal.getsignal(signal.SIGINT).__name__, file=sys.stderr)"
SLEEP_S = 60
CHILDREN = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep({SLEEP_S})"])
print("ready", flush=True)
time.sleep({SLEEP_S})
"""


@pytest.fixture
def ignored() -> Iterator[None]:
    """Tests that were started where Ctrl-C is ignored, as by ``nohup pytest &``."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ignored")
def test_ctrl_c_reaches_it_though_the_tests_ignore_it(folder: Path) -> None:
    with started(["-c", HANDLER], folder) as process:
        _, told = process.communicate(timeout=60)
    assert told == "default_int_handler\n"


def test_a_test_that_fails_leaves_no_process_behind(folder: Path) -> None:
    """The end of a pipe comes when all that could write into it are gone."""
    begun = time.monotonic()
    ours: list[int] = []

    def failing() -> None:
        with started(["-c", CHILDREN], folder) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            ours.append(os.dup(process.stdout.fileno()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with os.fdopen(ours[0], "rb") as pipe:
        assert pipe.read() == b""
    assert time.monotonic() - begun < SLEEP_S / 2
