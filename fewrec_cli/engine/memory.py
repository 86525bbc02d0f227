"""How much memory is free, and how much a meta-step takes, told before it is run."""

from dataclasses import dataclass
from pathlib import Path

import torch

BLOCK_SHARE = 0.25
"""Share of the free memory that one block of a longer work may take."""
STEP_SHARE = 0.5
"""Share of the free memory that a training step may take; the optimiser, evaluation and other
programs have the rest."""
SYSTEM, CONTAINER = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
"""Where Linux tells how much memory is free, and what a container may use."""
SMALL = 1 << 28
"""Bytes that are always there; nobody asks the system for them."""
UNKNOWN = 2 << 30
"""Free bytes that are assumed where the system does not tell."""


@dataclass(frozen=True)
class MetaStep:
    """The sizes that a meta-step's memory depends on.

    Attributes:
        tasks: Tasks that are adapted at once.
        support: Rows of the longest support, copies and negatives counted.
        query: Rows of the longest query, negatives counted.
        width: Numbers kept of a row: its features and every hidden layer.
        adapted: Numbers that each task adapts.
        steps: Inner steps.
        second_order: Whether the graph of the steps is kept.
        shared: Numbers of the backbone; each has a gradient.
        element_size: Bytes of a number.
    """

    tasks: int
    support: int
    query: int
    width: int
    adapted: int
    steps: int
    second_order: bool
    shared: int
    element_size: int = 4

    @property
    def shared_bytes(self) -> int:
        """Return what a step takes whatever the number of its tasks: three gradients' worth.

        Every lookup of a table has a gradient of the table's size, and two of them are summed.
        """
        return 3 * self.shared * self.element_size

    @property
    def task_bytes(self) -> int:
        """Return what one task takes, from above.

        With P adapted numbers, rows of W numbers, s support rows, q query rows and k steps:

        - first order: P·(2.5 + 1.25·k) + W·(1.5·s + 2·q): weights and their gradient now, a copy
          and a gradient of every step (for learned step sizes), the features twice for a moment;
        - second order: P·(2.5 + 2.25·k) + W·((2 + 0.7·k)·s + 3·q): every step also keeps its
          forward and backward pass.

        The factors are the least quarters (tenths for rows) that are above the measured peak of the
        general path for every adapted set, order and k of 1, 2 and 5; the fast path takes less.
        Networks of a strategy's own are not counted.
        """
        k, rows = self.steps, self.width
        if self.second_order:
            numbers = self.adapted * (2.5 + 2.25 * k)
            numbers += rows * ((2 + 0.7 * k) * self.support + 3 * self.query)
        else:
            numbers = self.adapted * (2.5 + 1.25 * k)
            numbers += rows * (1.5 * self.support + 2 * self.query)
        return int(numbers * self.element_size)

    @property
    def bytes(self) -> int:
        """Return what the whole step takes, from above."""
        return self.shared_bytes + self.tasks * self.task_bytes

    def parts(self, free: int) -> int:
        """Return into how many parts the step is cut so that each fits, at least 1.

        Args:
            free: Bytes that the step may take.
        """
        most = max(1, (free - self.shared_bytes) // max(self.task_bytes, 1))
        return -(-self.tasks // most) if self.tasks else 1


def free_bytes(device: torch.device) -> int:
    """Return how many bytes of memory are free on the device of the computation.

    On a GPU, what the driver has left plus what PyTorch holds without using it; on the CPU, the
    less of what Linux has left (``MemAvailable``) and what the limit of a container leaves; both
    count caches that the system would give up.
    """
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + int(held)
    system = _listed(SYSTEM).get("MemAvailable:")
    free = UNKNOWN if system is None else system << 10
    limit, used = (_number(CONTAINER / name) for name in ("memory.max", "memory.current"))
    if limit is None or used is None:
        return free
    return max(
        0, min(free, limit - used + _listed(CONTAINER / "memory.stat").get("inactive_file", 0))
    )


def _listed(path: Path) -> dict[str, int]:
    """Read lines of a word and a number; an absent file has none."""
    if not path.exists():
        return {}
    rows = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1}


def _number(path: Path) -> int | None:
    """Read a single number, or None where there is none or it is ``max``."""
    text = path.read_text(encoding="ascii").strip() if path.exists() else ""
    return int(text) if text.isdigit() else None


def fitting(device: torch.device, bytes_each: int) -> int:
    """Return how many pieces of ``bytes_each`` one block of work may hold, at least 1."""
    return max(1, int(BLOCK_SHARE * free_bytes(device)) // max(bytes_each, 1))


def tasks_at_once(device: torch.device, tasks: int, bytes_each: int) -> int | None:
    """Return how many tasks are computed at once so that they fit, or None: all of them.

    Args:
        device: Of the computation.
        tasks: How many there are.
        bytes_each: What one of them holds, from above.
    """
    if tasks * bytes_each <= SMALL:
        return None
    step = fitting(device, bytes_each)
    return None if step >= tasks else step
