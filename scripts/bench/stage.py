"""Stages of a longer work: time by the clock, time on the CPU, and the peak of memory."""

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MIB = 1 << 20


@dataclass(frozen=True)
class Stage:
    """What one stage took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Time on the CPU, which neighbours on the machine stretch less.
        mib: Peak of resident memory during it, above what was resident before (MiB).
    """

    seconds: float
    cpu_seconds: float
    mib: float


def resident(word: str) -> float:
    """Return ``VmRSS`` (now) or ``VmHWM`` (the peak) of this process in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(word):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {word} in /proc/self/status: this bench needs Linux")


def _give_back() -> None:
    """Let the C library return what is free: it keeps what an earlier stage has used."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
        if trim is not None:
            trim(0)


@contextmanager
def measured(into: dict[str, Stage], name: str) -> Iterator[None]:
    """Put time and peak memory of the block into ``into[name]``."""
    _give_back()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    before, started, on_cpu = resident("VmRSS"), time.perf_counter(), time.process_time()
    yield
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - on_cpu
    into[name] = Stage(seconds, cpu_seconds, max(resident("VmHWM") - before, 0.0))


def interleaved(
    stages: dict[str, Stage], work: dict[str, Callable[[], object]], repeats: int
) -> None:
    """Measure several ways in turns; the median of time, the largest memory of each."""
    rounds: list[dict[str, Stage]] = []
    for _ in range(repeats):
        found = dict[str, Stage]()
        for name, call in work.items():
            with measured(found, name):
                result = call()
            del result
        rounds.append(found)
    for name in work:
        stages[name] = Stage(
            median(found[name].seconds for found in rounds),
            median(found[name].cpu_seconds for found in rounds),
            max(found[name].mib for found in rounds),
        )
