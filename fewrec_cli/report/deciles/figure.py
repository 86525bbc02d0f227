"""The pictures: how far each row lies from the best floor over the deciles, a panel per side."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fewrec_cli.experiment.figure import GREY, STYLE
from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.report.cells import shots
from fewrec_cli.report.deciles.model import DecileRow, DecileSection, DecileTable
from fewrec_cli.report.deciles.text import RANGES, SIDES
from fewrec_cli.report.figure import COLOURS, INK, MARKS, RULE, Picture, themed
from fewrec_cli.report.model import Shots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES: tuple[Any, ...] = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
SMALL = 0.01
"""Share of the query ratings below which a decile's intervals do not set the scale."""
ROOM = 0.12
"""Share of the models' range that is left free above and below them."""
SPREAD = 0.4
"""Width over which the models' points of one decile are spread (deciles)."""


@dataclass(frozen=True)
class _Point:
    """A difference (the metric's unit) with its interval, at the place of its decile."""

    x: int
    y: float
    low: float
    high: float


def pictures(table: DecileTable) -> tuple[Picture, ...]:
    """Draw one picture for each state, track, support size and metric that is compared."""
    parts: dict[tuple[str, str, Shots, str], list[DecileSection]] = {}
    for one in table.sections:
        if one.against is not None:
            parts.setdefault((one.state, one.track, one.shots, one.metric), []).append(one)
    several = len({(one.state, one.track) for one in table.sections}) > 1
    found = []
    for (state, track, size, metric), own in parts.items():
        words = ["deciles", metric, str(size), *([state, track] if several else [])]
        name = re.sub(r"[^a-zA-Z0-9]+", "-", "-".join(words)).strip("-")
        where = ", ".join(part for part in (state, track, shots(size, "shot")) if part)
        found.append(picture(own, name, f"{table.title}: {where}" if table.title else where))
    return tuple(found)


def picture(sections: Sequence[DecileSection], name: str, title: str) -> Picture:
    """Draw one panel per section: deciles along x, differences to the best floor up.

    Models are coloured lines with 95% intervals, floors grey; the best floor is the line at 0. The
    models set the scale; floors are cut where they leave it, and left out where they never enter.
    A strip below each panel has the share of all query ratings. Deciles of too few users for an
    interval are left out; intervals of deciles with less than ``SMALL`` of the ratings may be cut.

    Args:
        sections: Of one state, track, support size and metric, a side each, at least one.
        name: File name without its ending.
        title: Stands above the panels.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ink = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
        **dict.fromkeys(("xtick.color", "ytick.color"), INK),
        "grid.color": RULE,
        "svg.fonttype": "none",
        "svg.hashsalt": name,
    }
    with rc_context({**STYLE, **ink}):  # type: ignore[dict-item]  # its stub wants 300 keys
        figure = Figure(figsize=(0.8 + 3.6 * len(sections), 5.0), dpi=200, layout="constrained")
        FigureCanvasAgg(figure)
        ratios = {"height_ratios": [4.5, 1], "hspace": 0.04}
        panels = figure.subplots(2, len(sections), squeeze=False, sharex="col", gridspec_kw=ratios)
        for section, upper, lower in zip(sections, *panels, strict=True):
            _lines(upper, section)
            _strip(lower, section)
        _legend(figure, panels[0], int(1.9 * len(sections)))
        figure.suptitle(title, fontsize=10)
        png, svg = io.BytesIO(), io.StringIO()
        figure.savefig(png, format="png", facecolor="white")
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    return Picture(name, title, "", png.getvalue(), themed(svg.getvalue()))


def _legend(figure: "Figure", panels: Sequence["Axes"], columns: int) -> None:
    """Put one legend for all panels below them, models first."""
    from matplotlib.container import ErrorbarContainer

    handles: dict[str, Any] = {}
    for panel in panels:
        found, labels = panel.get_legend_handles_labels()
        handles |= dict(zip(labels, found, strict=True))
    order = sorted(handles, key=lambda label: not isinstance(handles[label], ErrorbarContainer))
    figure.legend(
        [handles[label] for label in order],
        order,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
    )


def _lines(panel: "Axes", section: DecileSection) -> None:
    models = [row for row in section.rows if row.kind == "model"]
    low, high = _limits([point for row in models for point in _points(row)], _shares(section))
    panel.set_ylim(low, high)
    floors = [row for row in section.rows if row.kind == "floor" and row.row != section.against]
    for row, dash in zip(floors, _turns(DASHES, len(floors)), strict=True):
        points = _points(row)
        x, y = [point.x for point in points], [point.y for point in points]
        if any(low <= place <= high for place in y):
            panel.plot(x, y, color=GREY, lw=1.0, ls=dash, label=row.row)
    panel.axhline(0.0, color=INK, lw=1.2, label=f"best floor: {section.against}")
    looks = zip(_turns(COLOURS, len(models)), _turns(MARKS, len(models)), strict=True)
    for number, (row, (colour, mark)) in enumerate(zip(models, looks, strict=True)):
        points = _points(row)
        shift = SPREAD * ((number + 0.5) / len(models) - 0.5)
        panel.errorbar(
            [point.x + shift for point in points],
            [point.y for point in points],
            yerr=[[p.y - p.low for p in points], [p.high - p.y for p in points]],
            color=colour,
            marker=mark,
            ms=4,
            lw=1.4,
            elinewidth=0.7,
            label=row.row,
        )
    less = section.metric in LOWER_IS_BETTER
    panel.set_title(SIDES[section.side], fontsize=9)
    better = "lower is better" if less else "higher is better"
    panel.set_ylabel(f"{section.metric} minus best floor\n({better})")


def _strip(panel: "Axes", section: DecileSection) -> None:
    groups = section.groups[:-1]
    panel.bar(range(len(groups)), [100 * share for share in _shares(section)], color="#cfcfcf")
    panel.set_xticks(range(len(groups)), [group.word for group in groups])
    panel.set_xlabel(f"decile by {RANGES[section.side]}, 10 the most")
    panel.set_ylabel("% of query\nratings")


def _points(row: DecileRow) -> list[_Point]:
    """Return what is drawn of a row: deciles with an interval, not all of them together."""
    return [
        _Point(place, cell.difference, cell.low, cell.high)
        for place, cell in enumerate(row.cells[:-1])
        if cell.difference is not None and cell.low is not None and cell.high is not None
    ]


def _limits(points: Sequence[_Point], shares: Sequence[float]) -> tuple[float, float]:
    """Let the floor at 0, the models' points and the intervals of large deciles set the scale."""
    ends = [0.0, *(point.y for point in points)]
    large = [point for point in points if shares[point.x] >= SMALL]
    ends += [end for point in large for end in (point.low, point.high)]
    room = ROOM * (max(ends) - min(ends)) or 0.01
    return min(ends) - room, max(ends) + room


def _shares(section: DecileSection) -> list[float]:
    """Return the share of all query ratings that lies in each decile."""
    every = max(section.groups[-1].ratings, 1)
    return [group.ratings / every for group in section.groups[:-1]]


def _turns(looks: Sequence[Any], count: int) -> list[Any]:
    return [looks[number % len(looks)] for number in range(count)]
