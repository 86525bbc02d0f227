"""The bench of the engine runs as a command, and says all it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench_engine.py"
TRAINED = {"first_k1", "second_k1", "second_k5", "reptile_k5"}
RATIOS = {
    *(f"{work}_{where}" for work in TRAINED for where in ("b32", "best")),
    *("ridge", "rank_1682", "rank_3706"),
}


@pytest.mark.slow
def test_every_ratio_is_written_and_loop_and_engine_agree(tmp_path: Path) -> None:
    found, picture = tmp_path / "engine.json", tmp_path / "engine.png"
    words = ["--tiny", "--device", "cpu", "--json", str(found), "--figure", str(picture)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(found.read_text())
    assert set(told["ratios"]) == RATIOS
    assert all(ratio > 0 for ratio in told["ratios"].values())
    assert told["gemm_gflops"] > 1
    assert set(told["gradient_difference"]) == TRAINED
    assert max(told["gradient_difference"].values()) < 1e-10
    assert told["settings"]["threads"] == 1
    for work in ("first_k1", "second_k1", "second_k5"):
        pace = told["tasks_per_second"][work]
        ratio = pace["engine/32"] / pace["loop/32"]
        assert told["ratios"][f"{work}_b32"] == pytest.approx(ratio)
    assert "threads 1" in done.stdout
    assert "GFLOP/s" in done.stdout
    assert "adapt + top-10 of 3,706 items" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
