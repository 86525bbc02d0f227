"""Two processes, two jobs, a user's own folder: every trap of the door at once."""

import subprocess
import sys
from pathlib import Path

import pytest

SHRUNK = (
    *("data.users=60", "data.items=40", "data.ratings_per_user=[16,24]", "scenario.draws=2"),
    *("scenario.shots=3", "scenario.query=5", "scenario.curve=[0,3]", "trainer.max_steps=2"),
    *("logger=none", "trainer=cpu_ddp"),
)
STRATEGY = '''"""A stranger's strategy, which notes where each process runs."""

import os
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from fewrec_cli.strategy.transfer import Transfer


class Mine(Transfer):
    """Transfer under another name."""

    def __init__(self, *, label: str, **words) -> None:
        super().__init__(**words)
        rank = os.environ.get("LOCAL_RANK", "0")
        folder = Path(HydraConfig.get().runtime.output_dir)
        (folder / f"{label}-{rank}.txt").write_text(str(HydraConfig.get().run.dir))
'''


@pytest.mark.slow
@pytest.mark.parametrize("line", ["label=one,two -m", "label=one"])
def test_processes_jobs_and_a_users_folder_go_together(line: str, folder: Path) -> None:
    (folder / "my" / "strategy").mkdir(parents=True)
    (folder / "my" / "mine_of_test.py").write_text(STRATEGY)
    (folder / "my" / "strategy" / "mine.yaml").write_text(
        "defaults: [transfer, _self_]\n_target_: mine_of_test.Mine\nlabel: none\n"
    )
    words = [f"strategy.{word}" if "=" in word else word for word in line.split()]
    command = [sys.executable, "-m", "fewrec_cli", "train", "strategy=mine", "--config-dir", "my"]
    done = subprocess.run(
        [*command, *SHRUNK, *words],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    finished = sorted(path.parent for path in folder.rglob("metrics.json"))
    labels = ["one", "two"] if "-m" in words else ["one"]
    assert len(finished) == len(labels)
    for run, label in zip(finished, labels, strict=True):
        for rank in (0, 1):
            assert (run / f"{label}-{rank}.txt").read_text() == str(run)
    notes = {path.parent for path in folder.rglob("*-[01].txt")}
    assert notes == set(finished)
    lines = done.stdout.splitlines()
    assert lines[-1] == str(finished[0].parent if "-m" in words else finished[0])
    assert lines.count(str(finished[0])) == 1
