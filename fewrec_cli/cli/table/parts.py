"""States, tracks, rows, published rows and checks of a table, each read from its node."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from fewrec_cli.cli.suggest import ask
from fewrec_cli.cli.table.node import Node
from fewrec_cli.cli.table.spec import Cell, Line, Repeat, State, Track
from fewrec_cli.report.model import Check, Published, Shots

Value = TypeVar("Value")


def optional(
    parts: Mapping[str, Node], name: str, read: Callable[[Node], Value], otherwise: Value
) -> Value:
    """Read a part that may be left out, or be null."""
    node = parts.get(name)
    return otherwise if node is None or node.value is None else read(node)


def entries(parts: Mapping[str, Node], name: str) -> dict[str, Node]:
    """The nodes of a mapping that may be left out, or be null."""
    return parts[name].entries() if name in parts else {}


def state(node: Node) -> State:
    """A section of the table."""
    parts = node.keys(("words", "repeat"), ("words",))
    return State(optional(parts, "words", Node.words, ()), optional(parts, "repeat", repeat, None))


def track(node: Node, states: Sequence[str]) -> Track:
    """What training and adaptation may see."""
    parts = node.keys(("text", "words", "states"), ("text", "words"))

    def names(one: Node) -> tuple[str, ...]:
        return one.items(lambda entry: entry.one_of(states, "state"))

    return Track(
        optional(parts, "text", Node.text, ""),
        optional(parts, "words", Node.words, ()),
        optional(parts, "states", names, tuple(states)),
    )


def repeat(node: Node) -> Repeat:
    """Words with several values each."""
    return {word: one.items(lambda entry: str(entry.value)) for word, one in node.entries().items()}


def row(node: Node, cells: Sequence[Cell]) -> Line:
    """A row of ours."""
    keys = ("words", "more", "cells", "minutes", "repeat", "of", "shown", "against")
    parts = node.keys(keys, ("minutes",))

    def pattern(one: Node) -> str:
        return _fitting(one, one.text(), cells)

    def more(one: Node) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple(
            (_fitting(entry, name, cells), entry.words()) for name, entry in one.entries().items()
        )

    def minutes(one: Node) -> tuple[tuple[str, float], ...]:
        if not isinstance(one.value, Mapping):
            return (("*", one.number()),)
        return tuple(
            (_fitting(entry, name, cells), entry.number()) for name, entry in one.entries().items()
        )

    return Line(
        words=optional(parts, "words", Node.words, ()),
        more=optional(parts, "more", more, ()),
        cells=optional(parts, "cells", lambda one: one.items(pattern), ("*",)),
        minutes=optional(parts, "minutes", minutes, ()),
        repeat=optional(parts, "repeat", repeat, None),
        of=optional(parts, "of", lambda one: one.items(lambda entry: str(entry.value)), ()),
        shown=optional(parts, "shown", Node.text, ""),
        against=optional(parts, "against", Node.text, ""),
    )


def variants(rows: Mapping[str, Line], nodes: Mapping[str, Node], cells: Sequence[Cell]) -> None:
    """Whether rows that are compared with another one stand somewhere beside it."""
    for name, line in rows.items():
        others = [one for one in rows if one != name]
        if not line.against:
            continue
        if line.against not in others:
            nodes[name].fault(
                f"is compared with {line.against!r}, which is no other row",
                ask(line.against, others, f"one of: {', '.join(others) or 'none'}"),
            )
        elif not any(line.stands(cell) and rows[line.against].stands(cell) for cell in cells):
            nodes[name].fault(
                f"is compared with {line.against!r}, which stands in none of its sections",
                "name a section of both with cells",
            )


def made_of(rows: Mapping[str, Line], nodes: Mapping[str, Node], cells: Sequence[Cell]) -> None:
    """Whether rows made of other rows stand below them, where those stand too."""
    for place, (name, line) in enumerate(rows.items()):
        above = list(rows)[:place]
        for one in line.of:
            if one not in above:
                nodes[name].fault(
                    f"is made of {one!r}, which is no row above it",
                    ask(one, above, f"one of: {', '.join(above) or 'none'}"),
                )
                continue
            bare = [cell for cell in cells if line.stands(cell) and not rows[one].stands(cell)]
            if bare:
                nodes[name].fault(
                    f"is made of {one!r}, which does not stand in {bare[0]}",
                    "name the sections of both with cells",
                )


def _fitting(node: Node, pattern: str, cells: Sequence[Cell]) -> str:
    """A pattern that names at least one cell."""
    if not any(cell.fits(pattern) for cell in cells):
        names = [f"{cell.state}/{cell.track}" if cell.track else cell.state for cell in cells]
        node.fault(f"fits no section: {pattern!r}", ask(pattern, names, f"of: {', '.join(names)}"))
    return pattern


def published(name: str, node: Node, cells: Sequence[Cell]) -> Iterator[Published]:
    """A row of a paper: one entry per state."""
    parts = node.keys(("source", "track", "shots", "figures"), ("source", "figures"))
    in_track = optional(parts, "track", lambda one: str(one.value), "")
    states = [cell.state for cell in cells if cell.track == in_track]
    source = optional(parts, "source", Node.text, "")
    size = optional(parts, "shots", shots, None)
    for where, figures in entries(parts, "figures").items():
        if where not in states:
            figures.fault(
                f"stands in no section of track {in_track!r}",
                ask(where, states, f"states of that track: {', '.join(states) or 'none'}"),
            )
        found = {metric: figure.number() for metric, figure in figures.entries().items()}
        yield Published(name, where, in_track, found, source, size)


def checks(node: Node, rows: Sequence[str], known: Sequence[Published]) -> tuple[Check, ...]:
    """One of our rows held to a published one: one entry per state."""
    keys = ("row", "published", "track", "metric", "tolerance", "states", "shots")
    parts = node.keys(keys, ("row", "published", "metric", "tolerance"))
    ours = optional(parts, "row", lambda one: one.one_of(rows, "row"), "")
    names = sorted({one.row for one in known})
    theirs = optional(parts, "published", lambda one: one.one_of(names, "published row"), "")
    in_track = optional(parts, "track", lambda one: str(one.value), "")
    metric = optional(parts, "metric", Node.text, "")
    tolerance = optional(parts, "tolerance", Node.number, 0.0)
    size = optional(parts, "shots", shots, None)
    there = [
        one.state
        for one in known
        if (one.row, one.track) == (theirs, in_track) and metric in one.metrics
    ]
    if theirs in names and not there:
        node.fault(
            f"compares {metric!r}, which {theirs!r} does not have in track {in_track!r}",
            "name a metric and a track of the published row",
        )

    def chosen(one: Node) -> tuple[str, ...]:
        return one.items(lambda entry: entry.one_of(there, "state of that published row"))

    return tuple(
        Check(ours, theirs, where, in_track, metric, tolerance, size)
        for where in optional(parts, "states", chosen, tuple(there))
    )


def shots(node: Node) -> Shots:
    """A support size: a whole number, or ``all``."""
    value = node.value
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    node.fault(f"is no support size: {value!r}", "write a whole number, or all")
    return 0
