"""What a table is made of, as ``configs/experiment/table-NAME.yaml`` says it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from fewrec_cli.report.model import Check, Published, Shots

Repeat = Mapping[str, tuple[str, ...]]
"""Word to its values: a row is run with every combination, and the report averages over them."""


@dataclass(frozen=True)
class State:
    """A section of the table: who is cold, or which data.

    Attributes:
        words: What chooses it.
        repeat: What its rows are averaged over, None for the table's own.
    """

    words: tuple[str, ...]
    repeat: Repeat | None = None


@dataclass(frozen=True)
class Track:
    """What training and adaptation may see; tracks are never mixed in one section.

    Attributes:
        text: The same in words.
        words: What chooses it.
        states: Where it stands.
    """

    text: str
    words: tuple[str, ...]
    states: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One state in one track: rows of the same cell are scored on the same episodes.

    Attributes:
        state: The state's name.
        track: The track's name, empty in a table without tracks.
    """

    state: str
    track: str

    def fits(self, pattern: str) -> bool:
        """Whether ``STATE`` or ``STATE/TRACK``, either with ``*``, names this cell.

        Example:
            >>> Cell("user_cold", "P").fits("*/P"), Cell("user_cold", "P").fits("item*")
            (True, False)
        """
        name = f"{self.state}/{self.track}" if "/" in pattern else self.state
        return fnmatchcase(name, pattern)

    def __str__(self) -> str:
        return f"{self.state} {self.track}".rstrip()


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        words: What makes it differ from the experiment.
        more: Further words where a pattern fits the cell, in order.
        cells: Patterns of the cells that it stands in.
        minutes: One run's time on one core, by pattern; the first that fits counts.
        repeat: What it is averaged over, None for its state's own.
        of: Rows above it whose runs it is made of (``strategy.runs``), in the same section.
        shown: Its name in the table, empty for its own; rows of one name and of different support
            sizes are one line.
        against: Row that it is a variant of and is compared with, besides the floors; or empty.
    """

    words: tuple[str, ...]
    more: tuple[tuple[str, tuple[str, ...]], ...]
    cells: tuple[str, ...]
    minutes: tuple[tuple[str, float], ...]
    repeat: Repeat | None
    of: tuple[str, ...] = ()
    shown: str = ""
    against: str = ""

    def stands(self, cell: Cell) -> bool:
        """Whether it stands in a section."""
        return any(cell.fits(pattern) for pattern in self.cells)


@dataclass(frozen=True)
class Spec:
    """A table before anything is run.

    Attributes:
        name: ``melu`` of ``table-melu.yaml``.
        words: The experiment that the file is, as words of the command line.
        title: One line above the table.
        metrics: Columns.
        shots: Support sizes shown, None for each run's headline size.
        repeat: What rows are averaged over.
        chosen: How the rows' values were chosen, in sentences.
        notes: Sentences for under the table.
        smoke: Further words of ``--smoke``.
        states: By name, in order.
        tracks: By name, in order; one of an empty name in a table without tracks.
        rows: By name, in order, the headline first.
        published: Rows of papers.
        checks: Our reruns held to the papers.
        deciles: Metrics that are also split by deciles of items and users; the runs'
            ``evaluation.deciles`` says at which support sizes.
    """

    name: str
    words: tuple[str, ...]
    title: str
    metrics: tuple[str, ...]
    shots: tuple[Shots, ...] | None
    repeat: Repeat
    chosen: tuple[str, ...]
    states: Mapping[str, State]
    tracks: Mapping[str, Track]
    rows: Mapping[str, Line]
    notes: tuple[str, ...] = ()
    smoke: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    checks: tuple[Check, ...] = ()
    deciles: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All sections, by track within state."""
        return cells_of(self.states, self.tracks)


def cells_of(states: Iterable[str], tracks: Mapping[str, Track]) -> tuple[Cell, ...]:
    """Return every state in every track that it stands in, by track within state."""
    return tuple(
        Cell(state, name)
        for state in states
        for name, track in tracks.items()
        if state in track.states
    )
