"""The command line of ``fewrec table``, taken apart."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fewrec_cli.cli.suggest import ask
from fewrec_cli.core.errors import ConfigError

SWITCHES = ("--all", "--plan", "--report", "--smoke")
VALUED = {"--jobs": "N", "--states": "NAME,NAME", "--rows": "NAME,NAME", "--config-dir": "DIR"}
FEW_CORES = 2


@dataclass(frozen=True)
class Asked:
    """What the user wants.

    Attributes:
        tables: Names of tables, in the order given; none with ``every``.
        words: Words with ``=``, put over those of every run.
        every: All tables.
        plan: Print the runs and stop.
        report: Only write the tables again, from finished runs.
        smoke: On generated data, with tiny settings.
        jobs: How many runs at a time.
        states: Only these states.
        rows: Only these rows.
        config_dir: The user's own config folder.
    """

    tables: tuple[str, ...]
    words: tuple[str, ...]
    every: bool
    plan: bool
    report: bool
    smoke: bool
    jobs: int
    states: tuple[str, ...]
    rows: tuple[str, ...]
    config_dir: Path | None


def take_apart(words: Sequence[str]) -> Asked:
    """Read the line.

    Raises:
        ConfigError: A flag does not exist, lacks its value, or does not go with another.
    """
    given: dict[str, str] = {}
    names: list[str] = []
    choices: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("-"):
            (choices if "=" in word else names).append(word)
            continue
        flag, equals, value = word.partition("=")
        if flag in SWITCHES and not equals:
            given[flag] = ""
        elif flag in VALUED:
            if not equals and (not queue or queue[0].startswith("-")):
                raise ConfigError(f"{flag} lacks its value", f"write {flag} {VALUED[flag]}")
            given[flag] = value if equals else queue.pop(0)
        else:
            known = (*SWITCHES, *VALUED)
            raise ConfigError(
                f"table has no flag {word}", ask(flag, known, "see fewrec table --help")
            )
    if "--all" in given and names:
        raise ConfigError(f"--all and {names[0]} do not go together", "keep one of them")
    if "--plan" in given and "--report" in given:
        raise ConfigError("--plan and --report do not go together", "keep one of them")
    own = given.get("--config-dir")
    return Asked(
        tables=tuple(dict.fromkeys(names)),
        words=tuple(choices),
        every="--all" in given,
        plan="--plan" in given,
        report="--report" in given,
        smoke="--smoke" in given,
        jobs=_jobs(given.get("--jobs")),
        states=_names(given.get("--states")),
        rows=_names(given.get("--rows")),
        config_dir=None if own is None else Path(own).absolute(),
    )


def _names(given: str | None) -> tuple[str, ...]:
    return () if given is None else tuple(name.strip() for name in given.split(",") if name.strip())


def _jobs(given: str | None) -> int:
    if given is None:
        return min(FEW_CORES, usable_cores())
    if not given.isdecimal() or int(given) < 1:
        raise ConfigError(f"--jobs {given} is no number of runs at a time", "write --jobs 2")
    return int(given)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS, where every core is ours
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
