"""The figures of a run as they stand in ``metrics.json``; readable without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["model", "unadapted", "floor", "oracle", "published"]


@dataclass(frozen=True)
class Summary:
    """One metric of one row over the draws.

    Attributes:
        mean: Mean over draws, or None where the metric is undefined.
        sd: Standard deviation over draws (ddof 1), or None for one draw or an undefined metric.
    """

    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        row: Name, e.g. ``maml`` or ``item mean + user offset``.
        kind: Where the figure comes from.
        shots: Support size, or ``all``.
        draws: Number of draws averaged over.
        tasks: Number of tasks in each draw.
        adapt_ms_per_task: Wall time of adaptation (milliseconds), or None where nothing adapts.
        metrics: Metric name to its figures, in the order in which they are shown.
    """

    row: str
    kind: Kind
    shots: int | Literal["all"]
    draws: int
    tasks: int
    adapt_ms_per_task: float | None
    metrics: Mapping[str, Summary]


@dataclass(frozen=True)
class RunResult:
    """What a finished run hands to whoever shows it.

    Attributes:
        folder: The run folder.
        signature: Data, scenario, shots, candidates, gain, ties, seed and version in one line.
        shots: Support size of the headline rows.
        rows: All rows at all support sizes.
        sentences: Plain sentences for under the table (does the model beat its floors?).
    """

    folder: Path
    signature: str
    shots: int | Literal["all"]
    rows: tuple[Row, ...]
    sentences: tuple[str, ...]
