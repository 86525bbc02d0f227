"""From words to a running job: the only module that touches Hydra's entry and ``sys.argv``.

Hydra reads ``sys.argv`` and knows no subcommands; Lightning starts further processes on
``sys.argv`` as it then stands. So Hydra gets the line without the command and with flags in front,
and while a job runs the line stands as a child process needs it.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, read_write

from fewrec_cli.cli.commands import BY_NAME, load
from fewrec_cli.cli.ending import forget, interrupted, refused_or_stopped
from fewrec_cli.cli.unwrap import unwrapped
from fewrec_cli.cli.words import Line, take_apart
from fewrec_cli.core.errors import RunFolderError

if TYPE_CHECKING:
    from fewrec_cli.core.progress import Reporter
    from fewrec_cli.experiment.result import RunResult

CONFIGS = "fewrec_cli.configs"
RANK_WORDS = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

Job = Callable[[DictConfig, Path, "Reporter"], object]


@dataclass(frozen=True)
class Done:
    """A finished job.

    Attributes:
        words: What set it apart from the other jobs of its sweep.
        sweep: Folder of the sweep; None for a single run.
        result: Its figures.
    """

    words: str
    sweep: Path | None
    result: "RunResult"


class Stopped(BaseException):
    """Carries a job's exception past Hydra, which catches ``Exception``, and ends a sweep there."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__()
        self.fault = fault


def train(words: Sequence[str]) -> int:
    """Run ``fewrec train``."""
    line = take_apart("train", words)

    def job(cfg: DictConfig, folder: Path, reporter: "Reporter") -> object:
        return load(BY_NAME["train"].job)(cfg, folder, reporter)

    return start(line, line, job)


def evaluate(words: Sequence[str]) -> int:
    """Run ``fewrec evaluate run=FOLDER``."""
    from fewrec_cli.cli.rerun import opened

    line = take_apart("evaluate", words)
    base, inner = opened(line)

    def job(cfg: DictConfig, folder: Path, reporter: "Reporter") -> object:
        return load(BY_NAME["evaluate"].job)(cfg, folder, reporter, base)

    return start(line, inner, job)


def start(typed: Line, inner: Line, job: Job) -> int:
    """Check every job of the line, then let Hydra run them.

    Args:
        typed: The line as the user typed it; what child processes are started with.
        inner: The line as Hydra gets it, without the command.
        job: Does the work of one composed config.

    Raises:
        FewrecError: What a job raised, or what is wrong with the line.
    """
    from fewrec_cli.cli.faults import check_line

    inner, jobs = check_line(inner)
    done: list[Done] = []
    run_hydra(inner, lambda cfg: _run_job(cfg, typed, job, jobs, done))
    if done and done[0].sweep is not None:
        from fewrec_cli.cli.render import show_sweep

        show_sweep(done[0].sweep, [(one.words, one.result) for one in done])
    return 0


def run_hydra(line: Line, task: Callable[[DictConfig], object], program: str | None = None) -> None:
    """Call Hydra's main with flags in front, overrides behind, and our own switches set.

    Args:
        line: What Hydra gets; the command names the root config.
        task: Called with each composed config.
        program: Name of the program to pretend, where the shell's completion asks for it.
    """
    import hydra

    flags = replace(line, flags=tuple(f for f in line.flags if f[0] != "--debug")).spelled()
    entry = hydra.main(
        config_path=f"pkg://{CONFIGS}", config_name=line.command, version_base="1.3"
    )(task)
    with (
        _arguments([program or sys.argv[0], *flags, *line.words]),
        _environment(HYDRA_FULL_ERROR="1"),
    ):
        try:
            entry()
        except Stopped as stopped:
            raise stopped.fault from None
        except HydraException:  # some are OSErrors too
            raise
        except OSError as fault:
            if not _was_making_a_folder(fault):
                raise
            raise RunFolderError(
                f"cannot create the folder {fault.filename}: {fault.strerror}",
                "choose another with hydra.run.dir=FOLDER (a sweep: hydra.sweep.dir=FOLDER)",
            ) from fault


