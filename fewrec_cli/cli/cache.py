"""``cache``: what is kept of trainings and encodings, and how to be rid of it."""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fewrec_cli.cli.suggest import ask
from fewrec_cli.core.cache import cache_folder, entries, remove
from fewrec_cli.core.cache_entry import Entry
from fewrec_cli.core.code import MADE_IN, code_version
from fewrec_cli.core.errors import ConfigError

ACTIONS = ("list", "clear")
STALE = "--stale"
KINDS = ("pretrained", *MADE_IN)
"""Those that fewrec makes; there or not, they are no mistake."""
HEAD = ("kind", "made of", "size", "age", "")
LONGEST = 60
"""Characters of what an entry was made of, where the terminal leaves no more."""
TOLD = 3
"""Words, at most, that tell entries apart."""
SHORT = 24
"""Characters of a fact that may stand for its entry."""
AGES = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
SIZES = ((30, "GiB"), (20, "MiB"), (10, "KiB"))


def cache(words: Sequence[str]) -> int:
    """List the entries of the stage cache, or remove them.

    Raises:
        ConfigError: A word is neither an action nor a kind.
        CacheError: An entry cannot be removed.
    """
    action, *rest = [word for word in words if word != STALE] or [""]
    if action not in ACTIONS:
        raise ConfigError(
            f"cache cannot {action!r}" if action else "cache lacks what to do",
            ask(action, ACTIONS, "write fewrec cache list, or fewrec cache clear"),
        )
    found = entries()
    kinds = tuple(dict.fromkeys((*KINDS, *(entry.kind for entry in found))))
    for word in rest:
        if word not in kinds:
            what = "flag" if word.startswith("-") else "kind"
            names = (STALE,) if what == "flag" else kinds
            raise ConfigError(
                f"the cache has no {what} {word!r}", ask(word, names, f"one of: {', '.join(names)}")
            )
    chosen = [entry for entry in found if not rest or entry.kind in rest]
    if STALE in words:
        chosen = [entry for entry in chosen if state(entry)]
    if action == "list":
        _list(chosen)
    else:
        freed = remove(chosen)
        _say(f"{_counted(chosen)} removed from {cache_folder()}, {size(freed)} freed")
    return 0


def state(entry: Entry) -> str:
    """Return why an entry cannot be used any more; empty where it can."""
    if not entry.whole:
        return "damaged"
    return "" if entry.code == code_version(entry.kind) else "other code"


def made_of(entry: Entry) -> str:
    """Return in a few words what an entry was made of: those it brings, else its short facts."""
    if entry.shown:
        return entry.shown
    short = {
        name: str(value)
        for name, value in entry.facts.items()
        if isinstance(value, str | int | float) and len(str(value)) <= SHORT
    }
    return ", ".join(f"{name}={value}" for name, value in short.items()) or "?"


def told(chosen: Sequence[Entry]) -> list[str]:
    """Return what each entry was made of; those alike with the words in which they differ."""
    alike: dict[tuple[str, str], list[dict[str, str]]] = {}
    for one in chosen:
        alike.setdefault((one.kind, made_of(one)), []).append(dict(_words(one.facts)))
    found = []
    for one in chosen:
        text, own = made_of(one), dict(_words(one.facts))
        others = alike[one.kind, text]
        differ = {k: v for k, v in own.items() if any(v != it.get(k) for it in others)}
        first: dict[tuple[str, str], str] = {}  # without an adapter's that repeat the strategy's
        for word, value in sorted(differ.items(), key=lambda pair: pair[0].count(".")):
            first.setdefault((word.rpartition(".")[2], value), f"{word}={value}")
        apart = list(first.values())
        more = "" if len(apart) <= TOLD else f", and {len(apart) - TOLD} more"
        found.append(f"{text} ({', '.join(apart[:TOLD])}{more})" if apart else text)
    return found


def _words(facts: Mapping[str, Any], lead: str = "") -> Iterator[tuple[str, str]]:
    """Yield the short facts as words of a command, those of groups with a dot."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _words(value, f"{lead}{name}.")
        elif len(str(value)) <= SHORT and not isinstance(value, list):
            yield f"{lead}{name}", "null" if value is None else str(value)


def age(seconds: float) -> str:
    """Return a span of time in its largest unit.

    Example:
        >>> age(30), age(90), age(7300), age(3e5)
        ('now', '1 minute', '2 hours', '3 days')
    """
    for unit, name in AGES:
        count = int(seconds // unit)
        if count >= 1:
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "now"


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves at least 1.

    Example:
        >>> size(700), size(3 << 19), size(5 << 30)
        ('700 B', '1.5 MiB', '5.0 GiB')
    """
    for power, unit in SIZES:
        if count >= 1 << power:
            return f"{count / (1 << power):,.1f} {unit}"
    return f"{count} B"


def _list(chosen: Sequence[Entry]) -> None:
    now = time.time()
    lines = [
        (one.kind, what, size(one.bytes), age(now - one.made), state(one))
        for one, what in zip(chosen, told(chosen), strict=True)
    ]
    if lines:
        _terminal(lines) if sys.stdout.isatty() else _plain(lines)
    stale = sum(1 for one in chosen if state(one))
    note = f"; {stale} cannot be used any more (fewrec cache clear {STALE})" if stale else ""
    _say(f"{_counted(chosen)}, {size(sum(one.bytes for one in chosen))} in {cache_folder()}{note}")


def _counted(chosen: Sequence[Entry]) -> str:
    return f"{len(chosen)} {'entry' if len(chosen) == 1 else 'entries'}"


def _plain(lines: Sequence[tuple[str, ...]]) -> None:
    rows = [HEAD, *lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for kind, what, *rest, why in rows:
        right = (cell.rjust(width) for cell, width in zip(rest, widths[2:4], strict=True))
        _say("  ".join([kind.ljust(widths[0]), what.ljust(widths[1]), *right, why]).rstrip())
    _say("")


def _terminal(lines: Sequence[tuple[str, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in HEAD:
        right = name in ("size", "age")
        table.add_column(
            name, justify="right" if right else "left", no_wrap=name != "made of", overflow="fold"
        )
    for cells in lines:
        table.add_row(*cells, style="dim" if cells[-1] else None)
    width = max(shutil.get_terminal_size().columns, LONGEST)
    Console(width=width, highlight=False, markup=False).print(table)
    _say("")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
