"""From entries to sections: the rows of one state and track, floors among them only once."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import IdArray
from fewrec_cli.experiment.result import Kind, Row
from fewrec_cli.report.group import Entry, protocol
from fewrec_cli.report.line import Line, Piece
from fewrec_cli.report.model import Section, Shots
from fewrec_cli.report.run import Run
from fewrec_cli.report.scores import AGREE, AUC, Scores
from fewrec_cli.report.sign import signature
from fewrec_cli.report.words import distinguishing, named

ORDER: tuple[Kind, ...] = ("model", "unadapted", "published", "floor", "oracle")
SHARED: tuple[Kind, ...] = ("floor", "oracle")
"""Kinds that depend on the data, the scenario, the evaluation and the seed, not on the model."""


@dataclass(frozen=True)
class Part:
    """One section with its rows at every support size.

    Attributes:
        section: State, track, headline size, signature.
        lines: Models and their unadapted selves in the order given, floors, oracle.
        users: All users of its tasks, ascending, ``(users,)``.
    """

    section: Section
    lines: tuple[Line, ...]
    users: IdArray

    def at(self, shots: Shots) -> list[Line]:
        """Return the rows at one support size."""
        return [line for line in self.lines if line.shots == shots]


def assemble(
    entries: Sequence[Entry], scores: Mapping[Path, Scores], selection: str
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Gather the rows of each section.

    Args:
        entries: In the order in which they shall stand.
        scores: Figures per task of all their runs, by folder.
        selection: How values were chosen, in the caller's words; empty to read it from the runs.

    Returns:
        The sections in the order in which they first appear, and notes on what is unlike.

    Raises:
        ConfigError: Two rows of one section have the same name and support size.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.state, entry.track), []).append(entry)
    parts, notes = [], []
    for (state, track), some in groups.items():
        runs = [run for entry in some for run in entry.runs]
        shared, unlike = _shared(some, scores)
        own = [line for entry in some for line in _own(entry, scores)]
        _refuse_twins(own)
        lines = [*own, *shared]
        headline = runs[0].headline
        section = Section(state, track, headline, signature(runs, selection))
        users = np.unique(np.concatenate([scores[run.folder].user for run in runs]))
        ordered = sorted(lines, key=lambda line: ORDER.index(line.kind))
        parts.append(Part(section, tuple(ordered), users))
        notes += [f"{section.title}: {note}" for note in (*unlike, *_uneven(ordered))]
    return tuple(parts), tuple(notes)


def _refuse_twins(lines: Sequence[Line]) -> None:
    """Refuse two rows of one name, which are one line, at the same support size."""
    there: set[tuple[str, Kind, Shots]] = set()
    for line in lines:
        key = (line.row, line.kind, line.shots)
        if key in there:
            raise ConfigError(
                f"two rows are named {line.row!r} at {line.shots} shots",
                "give them other names, or runs of different support sizes",
            )
        there.add(key)


def _own(entry: Entry, scores: Mapping[Path, Scores]) -> list[Line]:
    """Return the rows that only this entry's runs have, named by the entry."""
    first = entry.runs[0]
    plain = next((row.row for row in first.rows if row.kind == "model"), "")
    parameters = next((run.parameters for run in entry.runs if run.parameters is not None), None)
    lines = []
    for row in first.rows:
        if row.kind in SHARED:
            continue
        pieces = [
            _piece(run, other, scores[run.folder])
            for run in entry.runs
            for other in run.rows
            if (other.kind, other.shots) == (row.kind, row.shots) and _same(row, other)
        ]
        name = entry.name + row.row.removeprefix(plain) if row.row.startswith(plain) else row.row
        size = parameters if row.kind == "model" else None
        lines.append(Line(name, row.kind, row.shots, tuple(pieces), size, entry.words))
    return lines


def _same(row: Row, other: Row) -> bool:
    return row.row == other.row


def _piece(run: Run, row: Row, scores: Scores) -> Piece:
    columns = scores.columns[row.row, row.shots]
    place = str(run.folder)
    return Piece(run.episode_hash, run.seed, scores.user, scores.draw, columns, row, place)