def _run_job(cfg: DictConfig, typed: Line, job: Job, jobs: int, done: list[Done]) -> None:
    """Run one job with everything a child process of it needs in place."""
    from fewrec_cli.cli.render import show
    from fewrec_cli.core.progress import Reporter
    from fewrec_cli.experiment.result import RunResult

    folder = Path(HydraConfig.get().runtime.output_dir)
    fresh = not any(folder.iterdir())
    with (
        _arguments([sys.argv[0], *child_arguments(typed)]),
        _ranks_restored(),
        Reporter(quiet=rank() > 0) as reporter,
    ):
        _pin_folder(folder)
        if rank() == 0:
            reporter.log_to(folder / "log.txt")
        name = _name_in_sweep(jobs)
        if name:
            reporter.say(name)
        try:
            _refuse_finished(folder)
            if BY_NAME[typed.command].job.partition(":")[0] not in sys.modules:
                reporter.say("loading torch and Lightning")  # seconds without a sign of life
            result = job(cfg, folder, reporter)
        except (Exception, KeyboardInterrupt, SystemExit) as fault:
            if name:
                reporter.say(f"{name}: not finished; the sweep stops here")
            left = not (fresh and refused_or_stopped(fault) and forget(folder))
            told = unwrapped(interrupted(fault, folder if left else None))
            raise Stopped(told) from fault
    if not isinstance(result, RunResult):
        return
    try:
        show(result)
    except OSError as fault:  # the reader of our stdout has gone
        raise Stopped(fault) from fault
    hydra = HydraConfig.get()
    sweep = Path(hydra.sweep.dir).absolute() if name else None
    done.append(Done(" ".join(hydra.overrides.task), sweep, result))


def _was_making_a_folder(fault: OSError) -> bool:
    """Whether Hydra failed to make the folder of a run, which it does before the job."""
    frames = traceback.extract_tb(fault.__traceback__)
    return bool(frames) and frames[-1].name in ("mkdir", "makedirs")


def child_arguments(typed: Line) -> list[str]:
    """What a child process of the present job is started with: flags first, overrides after.

    Lightning appends overrides, and Hydra refuses overrides on both sides of a flag. A job of a
    sweep must hand on its own choices only, and say ``hydra.mode=RUN``: else a ``sweep=`` preset
    would make the child start the whole sweep again.
    """
    hydra = HydraConfig.get()
    multirun = hydra.mode is not None and hydra.mode.name == "MULTIRUN"
    if not multirun:
        return [typed.command, *typed.spelled("--run"), *typed.words]
    flags = typed.spelled("--multirun", "--run")
    own = [word for word in typed.words if word.startswith("run=")]
    return [typed.command, *flags, *own, *hydra.overrides.task, "hydra.mode=RUN"]


def _pin_folder(folder: Path) -> None:
    """Write the job's real folder into Hydra's live config, where Lightning looks for it.

    Within a sweep ``hydra.run.dir`` is the folder a single run would have had, and each child
    would write into a stray one. The node is read-only: only it is unlocked.
    """
    live = cast("DictConfig", HydraConfig.get())
    with read_write(live.run):
        live.run.dir = str(folder)


@contextmanager
def _ranks_restored() -> Iterator[None]:
    """Forget, after a job, that this process took part in a group of processes.

    Lightning leaves its rank in the environment and the process group open; the next job of a
    sweep would take itself for a child, or wait for peers that are gone.
    """
    before = {word: os.environ.get(word) for word in RANK_WORDS}
    try:
        yield
    finally:
        for word, value in before.items():
            os.environ.pop(word, None)
            if value is not None:
                os.environ[word] = value
        distributed = sys.modules.get("torch.distributed")
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()


def rank() -> int:
    """Which of several processes this is; 0 for the one that speaks and writes."""
    return max(int(os.environ.get(word, "0")) for word in ("RANK", "LOCAL_RANK", "NODE_RANK"))


def _name_in_sweep(jobs: int) -> str:
    hydra = HydraConfig.get()
    if hydra.mode is None or hydra.mode.name != "MULTIRUN":
        return ""
    number = f"job {hydra.job.num} (of 0 to {jobs - 1})"  # as in the name of its folder
    return f"{number}: {' '.join(hydra.overrides.task)}"


def _refuse_finished(folder: Path) -> None:
    """A second run into the folder of a finished one would leave a mixture that looks finished."""
    if rank() == 0 and (folder / "metrics.json").exists():
        raise RunFolderError(
            f"{folder} holds a finished run already",
            "choose another folder with hydra.run.dir=FOLDER, or remove that one",
        )


@contextmanager
def _arguments(argv: list[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = argv
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _environment(**words: str) -> Iterator[None]:
    before = {word: os.environ.get(word) for word in words}
    os.environ.update(words)
    try:
        yield
    finally:
        for word, value in before.items():
            os.environ.pop(word, None)
            if value is not None:
                os.environ[word] = value
