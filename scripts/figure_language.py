"""Draw which way to use a language model when: what each costs a user, and what it brought.

Usage: python scripts/figure_language.py [--bench FILE]
       [--pair NAME WITHOUT WITH ...] [--figure FILE]

Costs are those of ``bench_language.py --json FILE``; errors on new items those of pairs of finished
runs, which should differ in the text alone. Both are kept in docs/figures/language-models.json, so
that without them the same picture is drawn again. Labelled windows are those of
docs/tables/tallrec.json.
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
KEPT, TABLE = DOCS / "figures" / "language-models.json", DOCS / "tables" / "tallrec.json"
PICTURE = DOCS / "figures" / "language-models.png"
PLAIN, TEXT, FLOOR = "#a8a8a8", "#0072B2", "#D55E00"
"""Colours of what reads no text, of what reads it, and of floors."""
LABELLED = {
    "features": ("seven numbers of a window", PLAIN, "-"),
    "features + texts": ("the same + text similarity", TEXT, "-"),
    "prompt (sentence encoder)": ("prompt, frozen encoder", TEXT, "--"),
}
LABELS = (16, 64, 256)
OTHERS = "TALLRec (LLaMA-7B)"


def main() -> None:
    """Keep what is new, and draw."""
    words = _arguments()
    kept: dict[str, Any] = {"costs": [], "pairs": []}
    if KEPT.exists():
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
    if words.bench:
        kept["costs"] = costs(json.loads(words.bench.read_text(encoding="utf-8")))
    if words.pair:
        kept["pairs"] = [
            {"name": name, "without": errors(Path(one)), "with": errors(Path(other))}
            for name, one, other in words.pair
        ]
    if not (kept["costs"] and kept["pairs"]):
        sys.exit(f"error: {KEPT.name} holds no costs or no runs\n  give --bench and --pair")
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    draw(kept, json.loads(TABLE.read_text(encoding="utf-8")), words.figure)


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


def errors(run: Path) -> dict[str, Any]:
    """Return the error of a finished run on new items, that of its best floor, and what it was."""
    told = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    shots = next(word for word in told["signature"].split(" | ") if word.startswith("shots="))
    rows = [
        row
        for row in told["rows"]
        if row["metrics"]["mae"]["mean"] is not None and f"shots={row['shots']}" == shots
    ]
    floors = {row["row"]: row["metrics"]["mae"]["mean"] for row in rows if row["kind"] == "floor"}
    best = min(floors, key=floors.__getitem__)
    return {
        "mae": next(row["metrics"]["mae"]["mean"] for row in rows if row["kind"] == "model"),
        "floor": best,
        "floor_mae": floors[best],
        "signature": told["signature"],
    }


def draw(kept: dict[str, Any], table: dict[str, Any], path: Path) -> None:
    """Write a PNG: cost of a user, error on new films, and a domain with few labels."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.6, 3.9), dpi=160, layout="constrained")
        panels = figure.subplots(1, 3, width_ratios=(0.9, 1.0, 1.0))
        _costs(panels[0], kept["costs"])
        _new_items(panels[1], kept["pairs"])
        _labelled(panels[2], table["rows"])
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


def _new_items(panel: Axes, pairs: Sequence[dict[str, Any]]) -> None:
    for place, pair in enumerate(pairs):
        for shift, which, color in ((-0.2, "without", PLAIN), (0.2, "with", TEXT)):
            gain = pair[which]["floor_mae"] - pair[which]["mae"]
            label = None if place else f"{which} text"
            panel.bar(place + shift, gain, 0.38, color=color, label=label)
            panel.annotate(
                f"{gain:+.3f}",
                (place + shift, gain),
                xytext=(0, 2 if gain > 0 else -10),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    names = [pair["name"].replace("; ", "\n") for pair in pairs]
    panel.set_xticks(range(len(pairs)), names, fontsize=8)
    panel.axhline(0, color=FLOOR, lw=1.2)
    panel.set(title="new films", ylabel="MAE below the best floor's (stars)")
    panel.margins(y=0.25)
    panel.legend(frameon=False, loc="upper right", fontsize=8)


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
    panel.legend(frameon=False, loc="upper left", fontsize=8)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bench", type=Path, help="JSON that bench_language.py wrote")
    parser.add_argument(
        "--pair",
        nargs=3,
        action="append",
        metavar=("NAME", "WITHOUT", "WITH"),
        help="runs on the same new items, without text and with it (NAME: '; ' starts a line)",
    )
    parser.add_argument("--figure", type=Path, default=PICTURE, help="PNG (docs/figures)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
