"""The help pages: one screen for fewrec, one for each command."""

import sys
from collections.abc import Sequence
from pathlib import Path

from fewrec_cli.cli.catalogue import Catalogue, catalogue
from fewrec_cli.cli.commands import COMMANDS, Command
from fewrec_cli.cli.words import FLAGS, take_apart
from fewrec_cli.core.errors import ConfigError

WIDTH = 100
READ_MORE = "fewrec COMMAND --help says more; every choice and key: fewrec list, fewrec show"


def overview() -> int:
    """Print what fewrec is, one example, and the commands."""
    lines = [
        "fewrec: few-shot (cold-start) recommendation experiments, with honest floors",
        "",
        "  fewrec train strategy=maml data=movielens",
        "",
    ]
    for group, title in (
        ("experiment", "experiments (words with = choose, words with -- drive)"),
        ("desk", "around them"),
    ):
        lines.append(title)
        lines += [f"  {one.name:<12}{one.summary}" for one in COMMANDS if one.group == group]
        lines.append("")
    lines += [READ_MORE]
    _write(lines)
    return 0


def page(command: Command, words: Sequence[str]) -> int:
    """Print one command's page: examples, groups with their options, flags."""
    lines = [f"fewrec {command.name}: {command.summary}", ""]
    for example, effect in command.examples:
        lines += [f"  {example}", f"      {effect}"]
    lines.append("")
    if command.words:
        lines += ["words", *(f"  {word:<10}{text}" for word, text in command.words)]
    if command.name == "train":
        lines += _choices(catalogue(_config_dir(command, words)))
    if command.group == "experiment":
        lines += ["flags, anywhere on the line", *_flags(), ""]
        lines += _all_keys(command)
    _write(lines)
    return 0


def _all_keys(command: Command) -> list[str]:
    if command.name == "train":
        return ["see all keys: fewrec train --cfg job   (of one group: -p strategy)"]
    return ["see all keys: fewrec evaluate run=FOLDER --cfg job   (of one group: -p scenario)"]


def _config_dir(command: Command, words: Sequence[str]) -> Path | None:
    try:
        folder = take_apart(command.name, words).config_dir
    except ConfigError:
        return None
    return folder if folder is not None and folder.is_dir() else None


def _choices(library: Catalogue) -> list[str]:
    lines = ["groups and their options, chosen as strategy=maml"]
    for group in library.groups():
        lines.append(f"  {group}")
        options = library.options(group)
        width = max(len(name) for name in options) + 2
        for name, path in options.items():
            lines.append(_cut(f"    {name:<{width}}{library.summary(path)}"))
    return [*lines, ""]


def _flags() -> list[str]:
    lines = []
    for flag in FLAGS:
        spelled = f"{', '.join(reversed(flag.names))} {flag.value}".strip()
        lines.append(f"  {spelled:<28}{flag.text}")
    return lines


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _write(lines: Sequence[str]) -> None:
    sys.stdout.write("\n".join(line.rstrip() for line in lines) + "\n")
