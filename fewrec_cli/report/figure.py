"""The pictures of a table: quality against shots, and against the time that adaptation takes."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fewrec_cli.experiment.figure import GREY, STYLE, axis_label, frame
from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.report.build import plotted
from fewrec_cli.report.model import Section, Shots, Table, TableRow, place_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7a5195", "#8c6d31")
"""Okabe and Ito's, safe for colour-blind readers, then two more; marks differ as well."""
MARKS = "osD^vP*Xhp<>"
DASHES: tuple[Any, ...] = (
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (9, 2)),
    (0, (2, 1, 2, 4)),
    (0, (1, 4)),
)
FREE = 0.35
"""Share of the models' range that stays in sight behind the last of them and the best floor."""
BANDS = 3
"""Of more models than this the intervals are left out of the curves: they would hide each other."""
DECADES = 30.0
"""An axis of times that spans more than this factor is marked at powers of ten only."""
SAME = 1e-9
"""Means that differ by less are the same."""
INK, RULE = "#010203", "#e6e6e5"
"""Stand for the page's own colours of text and lines in an SVG; ``themed`` puts those in."""


@dataclass(frozen=True)
class Picture:
    """One picture in two formats.

    Attributes:
        name: File name without its ending.
        title: What it shows.
        section: Title of the section that it belongs to.
        png: On white, 200 dots per inch.
        svg: Transparent; text and rules in ``currentColor`` and ``var(--rule)``.
    """

    name: str
    title: str
    section: str
    png: bytes
    svg: str


def pictures(table: Table) -> tuple[Picture, ...]:
    """Draw what a table has to show: for each section quality against shots and against time.

    A section without a second support size has no curve, one without times no second picture.
    """
    found, metrics = [], plotted(table.metrics)
    for section in table.sections:
        slug = f"-{_slug(section.title)}" if len(table.sections) > 1 else ""
        of = section.title if len(table.sections) > 1 or not table.title else ""
        heading = ": ".join(part for part in (table.title, of) if part)
        rows = [row for row in table.curve if _of(row, section)]
        if len({row.shots for row in rows}) > 1:
            found.append(_picture(f"shots{slug}", heading, section, rows, _curve, metrics))
        there = [row for row in rows if row.shots == section.shots]
        if any(row.adapt_ms_per_task for row in there if row.kind == "model"):
            found.append(_picture(f"time{slug}", heading, section, there, _times, metrics))
    return tuple(one for one in found if one is not None)


