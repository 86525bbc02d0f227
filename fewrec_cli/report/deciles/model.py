"""What a table by deciles is made of; every format is written from these."""

from dataclasses import dataclass
from typing import Literal

from fewrec_cli.experiment.result import Kind
from fewrec_cli.report.model import Shots

Side = Literal["item", "activity", "mainstream"]
SIDES: tuple[Side, ...] = ("item", "activity", "mainstream")
USER_SIDES: tuple[Side, ...] = ("activity", "mainstream")


@dataclass(frozen=True)
class Group:
    """A column of the table.

    Attributes:
        decile: 1 (the least) to 10; 0 for items without a training rating; None for all together.
        low: Smallest value of a member: training ratings of an item, ratings of a user, mean
            number of training ratings of a user's items. None without a member.
        high: Largest.
        members: How many items or tasks.
        ratings: Query ratings of all draws of one run.
    """

    decile: int | None
    low: float | None
    high: float | None
    members: int
    ratings: int

    @property
    def word(self) -> str:
        """What stands at the top of the column."""
        return {None: "all", 0: "new"}.get(self.decile, str(self.decile))


@dataclass(frozen=True)
class Cell:
    """One row in one group.

    Attributes:
        mean: Of items: mean over their query ratings; of users: mean over tasks. None where there
            is nothing to average, never 0.
        difference: This row minus the floor, paired; None of the floor itself, and where nothing
            is compared.
        low: Lower end of the 95% interval of the difference over users; None below
            ``ratio.FEWEST`` users.
        high: Upper end.
        p: Two-sided p of no difference.
        p_holm: The same, corrected for all deciles of all models in the section; None of other
            rows and of all deciles together.
        users: Users with a figure in the group.
    """

    mean: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    users: int


@dataclass(frozen=True)
class DecileRow:
    """One row of the table; its cells stand in the order of the section's groups."""

    row: str
    kind: Kind
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class DecileSection:
    """One metric at one support size, over the groups of one side.

    Attributes:
        state: As in the table of the same runs.
        track: As there; empty without tracks.
        shots: Support size.
        side: Items by popularity, or users by ``activity`` or ``mainstream``.
        metric: ``mae``, ``mae_median``, ``bias``, or a metric of lists such as ``ndcg@5``.
        against: The floor with the best mean over all tasks; None where nothing is compared.
        groups: Columns, all together last.
        rows: Models, their unadapted selves, floors, oracle.
    """

    state: str
    track: str
    shots: Shots
    side: Side
    metric: str
    against: str | None
    groups: tuple[Group, ...]
    rows: tuple[DecileRow, ...]


@dataclass(frozen=True)
class DecileTable:
    """All sections under one title."""

    title: str
    sections: tuple[DecileSection, ...]
