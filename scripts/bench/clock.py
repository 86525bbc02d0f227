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
    contenders: Sequence[Contender],
    rounds: int,
    least_s: float,
    most_s: float,
    device: torch.device,
) -> dict[str, float]:
    """Return tasks per second of each contender, the median over rounds.

    Args:
        contenders: In the order in which they run in each round.
        rounds: Counted rounds, after one that warms up and counts only if time allows no other.
        least_s: A contender repeats its work within a round until this much time has passed.
        most_s: No second round is begun once this much time has passed (seconds).
        device: Waited for before the clock is read.
    """
    clock = clock_of(device)
    found: dict[str, list[float]] = {one.name: [] for one in contenders}
    started = time.perf_counter()
    for number in range(1 + rounds):
        if number and time.perf_counter() - started > most_s:
            break
        for one in contenders:
            found[one.name].append(_pace(one, least_s, device, clock))
    return {name: statistics.median(paces[1:] or paces) for name, paces in found.items()}


class Budget:
    """Shares a time among races, so that all end within it on a slow machine too.

    Args:
        total_s: For all races together (seconds).
        races: Their number.
    """

    def __init__(self, total_s: float, races: int) -> None:
        self.end = time.perf_counter() + total_s
        self.races = races

    def next_s(self) -> float:
        """Return the share of the next race in what is left (seconds)."""
        left = max(self.end - time.perf_counter(), 0.0) / max(self.races, 1)
        self.races -= 1
        return left


def clock_of(device: torch.device) -> Callable[[], float]:
    """Return the clock: a single CPU thread's own time, so that other programs on the machine count
    as little as can be; else the time on the wall.
    """
    single = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if single else time.perf_counter


def _pace(
    one: Contender, least_s: float, device: torch.device, clock: Callable[[], float]
) -> float:
    _wait(device)
    started, tasks = clock(), 0
    while True:
        tasks += one.work()
        _wait(device)
        spent = clock() - started
        if spent >= least_s:
            return tasks / spent


def gemm_gflops(device: torch.device, rounds: int, size: int = 1024) -> float:
    """Return the best float32 rate of a square matrix product (GFLOP/s): the machine's peak."""
    left, right = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    out = torch.empty_like(left)
    best, clock = float("inf"), clock_of(device)
    for _ in range(5 * rounds):
        _wait(device)
        started = clock()
        torch.mm(left, right, out=out)
        _wait(device)
        best = min(best, clock() - started)
    return 2 * size**3 / best / 1e9


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
