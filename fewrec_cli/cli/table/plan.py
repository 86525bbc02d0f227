"""From a table to the runs behind it, and which of them have finished already."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from fewrec_cli.cli.catalogue import Catalogue
from fewrec_cli.cli.diagnose import REFUSALS, quoted
from fewrec_cli.cli.faults import check_line, compose_words, composing, faults_of, without_hydra
from fewrec_cli.cli.resolve import config_hash, register_resolvers
from fewrec_cli.cli.sweep import parse
from fewrec_cli.cli.table.spec import Cell, Line, Repeat, Spec
from fewrec_cli.cli.table.words import key, over
from fewrec_cli.cli.words import Line as CommandLine
from fewrec_cli.core.errors import Faults, FewrecError

FINISHED = "metrics.json"
RUNS = "runs"
LOGS = "logs"
LONGEST = 80
"""Characters of a run folder's name before its hash."""


@dataclass(frozen=True)
class Run:
    """One run of a table.

    Attributes:
        row: The row that it belongs to.
        cell: State and track.
        repeat: What tells it from the other runs of its row and cell, e.g. ``seed=1``.
        words: All words of ``fewrec train``; without ``experiment=``, so that they stand alone.
        hash: Of the composed config; runs with equal hashes are one run.
        folder: Where it is, or will be.
        minutes: Its time on one core, estimated.
        finished: Whether its figures are there.
        after: Hashes of the runs that it is made of.
    """

    row: str
    cell: Cell
    repeat: tuple[str, ...]
    words: tuple[str, ...]
    hash: str
    folder: Path
    minutes: float
    finished: bool
    after: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The run in few words."""
        return ", ".join([self.row, str(self.cell), *self.repeat])

    @property
    def log(self) -> Path:
        """File of what the run prints; beside the run folders, as a refused run leaves none."""
        return self.folder.parent.parent / LOGS / f"{self.folder.name}.log"


@dataclass(frozen=True)
class Plan:
    """All runs of a table.

    Attributes:
        spec: The table.
        folder: Where the table is written.
        runs: In the order of the table.
    """

    spec: Spec
    folder: Path
    runs: tuple[Run, ...]

    @property
    def missing(self) -> tuple[Run, ...]:
        """Runs that are still to be done, each once."""
        return tuple({run.hash: run for run in self.runs if not run.finished}.values())

    def only(self, rows: Sequence[str], states: Sequence[str]) -> "Plan":
        """Return the part of some rows and states, with the runs that these are made of.

        No name means all.
        """

        def asked(run: Run) -> bool:
            return (not rows or run.row in rows) and (not states or run.cell.state in states)

        inner = {tag for run in self.runs if asked(run) for tag in run.after}
        return replace(
            self, runs=tuple(run for run in self.runs if asked(run) or run.hash in inner)
        )


def plan_of(
    spec: Spec,
    library: Catalogue,
    folder: Path,
    *,
    words: Sequence[str] = (),
    config_dir: Path | None = None,
    few: bool = False,
) -> Plan:
    """Compose and check every run of a table.

    Args:
        spec: The table.
        library: What can be chosen.
        folder: Where the table is written; runs stand below it, and finished ones of the tables
            beside it are taken as they are.
        words: Put over those of every run.
        config_dir: The user's own config folder.
        few: Only as many runs as it takes for every row and every section to occur, and two of
            the first row, so that there is something to average over.

    Raises:
        Faults: What is wrong with the words of any run, each fault once.
    """
    register_resolvers()
    flags = () if config_dir is None else (("--config-dir", str(config_dir)),)
    line = CommandLine("train", flags, ())
    there = _finished(folder.parent)
    faults: dict[str, FewrecError] = {}
    runs: list[Run] = []
    for cell, row, first in _cover(spec) if few else _starts(spec):
        repeat = repeat_of(spec, cell, first)
        members = [run for run in runs if run.cell == cell and run.row in first.of]
        if first.of and faults and not members:
            continue  # what is wrong with the runs that it is made of has been told
        joined = (_runs_word(members),) if first.of else ()
        own = over(spec.words, library.groups(), (*words_of(spec, cell, first), *joined), words)
        most = None if not few else 1 if runs else 2
        for number, chosen in enumerate(itertools.islice(_product(repeat), most)):
            full = over(own, library.groups(), chosen)
            if number == 0 or any(key(word) in library.groups() for word in chosen):
                composed, found = _composed(line, full, library)
                faults |= {str(one): one for one in found}
            if composed is None:
                continue
            tag = config_hash(_with(composed, chosen) if number else composed)
            place = there.get(tag, folder / RUNS / f"{_slug(row, cell, chosen)}-{tag}")
            shown = chosen if number or len(repeat) > 1 or _many(repeat) else ()
            done = tag in there
            after = tuple(run.hash for run in members)
            minutes = minutes_of(first, cell)
            runs.append(Run(row, cell, shown, full, tag, place, minutes, done, after))
    if faults:
        raise Faults(list(faults.values()))
    return Plan(spec, folder, tuple(runs))


def words_of(spec: Spec, cell: Cell, row: Line) -> tuple[str, ...]:
    """The words of a row in a cell, over the experiment's: later ones win."""
    more = (words for pattern, words in row.more if cell.fits(pattern))
    layers = (spec.states[cell.state].words, spec.tracks[cell.track].words, row.words, *more)
    return tuple(word for layer in layers for word in layer)


