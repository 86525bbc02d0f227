"""The picture: tasks per second over the meta-batch, and users ranked per second."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.report import TITLES, Report

STYLE: dict[str, Any] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}
ENGINE: dict[str, Any] = {"color": "#0072B2", "marker": "o", "lw": 2.2, "ms": 5}
LOOP: dict[str, Any] = {"color": "#777777", "marker": "s", "lw": 1.2, "ms": 4, "ls": "--"}
TRAINED = ("first_k1", "second_k1", "second_k5")
RANKED = ("rank_1682", "rank_3706")


def draw(report: Report, path: Path) -> None:
    """Write a PNG: one panel per kind of training step, then one of ranking."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.6, 3.7), dpi=160, layout="constrained")
        panels = figure.subplots(1, len(TRAINED) + 1)
        for panel, work in zip(panels, TRAINED, strict=False):
            _curves(panel, report, work)
        top = max(max(report.pace[work].values()) for work in TRAINED)
        low = min(min(report.pace[work].values()) for work in TRAINED)
        for panel in panels[:-1]:
            panel.set_ylim(0.6 * low, 1.9 * top)
        panels[0].set_ylabel("tasks per second")
        _bars(panels[-1], report)
        threads, device = report.settings["threads"], str(report.settings["device"])
        where = f"{threads} thread{'s' if threads != 1 else ''} of {device.partition(': ')[2]}"
        figure.suptitle(
            "Whole training steps of a MeLU-sized model, supports of 3 to 90 rows, 10 query rows; "
            f"{where if device.startswith('cpu') else device}",
            fontsize=10,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def _curves(panel: Axes, report: Report, work: str) -> None:
    pace = report.pace[work]
    sizes = sorted(int(name.split("/")[1]) for name in pace if name.startswith("engine"))
    panel.plot(sizes, [pace[f"engine/{size}"] for size in sizes], label="engine", **ENGINE)
    timed = sorted(int(name.split("/")[1]) for name in pace if name.startswith("loop"))
    panel.plot(timed, [pace[f"loop/{size}"] for size in timed], label="per-task loop", **LOOP)
    panel.set(xscale="log", yscale="log", title=TITLES[work], xlabel="tasks per step")
    panel.set_xticks(sizes, [str(size) for size in sizes])
    panel.set_xlim(0.75 * sizes[0], 1.2 * sizes[-1])
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ratios, best = report.ratios(), report.best(work, "engine")
    for size, ratio in ((32, ratios[f"{work}_b32"]), (best[0], ratios[f"{work}_best"])):
        panel.annotate(
            f"{ratio:.1f}x",
            (size, pace[f"engine/{size}"]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            color=ENGINE["color"],
        )
    if work == TRAINED[0]:
        panel.legend(frameon=False, loc="lower right")


def _bars(panel: Axes, report: Report) -> None:
    for place, work in enumerate(RANKED):
        for shift, who, look in ((-0.2, "loop", LOOP), (0.2, "engine", ENGINE)):
            pace = report.best(work, who)[1]
            panel.bar(place + shift, pace, 0.38, color=look["color"])
            told = f"{pace:,.0f}" if who == "loop" else f"{pace:,.0f}\n{report.ratios()[work]:.1f}x"
            panel.annotate(
                told, (place + shift, pace), xytext=(0, 2), textcoords="offset points", ha="center"
            )
    panel.set_xticks(range(len(RANKED)), [f"{int(w.split('_')[1]):,} items" for w in RANKED])
    panel.set(title="adapt, then top-10 of all items", ylabel="users per second")
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    panel.margins(y=0.18)
