"""Every command of the README runs, on shrunk settings."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import fewrec_cli
from tests.command import fewrec
from tests.composed import SHRUNK_DATA, SHRUNK_RUN

ROOT = Path(fewrec_cli.__file__).parent.parent
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
LINES = [line.split(" #")[0].strip() for block in BLOCKS for line in block.splitlines()]
LIGHT = ("--help", "--cfg", "list ", "show ", "completion ")  # answered without torch


def commands() -> list[object]:
    """Return the lines that begin with fewrec; those that train are slow."""
    found: list[object] = []
    for line in (line for line in LINES if line.startswith("fewrec ")):
        light = any(word in line for word in LIGHT)
        found.append(pytest.param(line, marks=() if light else pytest.mark.slow, id=line))
    return found


def shrunk(words: list[str]) -> list[str]:
    """Append what makes a run a matter of seconds."""
    if words[0] != "train" or "--help" in words or "--cfg" in words:
        return words
    generated = not any(word.startswith("data=") for word in words)
    extra = [*(SHRUNK_DATA if generated else ()), *SHRUNK_RUN]
    return [*words, *extra]


def write_ratings(path: Path) -> None:
    """Write a table of 60 users with 20 ratings each."""
    rows = [
        f"u{user},i{(user * 7 + number * 3) % 50},{1 + (user + number) % 5}"
        for user in range(60)
        for number in range(20)
    ]
    path.write_text("\n".join(["user,item,rating", *rows]) + "\n", encoding="utf-8")


def test_the_first_two_commands_are_make_demo_and_make_test() -> None:
    assert LINES[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make ")])
def test_make_lines_name_targets(line: str) -> None:
    done = subprocess.run(
        [*shlex.split(line), "-n"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_make_alone_lists_the_targets() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "setup", "lint", "test", "test-all", "clean"):
        assert re.search(rf"^  make {target} +\S", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("line", commands())
def test_fewrec_lines_run(line: str, folder: Path, request: pytest.FixtureRequest) -> None:
    words = shlex.split(line)[1:]
    if "data=movielens" in words and not os.environ.get("FEWREC_DATA"):
        request.getfixturevalue("real_data")
    if "data.interactions=ratings.csv" in words:
        write_ratings(folder / "ratings.csv")
    if any("FOLDER" in word for word in words):
        done = fewrec(["train", *SHRUNK_DATA, *SHRUNK_RUN], folder)
        assert done.returncode == 0, done.stderr
        words = [word.replace("FOLDER", done.stdout.splitlines()[-1]) for word in words]
    done = fewrec(shrunk(words), folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr
    if words[0] in ("train", "evaluate") and not any(word in line for word in LIGHT):
        last = folder / done.stdout.splitlines()[-1]
        jobs = sorted(path for path in last.iterdir() if path.is_dir())
        runs = jobs if "-m" in words else [last]  # a sweep's folder holds its jobs
        assert len(runs) == (4 if "-m" in words else 1)
        assert all((run / "metrics.json").is_file() for run in runs)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for origin in (page, ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", origin.read_text(encoding="utf-8")):
            assert (origin.parent / link).exists(), f"{origin.name}: {link}"
