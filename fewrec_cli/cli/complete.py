"""Completion: the first word is ours, the rest is Hydra's.

The shell calls the command back with the typed line in ``COMP_LINE``.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from fewrec_cli.cli.catalogue import Catalogue, catalogue
from fewrec_cli.cli.commands import BY_NAME
from fewrec_cli.cli.place import fillings, placed
from fewrec_cli.cli.suggest import ask
from fewrec_cli.cli.table.read import PREFIX, read_spec, tables
from fewrec_cli.cli.words import FLAGS, Line, take_apart
from fewrec_cli.core.errors import ConfigError, FewrecError

SHELLS = ("bash", "zsh", "fish")
ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
LINE = "COMP_LINE"
PARTS = {"--rows": "rows", "--states": "states"}
"""Flags of ``fewrec table`` that name parts of its file."""


def install(words: Sequence[str]) -> int:
    """Print what the shell must evaluate.

    Raises:
        ConfigError: The shell is none of those Hydra knows.
    """
    if len(words) != 1 or words[0] not in SHELLS:
        given = " ".join(words)
        raise ConfigError(
            f"no completion for {given!r}" if given else "completion lacks the shell's name",
            ask(given, SHELLS, f"one of: {', '.join(SHELLS)}"),
        )
    if words[0] == "zsh":
        sys.stdout.write(ZSH)
    _hydra("train", f"install={words[0]}", program="fewrec")
    return 0


def answer(words: Sequence[str]) -> int:
    """Answer the shell's question; silent where there is nothing to say.

    Args:
        words: What the shell's function passes on: ``query=bash``.
    """
    query = next((word for word in words if word.startswith("query=")), "query=bash")
    typed = os.environ.get(LINE, "")
    parts = typed.split()[1:]
    new = typed.endswith(" ")
    if not parts or (len(parts) == 1 and not new):
        _say([*BY_NAME, "--help", "--version"], parts[0] if parts else "", query)
        return 0
    command, *rest = parts
    last = "" if new or not rest else rest[-1]
    if command in BY_NAME and BY_NAME[command].group == "experiment":
        _experiment(command, rest, last, query)
    else:
        _desk(command, rest if new else rest[:-1], last, query)
    return 0


def _experiment(command: str, rest: list[str], last: str, query: str) -> None:
    if last.startswith("-"):
        _say([name for flag in FLAGS for name in flag.names if name.startswith("--")], last, query)
        return
    before = rest[:-1] if last else rest
    try:
        line = take_apart(command, before)
    except FewrecError:
        return
    if command == "evaluate":
        runs = [word for word in line.words if word.startswith("run=")]
        if not runs:
            _say(["run="], last, query)
            return
        line = _of_run(line)
    _hydra_query(line, last, query)


def _of_run(line: Line) -> Line:
    """The line of a finished run with the words that find its config."""
    from fewrec_cli.cli.rerun import opened

    return opened(line)[1]


def _hydra_query(line: Line, last: str, query: str) -> None:
    """Let Hydra answer for the words alone: its parser refuses flags between them.

    Places within an option, ``data/source=``, are words of ours, and so is their answer.
    """
    folder = line.config_dir
    library = catalogue(folder)
    ours = [word for word in fillings(library) if "/" in last and word.startswith(last)]
    if ours:
        keys = dict.fromkeys(f"{word.partition('=')[0]}=" for word in ours)
        _say(ours if "=" in last else list(keys), last, query)
        return
    multirun = ["-m"] if line.has("--multirun") else []
    named = _values(line, last) if "=" in last else []
    if named:
        _say(named, last, query)
        return
    os.environ[LINE] = " ".join(["fewrec", *multirun, *placed(line.words, library), last])
    flags = [] if folder is None or not folder.is_dir() else ["--config-dir", str(folder)]
    _hydra(line.command, *flags, query)


def _values(line: Line, last: str) -> list[str]:
    """The values that a key's class names, where it names them; those after a comma too."""
    from fewrec_cli.cli.faults import composed_or_none
    from fewrec_cli.experiment.choices import values_of

    cfg = composed_or_none(line)
    key, _, value = last.partition("=")
    before = value.rpartition(",")[0]
    given = f"{key}={before}," if before else f"{key}="
    found = () if cfg is None else values_of(cfg, key.lstrip("+"))
    return [f"{given}{one}" for one in found if one not in before.split(",")]


def _hydra(command: str, *words: str, program: str | None = None) -> None:
    from fewrec_cli.cli.compose import run_hydra
    from fewrec_cli.cli.resolve import register_resolvers

    register_resolvers()
    flags = tuple(zip(words[:-1:2], words[1:-1:2], strict=True))
    line = Line(command, (("-sc", None), *flags), (words[-1],))
    run_hydra(line, lambda _: None, program=program)


def _desk(command: str, before: list[str], last: str, query: str) -> None:
    library = catalogue()
    if command == "completion" and not before:
        _say(SHELLS, last, query)
    elif command == "list" and not before:
        _say(library.groups(), last, query)
    elif command == "show" and not before:
        _say([f"{g}={one}" for g in library.groups() for one in library.options(g)], last, query)
    elif command == "ask":
        _say([word for word, _ in BY_NAME["ask"].words if word not in before], last, query)
    elif command == "cache":
        _say(_cache_words(before), last, query)
    elif command == "report":
        _say(_report_words(before[-1:], last), last, query)
    elif command == "table":
        _table(library, before, last, query)
    elif command == "data" and not before:
        _say(["check"], last, query)
    elif command == "data":
        line = replace(take_apart("train", before[1:]), command="train")
        _hydra_query(line, last, query)


def _cache_words(before: Sequence[str]) -> Sequence[str]:
    """What can be done, then the kinds of entries that there are."""
    from fewrec_cli.cli.cache import ACTIONS, STALE
    from fewrec_cli.core.cache import entries

    if not before:
        return ACTIONS
    kinds = dict.fromkeys(entry.kind for entry in entries())
    return [word for word in (*kinds, STALE) if word not in before]


def _report_words(before: Sequence[str], last: str) -> Sequence[str]:
    """The values of the flag before, or the flags; folders are the shell's own to complete."""
    from fewrec_cli.cli.report import CHOICES

    if before and before[0] in CHOICES:
        return CHOICES[before[0]]
    flags = [word for word, _ in BY_NAME["report"].words if word.startswith("--")]
    return flags if last.startswith("-") else ()


def _table(library: Catalogue, before: Sequence[str], last: str, query: str) -> None:
    """A table's name, the names of its rows and states, its flags, or a word of its runs."""
    known = tables(library)
    named = [word for word in before if word in known]
    part = before[-1] if before else ""
    if part in PARTS:
        specs = [read_spec(name, known[name]) for name in named or known]
        names = [name for spec in specs for name in getattr(spec, PARTS[part])]
        given = last.split(",")[:-1]
        offered = [",".join([*given, name]) for name in dict.fromkeys(names) if name not in given]
        lines = query.endswith("fish")  # other shells part what they are offered by its spaces
        _say([name for name in offered if lines or " " not in name], last, query)
    elif last.startswith("-"):
        _say([word for word, _ in BY_NAME["table"].words if word[0] == "-"], last, query)
    elif named and last:
        _hydra_query(take_apart("train", [f"experiment={PREFIX}{named[0]}"]), last, query)
    elif not named:
        _say(tuple(known), last, query)


def _say(names: Sequence[str], start: str, query: str) -> None:
    matching = [name for name in names if name.startswith(start)]
    separator = "\n" if query.endswith("fish") else " "
    sys.stdout.write(f"{separator.join(matching)}\n")
