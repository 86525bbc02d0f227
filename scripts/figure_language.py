"""Draw which way to use a language model when: what each costs a user, and what it brought.

Usage: python scripts/figure_language.py [--bench FILE] [--figure FILE]

Costs are those of ``bench_language.py --json FILE``, kept in docs/figures/language-models.json, so
that without it the same picture is drawn again. New films are those of docs/tables/text.json,
labelled windows those of docs/tables/tallrec.json.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from bench.figure import STYLE
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

DOCS = Path(__file__).parents[1] / "docs"
KEPT = DOCS / "figures" / "language-models.json"
TEXTS, WINDOWS = DOCS / "tables" / "text.json", DOCS / "tables" / "tallrec.json"
PICTURE = DOCS / "figures" / "language-models.png"
PLAIN, TEXT, FLOOR = "#a8a8a8", "#0072B2", "#D55E00"
"""Colours of what reads no text, of what reads it, and of floors."""
LABELLED = {
    "features": ("seven numbers of a window", PLAIN, "-"),
    "features + texts": ("the same + text similarity", TEXT, "-"),
    "prompt + lora (sentence encoder)": ("prompt, encoder tuned by LoRA", TEXT, "-."),
    "prompt (sentence encoder)": ("prompt, frozen encoder", TEXT, "--"),
}
MARKS, COLOURS = "osD^", ("#0072B2", "#009E73", "#CC79A7", "#56B4E9")
LABELS = (16, 64, 256)
OTHERS = "TALLRec (LLaMA-7B)"


def main() -> None:
    """Keep what is new, and draw."""
    words = _arguments()
    kept: list[dict[str, Any]] = []
    if words.bench:
        kept = costs(_read(words.bench))
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    elif KEPT.exists():
        kept = _read(KEPT)
    else:
        sys.exit(f"error: there is no {KEPT.name}\n  give --bench")
    draw(kept, _read(TEXTS)["rows"], _read(WINDOWS)["rows"], words.figure)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def costs(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return label and milliseconds of a user of each way, from the figures of the bench."""
    each = [
        (f"frozen encoder, {name}", found["frozen"][key]["at once"], found["frozen"]["users"])
        for key, name in (("meta_ridge", "ridge"), ("transfer", "5 gradient steps"))
    ]
    for key, one in found.items():
        if key.startswith("lora "):
            tokens = key.partition(" ")[2]
            each.append((f"pairs, frozen, {tokens} tokens", one["frozen"], one["tasks"]))
            each.append((f"pairs, LoRA, {tokens} tokens", one["at once"], one["tasks"]))
    return [
        {"way": way, "ms": 1e3 * stage["cpu_seconds"] / count}
        for way, stage, count in sorted(each, key=lambda one: one[1]["cpu_seconds"] / one[2])
    ]


def draw(
    ways: Sequence[dict[str, Any]],
    texts: Sequence[dict[str, Any]],
    windows: Sequence[dict[str, Any]],
    path: Path,
) -> None:
    """Write a PNG: cost of a user, what text brings to new films, and a domain with few labels."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.6, 3.9), dpi=160, layout="constrained")
        panels = figure.subplots(1, 3, width_ratios=(0.9, 1.0, 1.0))
        _costs(panels[0], ways)
        _new_items(panels[1], texts)
        _labelled(panels[2], windows)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def _costs(panel: Axes, ways: Sequence[dict[str, Any]]) -> None:
    places = range(len(ways))
    panel.scatter([one["ms"] for one in ways], places, color=TEXT, s=36, zorder=3)
    for place, one in zip(places, ways, strict=True):
        told = f"{one['ms'] / 1e3:.2f} s" if one["ms"] >= 100 else f"{one['ms']:.2f} ms"
        panel.annotate(
            told, (one["ms"], place), xytext=(7, 0), textcoords="offset points", va="center"
        )
    panel.set_yticks(places, [one["way"] for one in ways])
    panel.invert_yaxis()
    panel.set(xscale="log", title="what one user costs")
    panel.set_xlabel("to adapt and give 10 answers, one thread")
    panel.grid(visible=False)
    panel.grid(visible=True, axis="x")
    panel.set_xlim(0.5 * min(one["ms"] for one in ways), 20 * max(one["ms"] for one in ways))
    panel.set_xticks([0.1, 10, 1e3, 1e5])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _time(value)))


def _time(ms: float) -> str:
    return f"{ms:g} ms" if ms < 1e3 else f"{ms / 1e3:g} s"


def _new_items(panel: Axes, rows: Sequence[dict[str, Any]]) -> None:
    """Draw what text takes off the error of otherwise equal rows, with 95% intervals over users."""
    states = list(dict.fromkeys(row["state"] for row in rows))
    gains = {
        (row["row"], row["state"]): row["beside"]["mae"]
        for row in rows
        if "mae" in row.get("beside", {})
    }
    names = list(dict.fromkeys(name for name, _ in gains))
    for number, name in enumerate(names):
        told = [(place, gains[name, s]) for place, s in enumerate(states) if (name, s) in gains]
        shift = 0.16 * (number - (len(names) - 1) / 2)
        panel.errorbar(
            [place + shift for place, _ in told],
            [-one["difference"] for _, one in told],
            [
                [one["high"] - one["difference"] for _, one in told],
                [one["difference"] - one["low"] for _, one in told],
            ],
            fmt=MARKS[number % len(MARKS)],
            color=COLOURS[number % len(COLOURS)],
            ms=5,
            lw=1.2,
            label=name.removesuffix(" + text"),
        )
    panel.axhline(0, color=FLOOR, lw=1.2)
    panel.set_xticks(range(len(states)), [_broken(state) for state in states], fontsize=8)
    panel.set(title="what text brings to new films", ylabel="MAE that text takes off (stars)")
    panel.margins(y=0.1)
    panel.legend(frameon=False, loc="lower left", fontsize=8)


def _broken(state: str) -> str:
    return state.replace(" + ", "\n+ ").replace(" at ", "\nat ")


def _labelled(panel: Axes, rows: Sequence[dict[str, Any]]) -> None:
    """Draw the area under the curve over the number of labelled windows."""
    found = {
        (row["row"], row["state"]): row["metrics"]["auc"]["mean"]
        for row in rows
        if row["track"] == "strict"
    }
    states = [f"K = {labels}" for labels in LABELS]
    for name, (label, color, dash) in LABELLED.items():
        own = [found[name, state] for state in states]
        wide = 5 if color == PLAIN else 1.6  # what reads text lies on it
        panel.plot(LABELS, own, color=color, ls=dash, lw=wide, marker="o", ms=4, label=label)
    share = [found["like share", state] for state in states]
    panel.plot(LABELS, share, color=FLOOR, lw=1.2, label="floor: share of likes in the support")
    panel.plot(
        LABELS,
        [found[OTHERS, state] for state in states],
        "x",
        color="black",
        label=f"{OTHERS}, published",
    )
    panel.set(xscale="log", xlabel="labelled windows, K", ylabel="AUC")
    panel.set_title("few labels (TALLRec's windows)")
    panel.set_xticks(LABELS, [str(labels) for labels in LABELS])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_ylim(0.5, 0.9)
    panel.legend(frameon=False, loc="upper left", fontsize=8, handlelength=3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bench", type=Path, help="JSON that bench_language.py wrote")
    parser.add_argument("--figure", type=Path, default=PICTURE, help="PNG (docs/figures)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
