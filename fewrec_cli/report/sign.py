"""The line under a section: what its figures depend on."""

from collections.abc import Sequence

from fewrec_cli.report.run import Run

BEFORE = ("data", "scenario", "shots", "query", "draws", "candidates", "positive", "no_positive")
AFTER = ("gain", "ties", "k")
DECODING = "mae: expected rating, mae_median: median level"
MOST = 4
"""Values of one part that are told; of more, only how many."""


def signature(runs: Sequence[Run], selection: str) -> str:
    """Return data, scenario, draws, seeds, decoding, selection and version in one line.

    Args:
        runs: Those of the section; a part in which they differ has all its values.
        selection: How values were chosen; empty to say what the runs know of it.
    """
    told = {name: _values(runs, name) for name in BEFORE}
    told["seeds"] = _joined([str(seed) for seed in sorted({run.seed for run in runs})])
    told |= {name: _values(runs, name) for name in AFTER}
    if not all(run.implicit for run in runs):
        told["decoding"] = DECODING
    told["selection"] = selection or _selection(runs)
    told["episodes"] = _joined(dict.fromkeys(run.episode_hash[:8] for run in runs))
    told["version"] = _values(runs, "version")
    return " | ".join(f"{name}={value}" for name, value in told.items() if value)


def _selection(runs: Sequence[Run]) -> str:
    selected = {run.selected for run in runs}
    if selected == {True}:
        return "steps, strengths and floors' constants on validation tasks"
    return "on validation tasks where there are any" if True in selected else "none"


def _values(runs: Sequence[Run], name: str) -> str:
    return _joined(dict.fromkeys(run.signature.get(name, "") for run in runs))


def _joined(values: Sequence[str] | dict[str, None]) -> str:
    listed = list(values)
    return "/".join(listed) if len(listed) <= MOST else f"({len(listed)} different)"
