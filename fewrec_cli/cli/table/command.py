"""``fewrec table``: list the tables, or run what one is missing and write it."""

import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fewrec_cli.cli.catalogue import Catalogue, catalogue
from fewrec_cli.cli.diagnose import for_shell, quoted
from fewrec_cli.cli.importing import add_import_path
from fewrec_cli.cli.suggest import ask
from fewrec_cli.cli.table import smoke
from fewrec_cli.cli.table.asked import Asked, take_apart
from fewrec_cli.cli.table.outcome import Outcome, status, write_table
from fewrec_cli.cli.table.plan import Plan, Run, count_of, plan_of
from fewrec_cli.cli.table.read import named, read_spec, tables
from fewrec_cli.cli.table.spec import Spec
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.paths import make_folder

HOME = Path("outputs/tables")
SMOKE_HOME = Path("outputs/tables-smoke")
SMOKE_DATA = "data"


def table(words: Sequence[str]) -> int:
    """Run ``fewrec table``; 1 where a run failed."""
    asked = take_apart(words)
    add_import_path(asked.config_dir)
    library = catalogue(asked.config_dir)
    if not asked.tables and not asked.every:
        return _list(library, asked)
    names = tuple(tables(library)) if asked.every else asked.tables
    specs = [read_spec(*named(library, name)) for name in names]
    _refuse_unknown(asked, specs)
    if asked.smoke and not (asked.report or asked.plan):
        shutil.rmtree(SMOKE_HOME, ignore_errors=True)  # every run anew, or nothing would be tried
    plans = [_plan(spec, library, asked) for spec in specs]
    parts = [_part(plan, asked) for plan in plans]
    _tell(parts, asked)
    if asked.plan:
        for plan in parts:
            _say([_command(run, asked) for run in {run.hash: run for run in plan.runs}.values()])
        return 0
    environment = smoke.generated(SMOKE_HOME / SMOKE_DATA) if asked.smoke else {}
    failed = 0
    for plan, part in zip(plans, parts, strict=True):
        failed += 0 if asked.report else _run(part, asked, environment)
        outcome = write_table(plan, _reduced(asked))
        _show(plan, outcome, quiet=asked.smoke)
    return 1 if failed else 0


def _list(library: Catalogue, asked: Asked) -> int:
    chosen = (asked.words, asked.states, asked.rows, asked.plan, asked.report, asked.smoke)
    if any(chosen):
        raise ConfigError(
            "table lacks its name", "write fewrec table NAME, or --all; fewrec table lists them"
        )
    specs = [read_spec(name, path) for name, path in tables(library).items()]
    counted = [count_of(spec) for spec in specs]
    width = max((len(spec.name) for spec in specs), default=0) + 2
    for spec, (count, minutes) in zip(specs, counted, strict=True):
        told = f"{count} runs, about {minutes / asked.jobs:.0f} min"
        _say(
            [
                f"{spec.name:<{width}}{spec.title}",
                f"{'':<{width}}{told}; {status(HOME / spec.name)}",
            ]
        )
    whole = sum(minutes for _, minutes in counted) / asked.jobs
    _say([f"all: about {whole:.0f} min with {asked.jobs} runs at a time (fewrec table --all)"])
    return 0


def _refuse_unknown(asked: Asked, specs: Sequence[Spec]) -> None:
    """A row or state that no named table has."""
    for flag, wanted, known in (
        ("--rows", asked.rows, [name for spec in specs for name in spec.rows]),
        ("--states", asked.states, [name for spec in specs for name in spec.states]),
    ):
        for name in wanted:
            if name not in known:
                among = ", ".join(dict.fromkeys(known))
                raise ConfigError(
                    f"{flag} {name}: no such one in table {', '.join(s.name for s in specs)}",
                    ask(name, known, f"one of: {among}"),
                )


def _plan(spec: Spec, library: Catalogue, asked: Asked) -> Plan:
    words = (*(smoke.WORDS if asked.smoke else ()), *(spec.smoke if asked.smoke else ()))
    home = SMOKE_HOME if asked.smoke else HOME
    folder = home / "_".join([spec.name, *map(_in_a_name, asked.words)])
    return plan_of(
        spec,
        library,
        folder,
        words=(*words, *asked.words),
        config_dir=asked.config_dir,
        few=asked.smoke,
    )


def _part(plan: Plan, asked: Asked) -> Plan:
    """What the user asked for of a table."""
    part = plan.only(asked.rows, asked.states)
    if not part.runs:
        raise ConfigError(
            f"table {plan.spec.name} has no run of these rows in these states",
            "see its runs with --plan",
        )
    return part


def _in_a_name(word: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.=]+", "-", word).strip("-")


def _reduced(asked: Asked) -> tuple[str, ...]:
    """What sets the runs apart from those of the table proper."""
    told = ("On generated data with two steps of training: the figures mean nothing.",)
    words = (f"Every run with {' '.join(asked.words)}.",) if asked.words else ()
    return (*(told if asked.smoke else ()), *words)


def _tell(plans: Sequence[Plan], asked: Asked) -> None:
    """Say how many runs there are to do, and about how long that takes."""
    whole = 0.0
    for plan in plans:
        missing = plan.missing
        minutes = sum(run.minutes for run in missing) / asked.jobs
        whole += minutes
        todo = f"{len(missing)} to run, about {minutes:.0f} min" if missing else "all finished"
        if asked.smoke or asked.report:
            todo = f"{len(missing)} to run" if missing else "all finished"
        _note(f"{plan.spec.name}: {plan.spec.title}: {len(plan.runs)} runs, {todo}")
    if len(plans) > 1 and not asked.smoke and not asked.report:
        _note(f"all: about {whole:.0f} min with {asked.jobs} runs at a time")


def _command(run: Run, asked: Asked) -> str:
    """The run as a line of the shell; it writes where the table looks for it."""
    place = f"hydra.run.dir={quoted(run.folder.as_posix())}"
    flags = [] if asked.config_dir is None else ["--config-dir", str(asked.config_dir)]
    return " ".join(map(for_shell, ["fewrec", "train", *run.words, place, *flags]))


def _run(plan: Plan, asked: Asked, environment: dict[str, str]) -> int:
    """Run what is missing, the longest first; returns how many failed."""
    missing = sorted(plan.missing, key=lambda run: -run.minutes)
    if not missing:
        return 0
    from fewrec_cli.cli.table.execute import execute
    from fewrec_cli.cli.table.screen import Screen

    make_folder(plan.folder)
    flags = [] if asked.config_dir is None else ["--config-dir", str(asked.config_dir)]
    started = time.monotonic()
    minutes = sum(run.minutes for run in missing)
    with Screen(len(missing), minutes, asked.jobs) as screen:
        failed = execute(missing, asked.jobs, flags=flags, environment=environment, screen=screen)
    spent = (time.monotonic() - started) / 60
    _note(
        f"{plan.spec.name}: {len(missing) - len(failed)} of {len(missing)} runs in {spent:.1f} min"
    )
    return len(failed)


def _show(plan: Plan, outcome: Outcome, *, quiet: bool) -> None:
    """Print the table, its failed checks unless ``quiet``, and last its folder."""
    if sys.stdout.isatty():
        from fewrec_cli.cli.report import show_table

        show_table(outcome.table, "sd")
    else:
        from fewrec_cli.report.write import text

        _say([text(outcome.table, "md").rstrip()])
    _say([outcome.further, ""] if outcome.further else [""])
    for told in () if quiet else outcome.failed:
        _note(f"FAIL: {told}")
    _say([str(plan.folder.absolute())])


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")
