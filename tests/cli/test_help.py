"""The help pages fit a screen and name what can be chosen."""

from typing import TYPE_CHECKING

import pytest

from fewrec_cli import __version__
from fewrec_cli.cli.commands import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import Call

SCREEN = 24
WIDTH = 100


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_the_overview_is_one_screen_with_every_command(words: list[str], fewrec: "Call") -> None:
    done = fewrec(*words)
    lines = done.out.splitlines()
    assert done.code == 0
    assert len(lines) <= SCREEN
    assert max(map(len, lines)) <= WIDTH
    assert all(f"  {command.name} " in done.out for command in COMMANDS)
    assert "fewrec train strategy=maml data=movielens" in done.out


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_a_commands_page_has_its_examples(command: str, fewrec: "Call") -> None:
    done = fewrec(command, "--help")
    assert done.code == 0
    assert f"fewrec {command}" in done.out
    assert max(map(len, done.out.splitlines())) <= WIDTH
    assert "Hydra" not in done.out or command in ("train", "evaluate")


def test_trains_page_lists_groups_and_options(fewrec: "Call") -> None:
    page = fewrec("train", "seed=3", "--help").out
    assert "strategy/adapter" in page
    assert "    ridge     one closed-form ridge regression" in page
    assert "see all keys: fewrec train --cfg job" in page
    assert "powered by" not in page


def test_the_version_is_ours(fewrec: "Call") -> None:
    assert fewrec("--version").out == f"fewrec {__version__}\n"
    assert fewrec("train", "--version").out == f"fewrec {__version__}\n"
