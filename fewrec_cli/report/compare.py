"""Which rows of a table are compared with which, and which of them may stand in bold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from fewrec_cli.core.errors import ConfigError, RunFolderError
from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.report.assemble import Part
from fewrec_cli.report.line import Line
from fewrec_cli.report.model import Figure, Shots, Versus
from fewrec_cli.report.pair import (
    LEVEL,
    Difference,
    Pair,
    better,
    comparable,
    corrected,
    difference,
    paired,
    ranked,
    tested,
)

FLOOR = "floor"
Key = tuple[int, int, str]
"""Two rows by identity, and the metric."""
Variants = Mapping[str, str]
"""Name of a row to that of the row which it is a variant of."""


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of a table, p values corrected metric by metric.

    Attributes:
        told: The comparison of each (row by identity, metric).
        beside: That with the row it is a variant of, likewise.
        best: Rows in bold, by (identity, metric).
        notes: Plain sentences on what could not be compared.
    """

    told: dict[tuple[int, str], Versus]
    beside: dict[tuple[int, str], Versus]
    best: frozenset[tuple[int, str]]
    notes: tuple[str, ...]

    def add(self, figure: Figure, line: Line, metric: str) -> Figure:
        """Return a row's figure with its comparisons and its bold."""
        key = (id(line), metric)
        told, beside = self.told.get(key), self.beside.get(key)
        return replace(figure, versus=told, beside=beside, best=key in self.best)


def compared(
    parts: Sequence[Part],
    metrics: Sequence[str],
    shots: Sequence[Shots] | None,
    against: str,
    variants: Variants,
    resamples: int,
    seed: int,
) -> Comparisons:
    """Compare every model with the best floor or a named row, and the best row with the next.

    A variant of another row is compared with that, too. All comparisons of one metric in the table,
    of every sort, are one family of Holm's correction.

    Raises:
        ConfigError: No row has the name ``against``.
        RunFolderError: Rows to be paired with it were scored on other episodes.
    """
    _check_name(parts, against)
    told: dict[tuple[int, str], Versus] = {}
    beside: dict[tuple[int, str], Versus] = {}
    best: set[tuple[int, str]] = set()
    notes: list[str] = []
    for metric in (metric for metric in metrics if ranked(metric)):
        asked: list[Pair] = []
        own: list[Pair] = []
        leading: list[Pair] = []
        found: dict[Key, Difference] = {}
        for part in parts:
            for size in (part.section.shots,) if shots is None else shots:
                lines = [line for line in part.at(size) if _mean(line, metric) is not None]
                more = _asked(part, lines, metric, against, parts)
                named = _named(lines, metric, variants)
                first, note = _leading(part, lines, metric)
                notes += note
                for pair in (*more, *named, *first):
                    found.setdefault(_key(pair), difference(pair, part.users))
                asked += more
                own += named
                leading += first
        listed = tested(list(found.values()), resamples=resamples, seed=seed)
        results = dict(zip(found, corrected(listed), strict=True))
        for pairs, place in ((asked, told), (own, beside)):
            for pair in pairs:
                versus = results[_key(pair)]
                if versus is not None:
                    place[id(pair.line), metric] = versus
        best |= {(id(one.line), metric) for one in leading if _holds(one, results[_key(one)])}
    return Comparisons(told, beside, frozenset(best), tuple(dict.fromkeys(notes)))


def _asked(
    part: Part, lines: Sequence[Line], metric: str, against: str, parts: Sequence[Part]
) -> list[Pair]:
    """Pair the models of one section and size with what they are held against."""
    models = [line for line in lines if line.kind == "model"]
    if against == FLOOR:
        floors = _sorted([line for line in lines if line.kind == "floor"], metric)
        pairs = []
        for line in models:
            own = [one for floor in floors if comparable(one := Pair(line, floor, metric))]
            pairs += own[:1]
        return pairs
    others = [line for line in models if line.row != against]
    named = next((line for line in part.lines if line.row == against), None)
    if named is None and others:
        _refuse(others[0], _anywhere(parts, against))
    target = next((line for line in lines if line.row == against), None)
    if target is None:
        return []
    for line in others:
        if not paired(line, target):
            _refuse(line, target)
    return [one for line in others if comparable(one := Pair(line, target, metric))]


def _named(lines: Sequence[Line], metric: str, variants: Variants) -> list[Pair]:
    """Pair the variants of one section and size with what they are variants of."""
    models = {line.row: line for line in lines if line.kind == "model"}
    both = [(name, other) for name, other in variants.items() if {name, other} <= set(models)]
    pairs = [Pair(models[name], models[other], metric) for name, other in both]
    return [pair for pair in pairs if comparable(pair)]


def _leading(part: Part, lines: Sequence[Line], metric: str) -> tuple[list[Pair], list[str]]:
    """Pair the best row of one section and size with the second best."""
    order = _sorted([line for line in lines if line.kind != "oracle"], metric)
    if len(order) < 2:
        return [], []
    pair = Pair(order[0], order[1], metric)
    if set(pair.line.splits) == set(pair.against.splits):
        return ([pair] if comparable(pair) else []), []
    first, second = order[0].row, order[1].row
    return [], [
        f"{part.section.title}: {first!r} and {second!r} were not scored on the same episodes, "
        "so neither is in bold."
    ]


def _holds(pair: Pair, versus: Versus | None) -> bool:
    """Whether the best row is better than the second best beyond chance."""
    if versus is None or versus.p_holm is None:
        return False
    return better(pair.metric, versus.difference, 0.0) and versus.p_holm < LEVEL


def _sorted(lines: Sequence[Line], metric: str) -> list[Line]:
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    return sorted(lines, key=lambda line: sign * (_mean(line, metric) or 0.0))


def _mean(line: Line, metric: str) -> float | None:
    return line.figure(metric).mean


def _key(pair: Pair) -> Key:
    return id(pair.line), id(pair.against), pair.metric


def _check_name(parts: Sequence[Part], against: str) -> None:
    names = dict.fromkeys(line.row for part in parts for line in part.lines)
    if against in (FLOOR, *names):
        return
    close = get_close_matches(against, [FLOOR, *names], n=1)
    there = f"rows: floor, {', '.join(repr(name) for name in names)}"
    remedy = f"did you mean {close[0]!r}?   ({there})" if close else there
    raise ConfigError(f"no row is called {against!r}", remedy)


def _anywhere(parts: Sequence[Part], against: str) -> Line:
    return next(line for part in parts for line in part.lines if line.row == against)


def _refuse(line: Line, other: Line) -> None:
    ours, theirs = line.pieces[0], other.pieces[0]
    missing = [piece for piece in line.pieces if piece.episodes not in other.splits]
    ours = missing[0] if missing else ours
    raise RunFolderError(
        f"cannot pair {line.row!r} with {other.row!r}: the episodes of {ours.run} "
        f"({ours.episodes[:12]}) are not those of {theirs.run} ({theirs.episodes[:12]})",
        "give both runs the same data and scenario words, or compare each with its floors: "
        "--against floor",
    )
