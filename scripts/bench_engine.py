"""How fast the engine is, beside per-task loops and the machine's own matrix product.

Usage: python scripts/bench_engine.py [--quick] [--threads 1] [--device auto] [--json FILE]
       [--figure [FILE]]

A step is a whole training step: forward, backward, fused Adam. Contenders run interleaved in one
process on the same tasks, and medians are compared. Before anything is timed, the gradients of
loop and engine are compared on one meta-batch, in float64.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from bench import ours, ranking, train
from bench.clock import Budget, Contender, clock_of, gemm_gflops, race
from bench.figure import draw
from bench.flops import per_task
from bench.report import Report, show
from bench.workload import HIDDEN, QUERY, WIDTH, Meta, dataset, meta_batch, model

from fewrec_cli.data.base import Dataset

WIDTHS = (8 * WIDTH, *HIDDEN, 1)
FIGURE = Path("docs/figures/engine.png")


@dataclass(frozen=True)
class Plan:
    """How long and how much is measured.

    Attributes:
        rounds: Counted rounds of each race.
        least_s: Least time of a contender in a round (seconds).
        total_s: For all races together; each ends with the round in which its share is over
            (seconds).
        sizes: Meta-batches that the engine is timed at.
        loop_sizes: Meta-batches that the loops are timed at.
        catalogues: Items that are ranked.
        ranked: Users ranked at a time.
        draws: Different meta-batches of each size, taken in turn.
    """

    rounds: int = 9
    least_s: float = 0.2
    total_s: float = 420.0
    sizes: tuple[int, ...] = (32, 64, 128, 256, 512)
    loop_sizes: tuple[int, ...] = (32, 256)
    catalogues: tuple[int, ...] = (1_682, 3_706)
    ranked: int = 128
    draws: int = 4


QUICK = Plan(9, 0.05, 30.0, (32, 128, 256, 512), (32, 64), draws=2)
TINY = Plan(1, 0.0, 0.0, (32, 256), (32,), ranked=2, draws=1)
"""Every key of the results and no time spent: for the tests."""


def main() -> None:
    """Measure, print, and write what was asked for."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    device = _device(arguments.device)
    plan = TINY if arguments.tiny else QUICK if arguments.quick else Plan()
    report = measure(plan, device, arguments.engine)
    show(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report.content(), indent=2) + "\n", encoding="utf-8")
    if arguments.figure:
        draw(report, arguments.figure)


def measure(plan: Plan, device: torch.device, engine: str) -> Report:
    """Compare gradients, then time everything."""
    budget = Budget(plan.total_s, len(train.WORKS) + 1 + len(plan.catalogues))
    data = dataset()
    backbone = model(data, device)
    metas = {size: _metas(size, plan.draws, device) for size in {*plan.sizes, *plan.loop_sizes}}
    report = Report(_settings(device), gemm_gflops(device, plan.rounds))
    for work in train.WORKS:
        meta = metas[min(metas)][0]
        report.disagreement[work.name] = train.disagreement(work, backbone, data, meta, engine)

    def timed(contenders: Sequence[Contender]) -> dict[str, float]:
        return race(contenders, plan.rounds, plan.least_s, budget.next_s(), device)

    for work in train.WORKS:
        contenders = [train.looped(work, backbone, metas[size]) for size in plan.loop_sizes]
        for size in plan.sizes:
            own = deepcopy(backbone)
            strategy = work.strategy(own, data, size, engine).to(device)
            contenders.append(train.engine(strategy, own, metas[size], "engine"))
        report.add(work.name, timed(contenders))
        report.done[work.name] = train.operations(contenders[-1])
    report.add("ridge", timed(_ridge(data, metas[256], device, engine)))
    for items in plan.catalogues:
        contenders = ranking.contenders(items, plan.ranked, device)
        report.add(f"rank_{items}", timed(contenders))
    shots = sum(float(m.batch.support.weight.sum()) for m in metas[256]) / 256 / plan.draws
    for work in train.WORKS[:3]:
        second = work.order == "second"
        report.flops[work.name] = per_task(WIDTHS, shots, QUERY, work.steps, second_order=second)
    return report


def _ridge(
    data: Dataset, metas: Sequence[Meta], device: torch.device, engine: str
) -> list[Contender]:
    """Return the step through the closed-form solve and our own second-order one."""
    adapters = {"engine": ours.gradient("second", 5, train.RATE, engine), "ridge": ours.ridge()}
    contenders = []
    for name, adapter in adapters.items():
        own = model(data, device)
        strategy = ours.maml(own, data, adapter, len(metas[0])).to(device)
        contenders.append(train.engine(strategy, own, metas, name))
    return contenders


def _metas(size: int, draws: int, device: torch.device) -> list[Meta]:
    return [meta_batch(size, 1000 * size + draw, device) for draw in range(draws)]


def _settings(device: torch.device) -> dict[str, str | int]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": f"{device.type}: {name}",
        "threads": torch.get_num_threads(),
        "clock": "processor time" if clock_of(device) is time.process_time else "wall time",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _device(word: str) -> torch.device:
    if word == "auto":
        word = "cuda" if torch.cuda.is_available() else "cpu"
    if word == "cuda" and not torch.cuda.is_available():
        sys.exit("error: --device cuda: torch sees no CUDA device")
    return torch.device(word)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and sizes: under 50 s")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; fixed for all (1)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--engine", default="auto", help="strategy.engine: auto, fast, vmap, loop")
    parser.add_argument("--json", type=Path, help="write ratios and tasks per second here")
    parser.add_argument("--figure", type=Path, nargs="?", const=FIGURE, help=f"PNG ({FIGURE})")
    return parser.parse_args()


if __name__ == "__main__":
    main()
