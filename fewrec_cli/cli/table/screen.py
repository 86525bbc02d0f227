"""How far a table is: all its runs on one screen, plain lines where there is no terminal."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from fewrec_cli.cli.table.plan import Run

MINUTE = 60.0
LINE = 60
"""Characters of what a run said last."""


class Screen:
    """Tells what starts, ends and fails on stderr; a context manager.

    Args:
        runs: Number of runs to do.
        minutes: Their estimated minutes on one core.
        jobs: How many at a time.
        stream: Where to; stderr by default.
    """

    def __init__(self, runs: int, minutes: float, jobs: int, stream: TextIO | None = None) -> None:
        self.console = Console(file=stream, stderr=stream is None, highlight=False, soft_wrap=True)
        self.runs, self.left, self.jobs = runs, minutes, max(1, min(jobs, runs))
        self.ended, self.spent, self.foretold = 0, 0.0, 0.0
        self._started: dict[str, float] = {}
        self._lines: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            Elapsed(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._whole = self._bars.add_task("runs", total=runs, note="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def start(self, run: Run) -> None:
        """A run begins."""
        self._started[run.hash] = time.monotonic()
        self._lines[run.hash] = self._bars.add_task(run.label, total=None, note="")
        if not self.console.is_terminal:
            self.console.print(f"start: {run.label}", markup=False)

    def show(self, said: Mapping[str, str]) -> None:
        """What each running run said last, by its hash."""
        for tag, line in said.items():
            self._bars.update(self._lines[tag], note=line[:LINE])

    def end(self, run: Run, failure: tuple[str, str] | None) -> None:
        """A run has ended: told in one line, a failure in two."""
        seconds = time.monotonic() - self._started.pop(run.hash)
        self._bars.remove_task(self._lines.pop(run.hash))
        self.ended += 1
        self.left -= run.minutes
        if failure is None:
            self.spent, self.foretold = self.spent + seconds, self.foretold + run.minutes * MINUTE
        note = self.remaining()
        self._bars.update(self._whole, completed=self.ended, note=note)
        head = f"[{self.ended} of {self.runs}] {run.label}"
        if failure is None:
            told = f"{head}: {seconds:.0f} s{f', {note}' if note else ''}"
        else:
            told = f"error: {run.label}: {failure[0]}\n  {failure[1]}"
        self.console.print(told, markup=False)

    def remaining(self) -> str:
        """The time left, from the estimates and how they have held so far."""
        if self.ended >= self.runs:
            return ""
        pace = self.spent / self.foretold if self.foretold else 1.0
        return f"about {max(self.left, 0.0) * pace / self.jobs:.0f} min left"
