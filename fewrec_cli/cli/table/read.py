"""Tables found among the experiments, and their yaml read into a ``Spec``."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from fewrec_cli.cli.catalogue import Catalogue
from fewrec_cli.cli.suggest import ask
from fewrec_cli.cli.table import parts
from fewrec_cli.cli.table.node import Node
from fewrec_cli.cli.table.spec import Spec, Track, cells_of
from fewrec_cli.cli.table.words import experiment_words
from fewrec_cli.core.errors import ConfigError, Faults
from fewrec_cli.report.model import Check

PREFIX = "table-"
TABLE = "table"
PARTING = ("/", ",")
"""What names of states, tracks and rows cannot hold: patterns and the command line part by it."""
NEEDED = ("title", "metrics", "chosen", "states", "rows")
OPTIONAL = ("shots", "repeat", "notes", "smoke", "tracks", "published", "checks", "deciles")
KEYS = (*NEEDED, *OPTIONAL)


def tables(library: Catalogue) -> dict[str, Path]:
    """Return the file of each table by the table's name."""
    found = library.options("experiment")
    return {name.removeprefix(PREFIX): found[name] for name in found if name.startswith(PREFIX)}


def named(library: Catalogue, word: str) -> tuple[str, Path]:
    """Return a table's name and file; ``table-melu`` means ``melu``.

    Raises:
        ConfigError: There is no such table.
    """
    known = tables(library)
    name = word.removeprefix(PREFIX)
    if name not in known:
        raise ConfigError(f"no table {word!r}", ask(name, known, f"one of: {', '.join(known)}"))
    return name, known[name]


def read_spec(name: str, path: Path) -> Spec:
    """Read a table's file.

    Args:
        name: The table's name.
        path: Its yaml.

    Raises:
        ConfigError: It is no YAML, or holds no table.
        Faults: Everything else that is wrong with it.
    """
    content = _content(path)
    faults: list[ConfigError] = []
    words = experiment_words(
        {key: value for key, value in content.items() if key != TABLE}, path.stem, faults
    )
    spec = _spec(name, words, Node(f"{path.stem}: {TABLE}", content[TABLE], faults))
    if faults:
        raise Faults(list(faults))
    return spec


def _content(path: Path) -> dict[str, Any]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as fault:
        told = " ".join(str(fault).split())[:200]
        raise ConfigError(f"{path.name} cannot be read: {told}", "mend the file") from fault
    if not isinstance(content, dict) or not isinstance(content.get(TABLE), dict):
        raise ConfigError(f"{path.name} holds no table:", "add one as docs/tables.md describes")
    return {str(key): value for key, value in content.items()}


def _spec(name: str, words: tuple[str, ...], node: Node) -> Spec:
    read, optional = node.keys(KEYS, NEEDED), parts.optional
    states = {one: parts.state(inner) for one, inner in parts.entries(read, "states").items()}
    names = tuple(states)
    tracks = {
        one: parts.track(inner, names) for one, inner in parts.entries(read, "tracks").items()
    } or {"": Track("", (), names)}
    cells = cells_of(states, tracks)
    nodes = parts.entries(read, "rows")
    rows = {one: parts.row(inner, cells) for one, inner in nodes.items()}
    parts.made_of(rows, nodes, cells)
    parts.variants(rows, nodes, cells)
    for wrong in [one for one in (*states, *tracks, *rows) if not set(one).isdisjoint(PARTING)]:
        node.fault(f"has a part named {wrong!r}", f"leave out {' and '.join(PARTING)}")
    if "rows" in read and not rows:
        node.fault("has no rows", "add one; the first is the headline")
    published = [
        row
        for one, inner in parts.entries(read, "published").items()
        for row in parts.published(one, inner, cells)
    ]

    def checked(entry: Node) -> tuple[Check, ...]:
        return parts.checks(entry, tuple(rows), published)

    nested = read["checks"].items(checked) if "checks" in read else ()
    return Spec(
        name=name,
        words=words,
        title=optional(read, "title", Node.text, ""),
        metrics=optional(read, "metrics", Node.texts, ()),
        shots=optional(read, "shots", lambda one: one.items(parts.shots), None),
        repeat=optional(read, "repeat", parts.repeat, {"seed": ("0",)}),
        chosen=optional(read, "chosen", Node.texts, ()),
        states=states,
        tracks=tracks,
        rows=rows,
        notes=optional(read, "notes", Node.texts, ()),
        smoke=optional(read, "smoke", Node.words, ()),
        published=tuple(published),
        checks=tuple(check for some in nested for check in some),
        deciles=optional(read, "deciles", Node.texts, ()),
    )
