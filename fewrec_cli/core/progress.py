"""Progress and log lines: bars on a terminal, plain lines elsewhere, always on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[..., None]
"""``advance(n=1, note="")``: n more units are done; the note stands beside the bar."""

PLAIN_EVERY_S = 5.0
PROBE_S = 1.0
"""Seconds of work from which the rest is estimated."""
WORTH_SAYING_S = 3.0
"""Seconds of work left below which nobody need be told."""


class Reporter:
    """Tells the user what happens: one per process, used as a context manager.

    Args:
        stream: Where lines and bars go; stderr by default.
        quiet: Say nothing but errors (processes of rank above 0).
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self.seconds: dict[str, float] = {}
        self._log: TextIO | None = None
        self._bars: Progress | None = None
        self._running: list[Advance] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def __deepcopy__(self, memo: object) -> Self:
        """A copy of what holds a reporter tells the same user."""
        return self

    def log_to(self, path: Path) -> None:
        """Write every line said from now on into ``path`` as well."""
        if self._log is not None:
            self._log.close()
        self._log = path.open("a", encoding="utf-8")

    def say(self, text: str) -> None:
        """Say one plain line."""
        if self._log is not None:
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
            self._log.flush()
        if not self.quiet:
            self.console.print(text, markup=False)

    @contextmanager
    def stage(self, name: str, total: float | None = None) -> Iterator[Advance]:
        """Time a stage of the run and show how far it is.

        Args:
            name: The stage's word, e.g. ``pretrain``; ``seconds[name]`` adds up its wall time.
            total: Units of work, or None when unknown.

        Yields:
            A function to call as work gets done.
        """
        started = time.perf_counter()
        shown = self._bar(name, total) if self.console.is_terminal else self._lines(name, total)
        try:
            with shown as advance:
                self._running.append(advance)
                try:
                    yield advance
                finally:
                    self._running.pop()
        finally:
            spent = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def beside(self, note: str) -> None:
        """Show how far a unit of the innermost running stage is; without a stage, nothing."""
        if self._running:
            self._running[-1](0, note)

    @contextmanager
    def _bar(self, name: str, total: float | None) -> Iterator[Advance]:
        if self._bars is None:
            self._bars = Progress(
                TextColumn("{task.description:<10}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self.console,
                disable=self.quiet,
            )
            self._bars.start()
        bars = self._bars
        task = bars.add_task(name, total=total, note="")

        def advance(n: float = 1, note: str | None = None) -> None:
            bars.advance(task, n)
            if note is not None:
                bars.update(task, note=note)

        try:
            yield advance
        finally:
            bars.stop_task(task)
            if all(t.finished or t.stop_time is not None for t in bars.tasks):
                bars.stop()
                self._bars = None

    @contextmanager
    def _lines(self, name: str, total: float | None) -> Iterator[Advance]:
        started = last = time.perf_counter()
        done = 0.0

        def advance(n: float = 1, note: str | None = None) -> None:
            nonlocal done, last
            done += n
            now = time.perf_counter()
            if now - last < PLAIN_EVERY_S:
                return
            last = now
            parts = [f"{name} {done:,.0f}"]
            if total and done:
                left = (now - started) / done * max(total - done, 0.0)
                parts = [f"{name} {done:,.0f} of {total:,.0f}", f"about {spelled(left)} left"]
            self.say(", ".join([*parts, note] if note else parts))

        yield advance


class Estimate:
    """Says once, after the first second of work, how long all of it takes, where that is long.

    Args:
        what: The work in words, e.g. ``encoding 3,883 items``.
        total: Units of work.
        say: Takes the sentence; None: nobody is told.
    """

    def __init__(self, what: str, total: float, say: Callable[[str], None] | None) -> None:
        self.what = what
        self.total = total
        self.say = say
        self.started = time.perf_counter()
        self.seen = 0.0

    def done(self, units: float) -> None:
        """Count finished units."""
        self.seen += units
        spent = time.perf_counter() - self.started
        if self.say is None or spent < PROBE_S or not self.seen:
            return
        whole = spent * self.total / self.seen
        if whole - spent > WORTH_SAYING_S:
            self.say(f"{self.what}: about {spelled(whole)}")
        self.say = None


def spelled(seconds: float) -> str:
    """Return a time as people say it: ``95 s``, ``12 min``, ``66 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
