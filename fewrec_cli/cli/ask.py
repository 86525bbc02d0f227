"""``ask``: its few words, checked before torch is loaded, and its table."""

import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fewrec_cli.cli.commands import BY_NAME, load
from fewrec_cli.cli.importing import add_import_path
from fewrec_cli.cli.rerun import finished
from fewrec_cli.cli.suggest import ask as nearest_or
from fewrec_cli.cli.words import take_apart
from fewrec_cli.core.errors import ConfigError

if TYPE_CHECKING:
    from fewrec_cli.experiment.ask import Question, Questions

JOB = "fewrec_cli.experiment.ask:ask"
AS_JSON = "fewrec_cli.experiment.ask:as_json"
JSON = "--json"
LONGEST = 60
"""Characters of an item's text on a terminal that is wide enough."""
Value = TypeVar("Value")


@dataclass(frozen=True)
class Wanted:
    """The command line, taken apart.

    Attributes:
        base: The run folder.
        k: How many items.
        known: Power of an item's share of users.
        rated: Stars by item id.
        about: Value by attribute.
    """

    base: Path
    k: int = 10
    known: float = 1.0
    rated: dict[str, float] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)


def ask(words: Sequence[str]) -> int:
    """Print the items whose ratings would tell a run most about a new user."""
    line = take_apart("ask", [word for word in words if word != JSON])
    for flag, _ in line.flags:
        if flag != "--config-dir":
            raise ConfigError(f"ask has no flag {flag}", f"leave it out, or write {JSON}")
    wanted = read(line.words)
    add_import_path(line.config_dir)
    from fewrec_cli.core.progress import Reporter

    with Reporter() as reporter:
        found: Questions = load(JOB)(  # type: ignore[assignment]
            wanted.base,
            k=wanted.k,
            known=wanted.known,
            rated=wanted.rated,
            about=wanted.about,
            reporter=reporter,
        )
    if JSON in words:
        sys.stdout.write(f"{json.dumps(load(AS_JSON)(found), indent=1)}\n")
    else:
        sys.stdout.write("".join(f"{one}\n" for one in table(found)))
    return 0


def read(words: Sequence[str]) -> Wanted:
    """Read the words.

    Raises:
        ConfigError: One is unknown, given twice, or has no usable value.
        RunFolderError: There is no such run, or it is unfinished.
    """
    names = [word.rstrip("=") for word, _ in BY_NAME["ask"].words if word.endswith("=")]
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals and Path(word).is_dir():
            raise ConfigError(f"ask cannot read {word!r}", f"did you mean run={word}?")
        if name not in names:
            there = ", ".join(f"{one}=" for one in names)
            raise ConfigError(
                f"ask has no word {name!r}", nearest_or(name, names, f"one of: {there}")
            )
        if name in given:
            raise ConfigError(f"{name}= is given twice", "keep one of them")
        given[name] = value.strip("'\"")
    if "run" not in given:
        raise ConfigError("ask lacks the run", "write run=FOLDER, the last line that train printed")
    k = _number("k", given.get("k", "10"), int, lambda value: value >= 1, "a whole number from 1")
    known = _number("known", given.get("known", "1"), float, _positive, "a number, 0 or more")
    rated = {
        item: _number("rated", stars, float, math.isfinite, "stars, e.g. rated=50:5,181:4")
        for item, stars in _pairs("rated", given.get("rated", ""), ":", "50:5,181:4")
    }
    about = dict(_pairs("about", given.get("about", ""), "=", "gender=F,age=25-34"))
    return Wanted(finished(given["run"]), k, known, rated, about)


def _positive(value: float) -> bool:
    return value >= 0 and math.isfinite(value)


def _number(
    name: str, given: str, kind: Callable[[str], Value], fits: Callable[[Value], bool], what: str
) -> Value:
    try:
        value = kind(given)
    except ValueError:
        usable = False
    else:
        usable = fits(value)
    if not usable:
        raise ConfigError(f"{name}= cannot be {given!r}", f"give {what}")
    return value


def _pairs(name: str, given: str, between: str, example: str) -> list[tuple[str, str]]:
    """Split ``a:1,b:2``; an id may hold the sign itself, so the last one counts for ids."""
    found: list[tuple[str, str]] = []
    for part in given.split(",") if given else []:
        cut = part.rpartition(between) if between == ":" else part.partition(between)
        left, sign, right = (one.strip() for one in cut)
        if not sign or not left or not right:
            raise ConfigError(f"{name}= cannot read {part!r}", f"write {name}={example}")
        if left in dict(found):
            raise ConfigError(f"{name}= has {left} twice", "keep one of them")
        found.append((left, right))
    return found


def table(found: "Questions") -> list[str]:
    """Return the table as lines; item texts are cut to the terminal, never in a pipe."""
    column = "moves" if found.half is None else "sd then"
    head = ("", "item", "rated", column, "")
    lines = [head, *(_cells(rank, one, found) for rank, one in enumerate(found.asked, 1))]
    widths = [max(len(line[place]) for line in lines) for place in range(4)]
    room = 0
    if sys.stdout.isatty():
        room = max(10, min(LONGEST, shutil.get_terminal_size().columns - sum(widths) - 8))
    told = [f"items to ask a new user of {found.data} about, the most telling first"]
    for rank, item, times, tells, text in lines:
        front = (
            f"{rank:>{widths[0]}}  {item:<{widths[1]}}  {times:>{widths[2]}}  {tells:>{widths[3]}}"
        )
        cut = f"{text[: room - 1]}…" if room and len(text) > room else text
        told.append(f"{front}  {cut}".rstrip())
    return [*told, *_said(found)]


def _cells(rank: int, one: "Question", found: "Questions") -> tuple[str, ...]:
    tells = f"{one.tells:.3g}" if found.half is None else f"{one.tells:.3f}"
    return (str(rank), one.item_id, f"{one.times:,}", tells, one.text)


def _said(found: "Questions") -> list[str]:
    if found.half is None:
        return ["", "moves: how far the rating of an item moves the adapted weights, on average"]
    before, known, after = found.half
    given = f"±{known:.2f} with the ratings given, " if known != before else ""
    rated = "it is rated" if len(found.asked) == 1 else f"all {len(found.asked)} are rated"
    return [
        "",
        "sd then: standard deviation of a rating (stars) once this item and those above are rated",
        f"80% of ratings lie within ±{before:.2f} stars of what is foretold before any is known, "
        f"{given}±{after:.2f} once {rated}",
    ]