def _runs_word(members: Sequence[Run]) -> str:
    """The word that names the runs that a run is made of."""
    return f"strategy.runs=[{','.join(quoted(run.folder.as_posix()) for run in members)}]"


def repeat_of(spec: Spec, cell: Cell, row: Line) -> Repeat:
    """What a row is averaged over in a cell: its own, its state's, or the table's."""
    return row.repeat or spec.states[cell.state].repeat or spec.repeat


def minutes_of(row: Line, cell: Cell) -> float:
    """One run's estimated time on one core (minutes)."""
    return next((minutes for pattern, minutes in row.minutes if cell.fits(pattern)), 0.0)


def count_of(spec: Spec) -> tuple[int, float]:
    """Number of runs and their minutes on one core, told without composing any."""
    count, minutes = 0, 0.0
    for cell, _, row in _starts(spec):
        own = math.prod(map(len, repeat_of(spec, cell, row).values()))
        count, minutes = count + own, minutes + own * minutes_of(row, cell)
    return count, minutes


def _starts(spec: Spec) -> Iterator[tuple[Cell, str, Line]]:
    for cell in spec.cells:
        for name, row in spec.rows.items():
            if row.stands(cell):
                yield cell, name, row


def _cover(spec: Spec) -> Iterator[tuple[Cell, str, Line]]:
    """Few starts in which every row and every section occurs, a row's own runs before it."""
    rows: set[str] = set()
    cells: set[Cell] = set()
    done: set[tuple[Cell, str]] = set()
    for cell, name, row in _starts(spec):
        if name not in rows or cell not in cells:
            for one in (*row.of, name):
                if (cell, one) not in done:
                    yield cell, one, spec.rows[one]
                done.add((cell, one))
        rows.add(name)
        cells.add(cell)


def _product(repeat: Repeat) -> Iterator[tuple[str, ...]]:
    """Every combination of the words and their values."""
    axes = [[f"{word}={value}" for value in values] for word, values in repeat.items()]
    yield from itertools.product(*axes)


def _many(repeat: Repeat) -> bool:
    return any(len(values) > 1 for values in repeat.values())


def _composed(
    line: CommandLine, words: Sequence[str], library: Catalogue
) -> tuple[DictConfig | None, list[FewrecError]]:
    full = CommandLine(line.command, line.flags, tuple(words))
    try:
        with composing(full):
            cfg = compose_words(full, words)
    except REFUSALS:
        try:
            full, _ = check_line(full)  # adds ++ where a word adds a key that something reads
        except Faults as found:
            return None, found.faults
        except FewrecError as fault:
            return None, [fault]
        with composing(full):
            cfg = compose_words(full, full.words)
    return without_hydra(cfg), faults_of(cfg, full.words, library)


def _with(cfg: DictConfig, words: Sequence[str]) -> DictConfig:
    """A copy with the values of some words, read as Hydra reads them."""
    cfg = deepcopy(cfg)
    for override in parse(words):
        OmegaConf.update(cfg, override.get_key_element(), override.value(), merge=False)
    return cfg


def _finished(home: Path) -> Mapping[str, Path]:
    """Folders of the finished runs of all tables, by hash."""
    found = sorted(home.glob(f"*/{RUNS}/*/{FINISHED}"))
    return {path.parent.name.rpartition("-")[2]: path.parent for path in found}


def _slug(row: str, cell: Cell, chosen: Sequence[str]) -> str:
    text = "_".join([row, cell.state, *([cell.track] if cell.track else []), *chosen])
    return re.sub(r"[^A-Za-z0-9_.=]+", "-", text).strip("-")[:LONGEST]
