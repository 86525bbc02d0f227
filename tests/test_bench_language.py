"""The bench of language models runs as a command, and says all it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers")

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench_language.py"
COMPARED = ("at once", "one by one")
PARTS = {
    "encode first": ("vectors",),
    "encode again": ("vectors",),
    "lora 24": (*COMPARED, "frozen"),
    "checkpointing": ("kept", "computed again"),
    "second bert": COMPARED,
    "second gpt2": COMPARED,
}


@pytest.mark.slow
def test_every_cost_is_written_and_loop_and_engine_agree(tmp_path: Path) -> None:
    found = tmp_path / "language.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--tiny", "--json", str(found)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(found.read_text())
    stages = [told[part][name] for part, names in PARTS.items() for name in names]
    stages += [told["frozen"][of][name] for of in ("meta_ridge", "transfer") for name in COMPARED]
    stages += [told["reading"]["precision"][name] for name in ("float32", "bfloat16")]
    stages += told["reading"]["padding"].values()
    for stage in stages:
        assert stage["cpu_seconds"] > 0
        assert stage["mib"] >= 0
    assert told["encode again"]["vectors"]["seconds"] < told["encode first"]["vectors"]["seconds"]
    filled = told["reading"]["filled"]
    assert told["reading"]["tokens"] <= filled["by length"] <= filled["as given"]
    assert filled["as given"] <= filled["all to the longest"]
    for family in ("bert", "gpt2"):
        assert told[f"second {family}"]["apart"] < 1e-6
    assert told["settings"]["texts"] == "generated texts"
    assert "outer step of the second order, gpt2, 2 tasks" in done.stdout


@pytest.mark.slow
def test_the_picture_is_drawn_from_what_is_kept(tmp_path: Path) -> None:
    picture = tmp_path / "language.png"
    words = [str(SCRIPT.with_name("figure_language.py")), "--figure", str(picture)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
