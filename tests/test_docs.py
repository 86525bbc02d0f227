"""The examples of the documentation run as they stand, in a folder outside the package."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest

import fewrec_cli
from tests.command import fewrec
from tests.composed import SHRUNK_DATA, SHRUNK_RUN

DOCS = Path(fewrec_cli.__file__).parent.parent / "docs"
PAGES = sorted(DOCS.glob("add-a-*.md"))


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def write_files(page: Path, folder: Path) -> None:
    """Write every block that begins with ``# my/...`` into that file."""
    for block in [*blocks(page, "yaml"), *blocks(page, "python")]:
        first, _, rest = block.partition("\n")
        if first.startswith("# my/"):
            path = folder / first.removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rest, encoding="utf-8")
    answers = [
        [f"p{p}", f"f{(p + 3 * n) % 30}", 1 + (p + n) % 5] for p in range(60) for n in range(20)
    ]
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_added_runs_from_a_folder_of_one_s_own(page: Path, folder: Path) -> None:
    write_files(page, folder)
    for line in "".join(blocks(page, "sh")).splitlines():
        words = shlex.split(line)[1:]
        if words[0] == "train":
            generated = not any(word.startswith("data=") for word in words)
            words += [*(SHRUNK_DATA if generated else ()), *SHRUNK_RUN]
        done = fewrec(words, folder)
        assert done.returncode == 0, done.stderr
        if words[0] == "train":
            assert (folder / done.stdout.splitlines()[-1] / "metrics.json").is_file()


BROKEN = {
    "not JSON": ('[["ann", "alien", 5],\n["bob" "brazil"]]', "answers.json line 2: not JSON"),
    "not an answer": ('[["ann", "alien", 5], ["bob"]]', "answers.json: answer 2 is ['bob']"),
    "off scale": ('[["ann", "a", 5], ["bob", "a", 9]]', "answers.json: answer 2 has 9 stars"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("content", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_answers_end_in_two_lines(folder: Path, content: str, problem: str) -> None:
    write_files(DOCS / "add-a-data-set.md", folder)
    (folder / "answers.json").write_text(content, encoding="utf-8")
    done = fewrec(["data", "check", "--config-dir", "my", "data=survey"], folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith(f"error: {problem}")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_python_blocks_parse(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)
