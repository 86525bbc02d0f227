"""Interleaved timing: every contender runs in every round, and medians over rounds count.

What disturbs the machine for a while then disturbs all of them alike.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Contender:
    """A piece of work under a name.

    Attributes:
        name: E.g. ``loop/32``.
        work: Does one unit of it and returns how many tasks that was.
    """

    name: str
    work: Callable[[], int]


def race(
    contenders: Sequence[Contender], rounds: int, least_s: float, device: torch.device
) -> dict[str, float]:
    """Return tasks per second of each contender, the median over rounds.

    Args:
        contenders: In the order in which they run in each round.
        rounds: Counted rounds, after one that warms up.
        least_s: A contender repeats its work within a round until this much time has passed.
        device: Waited for before the clock is read.
    """
    found: dict[str, list[float]] = {one.name: [] for one in contenders}
    for one in contenders:
        one.work()
    for _ in range(rounds):
        for one in contenders:
            found[one.name].append(_pace(one, least_s, device))
    return {name: statistics.median(paces) for name, paces in found.items()}


def _pace(one: Contender, least_s: float, device: torch.device) -> float:
    _wait(device)
    started, tasks = time.perf_counter(), 0
    while True:
        tasks += one.work()
        _wait(device)
        spent = time.perf_counter() - started
        if spent >= least_s:
            return tasks / spent


def gemm_gflops(device: torch.device, rounds: int, size: int = 1024) -> float:
    """Return the best float32 rate of a square matrix product (GFLOP/s): the machine's peak."""
    left, right = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    out = torch.empty_like(left)
    best = float("inf")
    for _ in range(5 * rounds):
        _wait(device)
        started = time.perf_counter()
        torch.mm(left, right, out=out)
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best / 1e9


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
