"""What a table of several runs is made of; every format is written from these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fewrec_cli.experiment.result import Kind

Shots = int | Literal["all"]


@dataclass(frozen=True)
class Versus:
    """One row against another in one metric, paired over users on the same episodes.

    Attributes:
        against: Name of the other row.
        difference: This row minus the other, mean over users of each user's mean over draws, seeds
            and splits (the metric's unit).
        low: Lower end of the 95% interval of the difference, None below two users.
        high: Upper end.
        p: Two-sided p of the paired t test over users, None below two users.
        p_holm: The same, corrected for all comparisons of this metric in the table.
        users: Users compared.
    """

    against: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    users: int


@dataclass(frozen=True)
class Figure:
    """One metric of one row.

    Attributes:
        mean: Mean over seeds, draws and splits; None where undefined.
        sd: Standard deviation (ddof 1) over draws, of each draw's mean over seeds; with several
            splits over all their draws. None for one draw and for published figures.
        sd_seeds: Standard deviation (ddof 1) over seeds of each seed's mean; None for one seed.
        low: Lower end of the 95% interval of the mean, over users and seeds (splits, where there
            are several) together; None where the metric has no figure per task.
        high: Upper end.
        versus: Against the best floor or the named row; None where nothing was compared.
        beside: Against the row that this one is a variant of; None where it is of none.
        best: Whether the row is the best of its section and its difference to the second-best
            holds (p_holm < 0.05): printed in bold.
    """

    mean: float | None
    sd: float | None = None
    sd_seeds: float | None = None
    low: float | None = None
    high: float | None = None
    versus: Versus | None = None
    beside: Versus | None = None
    best: bool = False


@dataclass(frozen=True)
class Parameters:
    """How large a model is.

    Attributes:
        trainable: Numbers that training may change: backbone and strategy together.
        adapted: Numbers that one task changes, None where that is not known.
    """

    trainable: int
    adapted: int | None


@dataclass(frozen=True)
class TableRow:
    """One line of the table.

    Attributes:
        row: Name; no two rows of the same kind, state, track and shots have the same.
        kind: Where the figures come from.
        state: Who is cold or which data: ``user_cold``, ``item_cold``, ..., or the caller's word.
        track: What was trained on or adapted to, in the caller's word; empty without tracks.
        shots: Support size.
        draws: Draws averaged over, 0 of a published row.
        tasks: Tasks in each draw, 0 of a published row.
        seeds: Seeds averaged over, in order.
        splits: Task splits averaged over; 1 unless ``scenario.seed`` was averaged over.
        adapt_ms_per_task: Wall time of adaptation (milliseconds), the median over runs; None where
            nothing adapts.
        parameters: Size of the model; None of floors, published rows, and runs that do not say.
        metrics: Figures by metric, every metric of the table.
        words: Words of the config in which this row differs from others of the table.
        source: Where a published figure stands.
        runs: Folders of the runs behind the row.
    """

    row: str
    kind: Kind
    state: str
    track: str
    shots: Shots
    draws: int
    tasks: int
    seeds: tuple[int, ...]
    splits: int
    adapt_ms_per_task: float | None
    parameters: Parameters | None
    metrics: Mapping[str, Figure]
    words: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """A row of a paper, which no run of ours stands behind.

    Attributes:
        row: Name, e.g. ``MeLU-5``.
        state: The section that it stands in.
        track: The section that it stands in; empty without tracks.
        metrics: Means by metric, in the table's units.
        source: Paper and table, or repository and file.
        shots: Support size; None for the section's headline size.
    """

    row: str
    state: str
    track: str
    metrics: Mapping[str, float]
    source: str
    shots: Shots | None = None


@dataclass(frozen=True)
class Check:
    """A promise that our rerun of a published method agrees with the paper.

    Attributes:
        row: Our row's name.
        published: The published row's name, in the same section.
        state: The section of both.
        track: The section of both.
        metric: Which figure.
        tolerance: Largest difference either way (the metric's unit) that passes.
        shots: Support size; None for the section's headline size.
    """

    row: str
    published: str
    state: str
    track: str
    metric: str
    tolerance: float
    shots: Shots | None = None


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        check: The promise.
        ours: Our mean, None where the row is missing or has no such figure: a FAIL.
        theirs: The published mean, None where the row is missing: a FAIL.
    """

    check: Check
    ours: float | None
    theirs: float | None

    @property
    def passed(self) -> bool:
        """Whether both figures are there and agree within the tolerance."""
        if self.ours is None or self.theirs is None:
            return False
        return abs(self.ours - self.theirs) <= self.check.tolerance + 1e-12

    @property
    def word(self) -> str:
        """``PASS`` or ``FAIL``."""
        return "PASS" if self.passed else "FAIL"


@dataclass(frozen=True)
class Section:
    """Rows of one state and track: they were scored on the same episodes, and are compared.

    Attributes:
        state: See ``TableRow``.
        track: See ``TableRow``.
        shots: The headline support size, at which published rows stand that name none.
        signature: What the figures depend on, in one line.
    """

    state: str
    track: str
    shots: Shots
    signature: str

    @property
    def title(self) -> str:
        """State and track in words."""
        return f"{self.state}, {self.track}" if self.track else self.state


@dataclass(frozen=True)
class Table:
    """A table as a value.

    Attributes:
        title: One line; empty for none.
        metrics: Columns, in order.
        sections: In order; every row's (state, track) is that of one of them.
        rows: All rows at the support sizes that were asked for, in the order shown.
        curve: Rows at every support size that the runs have, without comparisons; for figures.
        verdicts: What the checks found.
        against: ``floor``, or the row that others are compared with.
        notes: Plain sentences for under the table: what was left out, repeated, or is missing.
    """

    title: str
    metrics: tuple[str, ...]
    sections: tuple[Section, ...]
    rows: tuple[TableRow, ...]
    curve: tuple[TableRow, ...]
    verdicts: tuple[Verdict, ...]
    against: str
    notes: tuple[str, ...]


def place_of(shots: Shots) -> float:
    """Return where a support size stands among others: by number, ``all`` last."""
    return float("inf") if shots == "all" else shots
