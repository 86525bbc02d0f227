"""The shot curve: how each row of the table changes with the number of support interactions."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fewrec_cli.core.paths import written
from fewrec_cli.experiment.result import Row
from fewrec_cli.metric.settings import LOWER_IS_BETTER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure

KINDS = ("model", "unadapted", "oracle", "published", "floor")
"""Kinds of rows, the most important first."""
Shots = int | Literal["all"]

BLUE, ORANGE = "#0072B2", "#D55E00"
GREY = "#777777"
FLOORS: dict[str, dict[str, Any]] = {
    "global mean": {"color": "#999999", "ls": "-", "marker": "s", "mfc": "none", "ms": 6.5},
    "support mean": {"color": "#a8688c", "ls": "--", "marker": "^"},
    "support median": {"color": "#a8688c", "ls": ":", "marker": "v", "mfc": "none"},
    "item mean": {"color": "#333333", "ls": "--", "marker": "D", "mfc": "none", "ms": 6.5},
    "item mean + user offset": {"color": "#111111", "ls": "-", "marker": "D"},
    "popularity": {"color": "#3f7f5f", "ls": "-", "marker": "h", "mfc": "none", "ms": 10},
    "random": {"color": "#999999", "ls": ":", "marker": "x"},
}
"""Look of each floor, the same in every figure; muted hues, the strongest floor darkest."""
UNKNOWN: tuple[dict[str, Any], ...] = (
    {"color": GREY, "ls": "-.", "marker": "<", "mfc": "none"},
    {"color": GREY, "ls": "-.", "marker": ">"},
    {"color": GREY, "ls": "-.", "marker": "p", "mfc": "none"},
)
"""Looks of floors by other names, in turn."""
TOP = 1.0
"""Where the bars of a metric that cannot exceed 1 end."""
UNBOUNDED = ("novelty", "popularity_bias")
"""Metrics of another unit than a share."""
BARS = "bars: ± 1 sd over draws"
STYLE: dict[str, Any] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "errorbar.capsize": 1.5,
}
TITLE, PANEL, UNDER, LINE = 0.55, 2.6, 0.6, 0.2
"""Heights in inches: title, panel, ticks and label under it, one line of the legend."""


def shot_curve(rows: Sequence[Row], metrics: Sequence[str], path: Path, title: str) -> None:
    """Draw one panel per metric into a PNG: shots in order along x, one line per row name.

    The model is a thick line, its unadapted self dashed, the oracle dotted; floors are thin and
    muted, each with its own mark and dash, open marks on top of the model's line where the two
    meet. Bars are one standard deviation over draws, cut at 1 where a metric ends there. Colours
    of the model and the oracle are Okabe and Ito's, safe for colour-blind readers, and every line
    also differs in mark or dash. A metric that no row has, and a row without a figure in any
    panel, are left out.

    Args:
        rows: All rows at all support sizes.
        metrics: Names of the panels' metrics, left to right, e.g. ``mae`` and ``ndcg@5``.
        path: The PNG, written beside and then renamed.
        title: Stands above the panels, on as many lines as it needs.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = _lines(rows)
    drawn = [metric for metric in metrics if any(_has(row, metric) for row in rows)]
    width = max(len(drawn), 1)
    with rc_context(STYLE):  # type: ignore[arg-type]  # its stub wants a TypedDict of 300 keys
        figure = Figure(figsize=(0.9 + 3.4 * width, 4.5), dpi=200)
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, width, squeeze=False)[0]
        order = sorted({row.shots for row in rows}, key=_place)
        for panel, metric in zip(panels, drawn, strict=False):
            _panel(panel, lines, order, metric)
        frame(figure, title, _handles(panels), 2 if width == 1 else 4)
        with written(path) as beside:
            figure.savefig(beside, format="png")


