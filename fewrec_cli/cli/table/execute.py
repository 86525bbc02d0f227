"""Run what a table is missing, a few processes at a time."""

import multiprocessing
import os
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from fewrec_cli.cli.table.plan import FINISHED, Run
from fewrec_cli.cli.table.screen import Screen
from fewrec_cli.cli.table.worker import run_one
from fewrec_cli.core.errors import Interrupted
from fewrec_cli.core.paths import make_folder

LOOK_EVERY_S = 0.5
PATIENCE_S = 60.0
"""How long interrupted runs may take to save what they have."""
PRELOADED = "fewrec_cli.experiment.pipeline"


def execute(
    runs: Sequence[Run],
    jobs: int,
    *,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    screen: Screen,
) -> tuple[Run, ...]:
    """Run each of ``runs``; one that fails does not keep the others from running.

    Each is a process of its own, forked from one that has torch loaded, which saves seconds per
    run. What an earlier attempt left in a run's folder is removed first.

    Args:
        runs: In the order in which they start; the longest had best come first.
        jobs: How many at a time.
        flags: Of ``fewrec train``, e.g. ``--config-dir DIR``.
        environment: Variables that the runs find set.
        screen: Told what happens.

    Returns:
        The runs that failed.

    Raises:
        Interrupted: Ctrl-C; running runs are interrupted too, finished ones stay.
    """
    process_of = _process_of()
    queue, running = deque(runs), dict[str, tuple[Run, BaseProcess]]()
    failed: list[Run] = []
    try:
        while queue or running:
            while len(running) < jobs and (run := ready(queue, running)) is not None:
                queue.remove(run)
                running[run.hash] = (run, _start(process_of, run, flags, environment or {}))
                screen.start(run)
            wait([process.sentinel for _, process in running.values()], LOOK_EVERY_S)
            screen.show({tag: _last_line(run.log) for tag, (run, _) in running.items()})
            for run, process in [one for one in running.values() if not one[1].is_alive()]:
                process.join()
                del running[run.hash]
                failure = failure_of(run, process.exitcode)
                failed += [run] if failure else []
                screen.end(run, failure)
    except KeyboardInterrupt:
        _stop([process for _, process in running.values()])
        done = sum((run.folder / FINISHED).is_file() for run in runs)
        raise Interrupted(
            "interrupted",
            f"{done} of {len(runs)} runs are finished and kept; the same command runs the others",
        ) from None
    return tuple(failed)


def ready(queue: Iterable[Run], running: Collection[str]) -> Run | None:
    """Return the first run that waits for no other, or None."""
    ahead = {*running, *(run.hash for run in queue)}
    return next((run for run in queue if ahead.isdisjoint(run.after)), None)


def _process_of() -> Callable[..., BaseProcess]:
    """Return what makes a process, ``multiprocessing.Process`` with a start method chosen."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn").Process
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context.Process


def _start(
    process_of: Callable[..., BaseProcess],
    run: Run,
    flags: Sequence[str],
    environment: Mapping[str, str],
) -> BaseProcess:
    if run.folder.exists():
        shutil.rmtree(run.folder)  # unfinished: no metrics.json stands in it
    make_folder(run.folder.parent)
    make_folder(run.log.parent)
    run.log.unlink(missing_ok=True)
    words = [*flags, *run.words]
    process = process_of(
        target=run_one, args=(words, run.folder.absolute(), run.log.absolute(), environment)
    )
    process.start()
    return process


def failure_of(run: Run, code: int | None) -> tuple[str, str] | None:
    """What went wrong and where to read on, or None where the figures are there."""
    if code == 0 and (run.folder / FINISHED).is_file():
        return None
    told = [line for line in _lines(run.log) if line.startswith("error: ")]
    why = told[-1].removeprefix("error: ") if told else _ending(code)
    return why, f"see {run.log}; the other runs go on"


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"ended by {signal.Signals(-code).name}, which is how a lack of memory ends too"
    return f"ended with exit code {code}"


def _stop(processes: Sequence[BaseProcess]) -> None:
    """Interrupt what runs, once, and wait until it has saved what it has."""
    for process in processes:
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGINT)
    until = time.monotonic() + PATIENCE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _last_line(log: Path) -> str:
    return next((line.strip() for line in reversed(_lines(log)) if line.strip()), "")


def _lines(log: Path) -> list[str]:
    if not log.is_file():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()
