"""What was measured: ratios, a table, JSON and a picture."""

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

TITLES = {
    "first_k1": "first order, k=1",
    "second_k1": "second order, k=1",
    "second_k5": "second order, k=5",
    "reptile_k5": "Reptile, k=5",
    "ridge": "ridge, over our second order k=5",
    "rank_1682": "adapt + top-10 of 1,682 items",
    "rank_3706": "adapt + top-10 of 3,706 items",
}


@dataclass(frozen=True)
class Report:
    """All figures of one run of the script.

    Attributes:
        settings: Device, threads, versions.
        gemm_gflops: The machine's matrix product (float32), measured in this run.
        pace: Tasks (users) per second by work and contender, e.g. ``loop/32``; medians.
        flops: Operations per task of each kind of training step, counted as a loop does them.
        done: Operations per task that the engine's matrix products really do.
        disagreement: Largest difference of loop's and engine's gradient, as a share of its largest
            number.
    """

    settings: dict[str, str | int]
    gemm_gflops: float
    pace: dict[str, dict[str, float]] = field(default_factory=dict)
    flops: dict[str, float] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    disagreement: dict[str, float] = field(default_factory=dict)

    def add(self, work: str, pace: dict[str, float]) -> None:
        """Keep the medians of one race."""
        self.pace[work] = pace

    def best(self, work: str, who: str) -> tuple[int, float]:
        """Return the meta-batch at which ``who`` is fastest, and its tasks per second."""
        own = {int(n.split("/")[1]): v for n, v in self.pace[work].items() if n.startswith(who)}
        size = max(own, key=own.__getitem__)
        return size, own[size]

    def ratios(self) -> dict[str, float]:
        """Return engine over loop: at meta-batch 32, and each at its own best meta-batch."""
        found = {}
        for work, pace in self.pace.items():
            if work == "ridge":
                found[work] = pace["ridge/256"] / pace["engine/256"]
                continue
            best = self.best(work, "engine")[1] / self.best(work, "loop")[1]
            if work.startswith("rank"):
                found[work] = best
                continue
            found[f"{work}_b32"] = pace["engine/32"] / pace["loop/32"]
            found[f"{work}_best"] = best
        return found

    def share(self, work: str, per_task: dict[str, float]) -> float | None:
        """Return the best step's share of the matrix product's rate, by operations per task."""
        if work not in per_task:
            return None
        return self.best(work, "engine")[1] * per_task[work] / self.gemm_gflops / 1e9

    def content(self) -> dict[str, Any]:
        """Return everything as plain containers."""
        return {
            "ratios": self.ratios(),
            "tasks_per_second": self.pace,
            "gemm_gflops": self.gemm_gflops,
            "share_of_gemm": {work: self.share(work, self.done) for work in self.done},
            "share_of_gemm_in_the_loop_s_operations": {
                work: self.share(work, self.flops) for work in self.flops
            },
            "operations_per_task": self.done,
            "operations_per_task_of_the_loop": self.flops,
            "gradient_difference": self.disagreement,
            "settings": self.settings,
        }


def show(report: Report) -> None:
    """Print one row per kind of work; without a terminal, wide enough for every column."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=130)
    console.print(", ".join(f"{key} {value}" for key, value in report.settings.items()))
    console.print(f"matrix product: {report.gemm_gflops:.0f} GFLOP/s")
    told = ", ".join(f"{work} {value:.0e}" for work, value in report.disagreement.items())
    console.print(f"gradients, loop against engine (float64, largest difference): {told}")
    table = Table(
        title="tasks (users) per second, medians of interleaved rounds", title_justify="left"
    )
    for head in ("work", "loop, 32", "engine, 32", "ratio"):
        table.add_column(head, justify="left" if head == "work" else "right")
    for head in ("best loop", "best engine", "ratio", "of GEMM"):
        table.add_column(head, justify="right")
    for work in report.pace:
        table.add_row(TITLES[work], *_cells(report, work))
    console.print(table)


def _cells(report: Report, work: str) -> list[str]:
    pace, ratios = report.pace[work], report.ratios()
    if work == "ridge":
        base, own = pace["engine/256"], pace["ridge/256"]
        return ["", "", "", f"{base:,.0f} (256)", f"{own:,.0f} (256)", f"{ratios[work]:.1f}x", ""]
    share = report.share(work, report.done)
    told = [f"{n:,.0f} ({size})" for size, n in (report.best(work, w) for w in ("loop", "engine"))]
    if work.startswith("rank"):
        return ["", "", "", *told, f"{ratios[work]:.1f}x", ""]
    return [
        f"{pace['loop/32']:,.0f}",
        f"{pace['engine/32']:,.0f}",
        f"{ratios[work + '_b32']:.1f}x",
        *told,
        f"{ratios[work + '_best']:.1f}x",
        "" if share is None else f"{share:.0%}",
    ]