def _picture(
    name: str,
    heading: str,
    section: Section,
    rows: Sequence[TableRow],
    draw: "Callable[[Axes, Sequence[TableRow], str, Mapping[str, Any]], None]",
    metrics: Sequence[str],
) -> Picture | None:
    """Draw one panel per metric that some model has, with one legend under all."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    models = [row for row in rows if row.kind == "model"]
    drawn = [metric for metric in metrics if any(_mean(row, metric) is not None for row in models)]
    if not drawn:
        return None
    ink = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
        **dict.fromkeys(("xtick.color", "ytick.color"), INK),
        "grid.color": RULE,
        "svg.fonttype": "none",
        "svg.hashsalt": name,
    }
    with rc_context({**STYLE, **ink}):  # type: ignore[dict-item]  # its stub wants 300 keys
        figure = Drawing(figsize=(0.9 + 3.5 * len(drawn), 4.0), dpi=200)
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(drawn), squeeze=False)[0]
        floors = list(dict.fromkeys(name for m in drawn for name in _best_floors(rows, m)))
        dashes = {name: DASHES[place % len(DASHES)] for place, name in enumerate(floors)}
        for panel, metric in zip(panels, drawn, strict=True):
            draw(panel, rows, metric, dashes)
        _frame(figure, panels, heading, dashes)
        png, svg = io.BytesIO(), io.StringIO()
        figure.savefig(png, format="png", facecolor="white")
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    return Picture(name, heading, section.title, png.getvalue(), themed(svg.getvalue()))


def themed(svg: str) -> str:
    """Return an SVG without a prologue, which takes the colours of the page that it stands in."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    return body.replace(INK, "currentColor").replace(RULE, "var(--rule, #ddd)")


def _curve(panel: "Axes", rows: Sequence[TableRow], metric: str, dashes: Mapping[str, Any]) -> None:
    """One line per model over the support sizes, its interval as a band; floors dashed in grey.

    A model whose colour another one has already is dashed, with open marks.
    """
    sizes = sorted({row.shots for row in rows}, key=place_of)
    names = list(dict.fromkeys(row.row for row in rows if row.kind == "model"))
    for name in _best_floors(rows, metric):
        own = _line(rows, name, "floor", metric)
        panel.plot(
            [sizes.index(row.shots) for row in own],
            [_mean(row, metric) or 0.0 for row in own],
            color=GREY,
            lw=1.3,
            ls=dashes[name],
            label=name,
        )
    for number, name in enumerate(names):
        own = _line(rows, name, "model", metric)
        place = [sizes.index(row.shots) for row in own]
        colour = COLOURS[number % len(COLOURS)]
        low, high = zip(*(_ends(row, metric) for row in own), strict=True) if own else ((), ())
        if len(names) <= BANDS:
            panel.fill_between(place, low, high, color=colour, alpha=0.10, lw=0)
        mark = MARKS[number % len(MARKS)]
        means = [_mean(row, metric) or 0.0 for row in own]
        again: dict[str, Any] = (
            {"ls": (0, (4, 1.2)), "mfc": "white"} if number >= len(COLOURS) else {}
        )
        look = {"color": colour, "lw": 1.8, "marker": mark, "ms": 4.5, **again}
        panel.plot(place, means, label=name, **look)
    panel.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    panel.set_xlabel("support interactions (shots)")
    _cut(panel, rows, metric)
    told = "bands: 95% interval over users and seeds" if len(names) <= BANDS else ""
    _axes(panel, metric, told)


def _cut(panel: "Axes", rows: Sequence[TableRow], metric: str) -> None:
    """Let floors leave the panel that are far behind all models and the best floor; mutates."""
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    told = [(row, sign * mean) for row in rows if (mean := _mean(row, metric)) is not None]
    models = [mean for row, mean in told if row.kind == "model"]
    best: dict[Shots, float] = {}
    for row, mean in told:
        if row.kind == "floor":
            best[row.shots] = min(mean, best.get(row.shots, mean))
    if not models:
        return
    worst = max(*models, *best.values()) + FREE * (max(models) - min(models))
    ends = sorted(sign * end for end in panel.get_ylim())
    panel.set_ylim(*sorted(sign * end for end in (ends[0], min(ends[1], worst))))


def _times(panel: "Axes", rows: Sequence[TableRow], metric: str, dashes: Mapping[str, Any]) -> None:
    """One mark per model at its time and quality; the best floor is a dashed line."""
    models = [row for row in rows if row.kind == "model"]
    for name in _best_floors(rows, metric)[:1]:
        (row,) = _line(rows, name, "floor", metric)
        panel.axhline(_mean(row, metric) or 0.0, color=GREY, lw=1.3, ls=dashes[name], label=name)
    for number, row in enumerate(models):
        mean, spent = _mean(row, metric), row.adapt_ms_per_task
        if mean is None or not spent:
            continue
        low, high = _ends(row, metric)
        panel.errorbar(
            [spent],
            [mean],
            yerr=[[max(mean - low, 0.0)], [max(high - mean, 0.0)]],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKS[number % len(MARKS)],
            ms=6,
            lw=0,
            elinewidth=1.0,
            label=row.row,
        )
    panel.set_xscale("log")
    _widen(panel)
    panel.set_xlabel("adaptation (ms per task)")
    _axes(panel, metric, "bars: 95% interval over users and seeds")


def _widen(panel: "Axes") -> None:
    """Show at least a decade, so that equal times do not look far apart; mutates."""
    from matplotlib.ticker import LogLocator

    left, right = panel.get_xlim()
    middle = (left * right) ** 0.5
    panel.set_xlim(min(left, middle / 4), max(right, middle * 4))
    left, right = panel.get_xlim()
    subs = (1.0,) if right > DECADES * left else (1.0, 2.0, 5.0)
    panel.xaxis.set_major_locator(LogLocator(base=10, subs=subs, numticks=12))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.xaxis.set_minor_locator(LogLocator(base=10, subs=()))


def _axes(panel: "Axes", metric: str, told: str) -> None:
    less = metric in LOWER_IS_BETTER
    panel.set_ylabel(axis_label(metric))
    direction = "lower is better" if less else "higher is better"
    panel.set_title("; ".join(one for one in (direction, told) if one), fontsize=7.5, color=GREY)
    panel.locator_params(axis="y", nbins=6)


def _frame(
    figure: "Drawing", panels: "Sequence[Axes]", heading: str, floors: Mapping[str, Any]
) -> None:
    """Put the title above and one legend below, models before floors; mutates."""
    handles: dict[str, Any] = {}
    for panel in panels:
        found, labels = panel.get_legend_handles_labels()
        handles |= dict(zip(labels, found, strict=True))
    handles = {name: handles[name] for name in sorted(handles, key=lambda name: name in floors)}
    width = figure.get_figwidth()
    longest = max(map(len, handles), default=1)
    columns = max(1, min(len(handles), int(width * 13 / (longest + 7))))
    frame(figure, heading, handles, columns)


def _best_floors(rows: Sequence[TableRow], metric: str) -> list[str]:
    """Return the fewest floors of which one is best at each support size, as far as found simply.

    The floor that is best at most sizes comes first, then the one best at most of those left.
    """
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    best: dict[Shots, set[str]] = {}
    for size in dict.fromkeys(row.shots for row in rows):
        floors = [row for row in rows if row.kind == "floor" and row.shots == size]
        told = {row.row: sign * mean for row in floors if (mean := _mean(row, metric)) is not None}
        if told:
            best[size] = {name for name, mean in told.items() if mean <= min(told.values()) + SAME}
    found = []
    while best:
        names = [name for some in best.values() for name in sorted(some)]
        found.append(max(names, key=names.count))
        best = {size: some for size, some in best.items() if found[-1] not in some}
    return found


def _line(rows: Sequence[TableRow], name: str, kind: str, metric: str) -> list[TableRow]:
    own = [
        row
        for row in rows
        if (row.row, row.kind) == (name, kind) and _mean(row, metric) is not None
    ]
    return sorted(own, key=lambda row: place_of(row.shots))


def _ends(row: TableRow, metric: str) -> tuple[float, float]:
    figure = row.metrics[metric]
    mean = figure.mean or 0.0
    return (
        mean if figure.low is None else figure.low,
        mean if figure.high is None else figure.high,
    )


def _mean(row: TableRow, metric: str) -> float | None:
    return row.metrics[metric].mean


def _of(row: TableRow, section: Section) -> bool:
    return (row.state, row.track) == (section.state, section.track)


def _slug(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "-", text).strip("-").lower()