def _lines(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each line by its label, the most important line first, shots ascending."""
    lines: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (KINDS.index(row.kind), _place(row.shots))):
        plain = row.kind != "unadapted" or "unadapted" in row.row
        lines.setdefault(row.row if plain else f"{row.row}, unadapted", []).append(row)
    return lines


def _panel(panel: "Axes", lines: dict[str, list[Row]], order: Sequence[Shots], metric: str) -> None:
    """Draw one metric's curves, the most important last, so that it lies on top."""
    others = [
        label for label, rows in lines.items() if rows[0].kind == "floor" and label not in FLOORS
    ]
    for label, rows in reversed(lines.items()):
        own = [row for row in rows if _has(row, metric)]
        if own:
            drawn = panel.errorbar(
                [order.index(row.shots) for row in own],
                [row.metrics[metric].mean or 0.0 for row in own],
                yerr=_bars(own, metric),
                label=label,
                **_look(own[0], others.index(label) if label in others else 0),
            )
            _lift(panel, drawn, own[0])
    panel.set_xticks(range(len(order)), [str(shots) for shots in order])
    panel.set_xlabel("support interactions (shots)")
    less = metric in LOWER_IS_BETTER
    panel.set_ylabel(axis_label(metric))
    better = "lower is better" if less else "higher is better"
    panel.set_title(f"{better}; {BARS}", fontsize=8, color="#666666")
    panel.locator_params(axis="y", nbins=6)
    panel.margins(x=0.06, y=0.08)


def _handles(panels: Sequence["Axes"]) -> dict[str, Any]:
    """Return what is drawn by its label, what was drawn last first."""
    handles: dict[str, Any] = {}
    for panel in panels:
        found, labels = panel.get_legend_handles_labels()
        handles |= dict(zip(reversed(labels), reversed(found), strict=True))
    return handles


def frame(figure: "Figure", title: str, handles: Mapping[str, Any], columns: int) -> None:
    """Put the title above the panels and one legend below, where it covers no curve.

    Args:
        figure: Its height is set to fit; mutated.
        title: Is wrapped to as many lines as it needs.
        handles: Label to what is drawn, in the order shown.
        columns: Of the legend.
    """
    heading = textwrap.wrap(title, int(13 * figure.get_figwidth())) or [""]
    above = TITLE + LINE * (len(heading) - 1)
    below = UNDER + LINE * -(-len(handles) // columns)
    height, width = above + PANEL + below, figure.get_figwidth()
    figure.set_figheight(height)
    figure.subplots_adjust(
        left=0.75 / width,
        right=1.0 - 0.12 / width,
        top=1.0 - above / height,
        bottom=below / height,
        wspace=0.27,
    )
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="lower center",
        ncols=columns,
        frameon=False,
        handlelength=2.8,
        columnspacing=1.5,
        borderaxespad=0.1,
    )
    figure.suptitle("\n".join(heading), fontsize=10, y=1.0 - 0.08 / height, va="top")


def _look(row: Row, number: int) -> dict[str, Any]:
    if row.kind == "model":
        return {"color": BLUE, "lw": 2.6, "marker": "o", "ms": 5.5, "zorder": 6}
    if row.kind == "unadapted":
        dashed = (0, (5, 2))
        return {"color": BLUE, "lw": 1.4, "ls": dashed, "marker": "o", "ms": 4.5, "mfc": "w"}
    if row.kind == "oracle":
        return {"color": ORANGE, "lw": 1.8, "ls": (0, (1, 1.5))}
    if row.kind == "published":
        return {"color": ORANGE, "lw": 1.2, "ls": "-.", "marker": "*", "ms": 6}
    thin = {"lw": 1.0, "ms": 4, "mew": 1.0, "elinewidth": 0.7}
    return {**thin, **FLOORS.get(row.row, UNKNOWN[number % len(UNKNOWN)])}


def _bars(rows: Sequence[Row], metric: str) -> list[list[float]]:
    """Return the bars below and above each mean, cut where the metric cannot go, ``(2, shots)``."""
    figures = [row.metrics[metric] for row in rows]
    sds = [figure.sd or 0.0 for figure in figures]
    if metric in LOWER_IS_BETTER or metric.startswith(UNBOUNDED):
        return [sds, sds]
    room = [max(TOP - (figure.mean or 0.0), 0.0) for figure in figures]
    return [sds, [min(sd, most) for sd, most in zip(sds, room, strict=True)]]


def _lift(panel: "Axes", drawn: "ErrorbarContainer", row: Row) -> None:
    """Repeat a floor's open marks above the model's line, which may cover them; mutates."""
    line = drawn.lines[0]
    if row.kind != "floor" or line is None or line.get_markerfacecolor() != "none":
        return
    panel.plot(
        line.get_xdata(),
        line.get_ydata(),
        ls="none",
        marker=line.get_marker(),
        ms=line.get_markersize(),
        mew=line.get_markeredgewidth(),
        mec=line.get_color(),
        mfc="none",
        zorder=7,
    )


def _has(row: Row, metric: str) -> bool:
    return metric in row.metrics and row.metrics[metric].mean is not None


def _place(shots: Shots) -> float:
    return float("inf") if shots == "all" else shots


def axis_label(metric: str) -> str:
    """Return a metric in the words of an axis."""
    if metric in LOWER_IS_BETTER:
        return LOWER_IS_BETTER[metric]
    name, _, k = metric.partition("@")
    words = {"ndcg": "nDCG", "ndcg_exp": "nDCG", "mrr": "MRR", "map": "MAP"}
    gain = {"ndcg": " (linear gain)", "ndcg_exp": " (gain 2^stars - 1)"}.get(name, "")
    return f"{words.get(name, name)}{'@' + k if k else ''}{gain}"