def _shared(
    entries: Sequence[Entry], scores: Mapping[Path, Scores]
) -> tuple[list[Line], tuple[str, ...]]:
    """Return floors and oracle once, however many runs have scored them.

    Runs of the same data, scenario, evaluation and seed have the same floors: those of the first
    stand, and a difference is told. Where the words differ, a floor stands once for each, unless
    all floors are equal: further attributes of items, for one, change no floor. Words are told that
    part floors of the same support size; those of different sizes are columns of one line.
    """
    averaged = sorted({key for entry in entries for key in _varying(entry)})
    shown = {
        metric
        for one in scores.values()
        for columns in one.columns.values()
        for metric in (*columns.values, *((AUC,) if columns.alone is not None else ()))
    }
    variants: Variants = {}
    for run in (run for entry in entries for run in entry.runs):
        key = tuple(sorted(protocol(run, averaged).items()))
        variants.setdefault(key, []).append(run)
    variants = _folded(variants, shown)
    words = [dict(key) for key in variants]
    telling = distinguishing(words, _meeting(list(variants.values())))
    lines: list[Line] = []
    notes: list[str] = []
    for own, runs in zip(words, variants.values(), strict=True):
        first: dict[tuple[str, int], Run] = {}
        for run in runs:
            before = first.setdefault((run.episode_hash, run.seed), run)
            notes += _unlike(before, run, shown)
        told = {key: own[key] for key in telling if key in own}
        lines += _floors(list(first.values()), scores, told)
    return lines, tuple(dict.fromkeys(notes))


Variants = dict[tuple[tuple[str, str], ...], list[Run]]
"""The runs of each data, scenario and evaluation."""


def _folded(variants: Variants, shown: Set[str]) -> Variants:
    """Put runs of different words together where the same episodes have the same floors.

    Floors are held to the metrics that the table shows: attributes of items change diversity@k.
    """
    kept: Variants = {}
    for key, runs in variants.items():
        alike = next((one for one, others in kept.items() if _equal(others, runs, shown)), key)
        kept.setdefault(alike, []).extend(runs)
    return kept


def _meeting(variants: Sequence[Sequence[Run]]) -> list[tuple[int, int]]:
    """Return the places of the variants that have floors of the same support size."""
    sizes = [{shots for run in runs for _, shots in _names(run)} for runs in variants]
    return [(a, b) for a, b in combinations(range(len(sizes)), 2) if sizes[a] & sizes[b]]


def _equal(some: Sequence[Run], others: Sequence[Run], shown: Set[str]) -> bool:
    """Whether two lists of runs cover the same episodes and seeds with the same floors."""
    by_tasks = [{(run.episode_hash, run.seed): run for run in runs} for runs in (some, others)]
    if by_tasks[0].keys() != by_tasks[1].keys():
        return False
    pairs = [(by_tasks[0][tasks], by_tasks[1][tasks]) for tasks in by_tasks[0]]
    return all(_names(one) == _names(two) and not _unlike(one, two, shown) for one, two in pairs)


def _names(run: Run) -> set[tuple[str, Shots]]:
    return {(row.row, row.shots) for row in run.rows if row.kind in SHARED}


def _floors(
    runs: Sequence[Run], scores: Mapping[Path, Scores], words: Mapping[str, str]
) -> list[Line]:
    lines = []
    for row in (row for row in runs[0].rows if row.kind in SHARED):
        pieces = [
            _piece(run, other, scores[run.folder])
            for run in runs
            for other in run.rows
            if (other.row, other.shots) == (row.row, row.shots)
        ]
        name = named(row.row, words, words)
        lines.append(Line(name, row.kind, row.shots, tuple(pieces), None, words))
    return lines


def _varying(entry: Entry) -> set[str]:
    """Return the words that an entry's runs are averaged over."""
    keys = {key for run in entry.runs for key in run.words}
    return {key for key in keys if len({run.words.get(key) for run in entry.runs}) > 1}


def _uneven(lines: Sequence[Line]) -> list[str]:
    """Say which models were scored on fewer task splits than the section has."""
    every = {name for line in lines for name in line.splits}
    fewer = {line.row: len(line.splits) for line in lines if line.kind == "model"}
    return [
        f"{row!r} was scored on {count} of {len(every)} task splits; compare its differences, "
        "not its means."
        for row, count in fewer.items()
        if count < len(every)
    ]


def _unlike(first: Run, other: Run, shown: Set[str]) -> list[str]:
    """Say where two runs that must have the same floors have not, among the metrics shown."""
    theirs = {(row.row, row.shots): row for row in other.rows if row.kind in SHARED}
    for row in (row for row in first.rows if row.kind in SHARED):
        twin = theirs.get((row.row, row.shots))
        if twin is None:
            continue
        for metric, figure in row.metrics.items():
            if metric not in shown:
                continue
            mean = twin.metrics[metric].mean if metric in twin.metrics else None
            if figure.mean is not None and mean is not None and abs(figure.mean - mean) > AGREE:
                return [
                    f"the floor {row.row!r} differs between {first.folder.name} and "
                    f"{other.folder.name} ({metric} {figure.mean:.4f}, {mean:.4f}) though their "
                    "words are the same; that of the first is shown."
                ]
    return []
