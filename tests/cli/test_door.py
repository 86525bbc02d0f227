"""The command as a user starts it: a process of its own, and a light one."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import started

HEAVY = ("torch", "pytorch_lightning", "lightning_fabric", "pandas", "numpy", "matplotlib", "scipy")
LINES = {
    "--help": 0,
    "train --help": 0,
    "list": 0,
    "show strategy=maml": 0,
    "completion bash": 0,
    "-sc query=bash": 0,
    "train --cfg job": 0,
    "train --info defaults": 0,
    "train strategy=mamll strategy.iner_lr=1 seed=a +trainer.foo=1": 2,
    "train -m seed=0,1 scenario.fraction=2": 2,
    "evaluate run=nowhere": 2,
    "ask --help": 0,
    "ask run=nowhere": 2,
}
LOADED = f"""
import json, os, sys
from fewrec_cli.cli import main

codes = [main(line.split()) for line in {list(LINES)!r}]
os.environ["COMP_LINE"] = "fewrec train strategy.order="
codes.append(main(["-sc", "query=bash"]))
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps([codes, heavy]), file=sys.stderr)
"""
SLOW_IMPORT = """
import sys
from types import ModuleType

pipeline = ModuleType("fewrec_cli.experiment.pipeline")


def train(cfg, folder, reporter):
    import time

    reporter.say("at work")
    time.sleep(60)


pipeline.train = train
sys.modules[pipeline.__name__] = pipeline
from fewrec_cli.cli import main

sys.exit(main(sys.argv[1:]))
"""


def test_the_door_stays_light(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_LINE", "fewrec train strategy=")
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, cwd=folder, timeout=60
    )
    assert json.loads(done.stderr.splitlines()[-1]) == [[*LINES.values(), 0], []]


def test_the_module_runs_as_the_command_does(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fewrec_cli", "train", "seed=a", "+foo=1"],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: seed must be a whole number, got 'a'\n"
        "  write seed=VALUE with a whole number\n"
        "error: foo is read by nothing\n"
        "  leave it out (read: data, scenario, backbone, strategy, trainer, evaluation, logger, "
        "seed, threads, cache, resume)\n"
    )


@pytest.mark.slow
def test_ctrl_c_ends_with_130_in_one_line(folder: Path) -> None:
    with started(["-c", SLOW_IMPORT, "train"], folder) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "at work\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, err) == ("", "interrupted; nothing was kept\n")
    assert not any(folder.iterdir())


@pytest.mark.slow
def test_a_reader_that_stops_listening_is_no_fault(folder: Path) -> None:
    with started(["-m", "fewrec_cli", "list"], folder) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, "")
