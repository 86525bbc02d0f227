"""Asking helps: on MovieLens 100K, the same number of chosen answers beats the most rated items."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import fewrec

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench_ask.py"


@pytest.mark.slow
def test_a_run_that_is_none_is_told_in_two_lines(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, str(SCRIPT), "nowhere"], capture_output=True, text=True, cwd=tmp_path
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.splitlines()[0] == "error: no run folder nowhere"
    assert len(told.stderr.splitlines()) == 2


@pytest.mark.slow
def test_chosen_answers_lower_the_error_more_than_those_to_popular_items(
    tmp_path: Path, real_data: Path
) -> None:
    words = ["strategy=combined", "strategy/adapter=ridge", "data=movielens", "trainer=cpu"]
    done = fewrec(["train", *words, "scenario.curve=[5,all]", "hydra.run.dir=run"], tmp_path)
    assert done.returncode == 0, done.stderr
    told = subprocess.run(
        [sys.executable, str(SCRIPT), "run"], capture_output=True, text=True, cwd=tmp_path
    )
    assert told.returncode == 0, told.stderr
    found = {
        line[:24].strip(): float(match[1])
        for line in told.stdout.splitlines()
        if (match := re.search(r"MAE ([\d.]+)", line))
    }
    assert found["5: asked"] < found["5: most rated"] - 0.01
    assert found["list of 20: asked"] < found["list of 20: random"] - 0.005
    assert found["all"] < min(found["5: asked"], found["5: random"]) < found["nothing"] - 0.01
