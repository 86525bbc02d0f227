"""``report``: its words, checked before anything heavy is loaded, and the table on a terminal."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from fewrec_cli.cli import report_deciles
from fewrec_cli.cli.commands import BY_NAME
from fewrec_cli.cli.suggest import ask
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.paths import require_folder
from fewrec_cli.report.formats import FORMATS
from fewrec_cli.report.run import GIVE

if TYPE_CHECKING:
    from rich.console import Console

    from fewrec_cli.report.deciles.model import DecileTable
    from fewrec_cli.report.grid import Grid
    from fewrec_cli.report.model import Shots, Table

Spread = Literal["sd", "interval"]
SPREADS: tuple[Spread, ...] = get_args(Spread)
CHOICES: Mapping[str, Sequence[str]] = {
    "--format": FORMATS,
    "--spread": SPREADS,
    "--against": ("floor",),
    "--over": ("scenario.seed",),
}
"""What may follow a flag, for completion."""
EXAMPLES = {
    "--format": "md,html",
    "--out": "FOLDER",
    "--metrics": "mae,ndcg@5",
    "--shots": "1,5,all",
    "--against": "floor",
    "--over": "scenario.seed",
    "--spread": "interval",
    "--deciles": "mae,ndcg@5",
    "--title": "'MovieLens 100K'",
}


@dataclass(frozen=True)
class Wanted:
    """The command line, taken apart.

    Attributes:
        folders: Where runs are looked for.
        formats: Empty for what fits: a table on a terminal, Markdown elsewhere, all into files.
        out: Where files go; None to print.
        metrics: Columns; None for the usual ones.
        shots: Support sizes; None for each run's own.
        against: ``floor`` or a row.
        over: Words averaged over.
        spread: What stands beside a mean.
        title: One line above the table; None for the data sets' names.
        deciles: Metrics that are split by decile; None for none. Printed, they take the table's
            place; in files they stand beside it.
    """

    folders: tuple[Path, ...]
    formats: tuple[str, ...] = ()
    out: Path | None = None
    metrics: tuple[str, ...] | None = None
    shots: "tuple[Shots, ...] | None" = None
    against: str = "floor"
    over: tuple[str, ...] = ()
    spread: Spread = "sd"
    title: str | None = None
    deciles: tuple[str, ...] | None = None


def report(words: Sequence[str]) -> int:
    """Print one table of many runs, or write it into files."""
    wanted = read(words)
    from fewrec_cli.report.write import text, write

    deciles = _deciles(wanted)
    if deciles is not None and wanted.out is None:
        sys.stdout.write(report_deciles.printed(deciles, wanted.formats))
        return 0
    table = _table(wanted)
    if wanted.out is not None:
        formats = wanted.formats or FORMATS
        split = report_deciles.files(deciles, wanted.out, formats)
        for file in (*write(table, wanted.out, formats, wanted.spread), *split):
            sys.stderr.write(f"{file}\n")
        sys.stdout.write(f"{wanted.out}\n")
    elif not wanted.formats and sys.stdout.isatty():
        show_table(table, wanted.spread)
    else:
        for word in wanted.formats or ("md",):
            sys.stdout.write(text(table, word, wanted.spread))
    return 0


def _deciles(wanted: Wanted) -> "DecileTable | None":
    if wanted.deciles is None:
        return None
    return report_deciles.split(
        wanted.folders,
        metrics=wanted.deciles,
        shots=wanted.shots,
        over=wanted.over,
        title=wanted.title,
    )


def _table(wanted: Wanted) -> "Table":
    from fewrec_cli.report.build import build, columns_of
    from fewrec_cli.report.group import entries_of
    from fewrec_cli.report.run import find_runs

    found = find_runs(wanted.folders)
    columns = columns_of(found.runs, wanted.metrics)
    grouped = entries_of(found.runs, wanted.over, columns)
    names = dict.fromkeys(run.signature.get("data", "").partition("@")[0] for run in found.runs)
    return build(
        grouped.entries,
        title=", ".join(names) if wanted.title is None else wanted.title,
        metrics=columns,
        shots=wanted.shots,
        against=wanted.against,
        notes=(*found.notes, *grouped.notes),
    )


def read(words: Sequence[str]) -> Wanted:
    """Read the line.

    Raises:
        ConfigError: A flag is unknown, given twice, or has no usable value.
        RunFolderError: A folder is absent, or a file.
    """
    folders, given = _apart(words)
    if not folders:
        raise ConfigError(
            "report lacks the runs", "write fewrec report FOLDER, a sweep or several runs"
        )
    for folder in folders:
        require_folder(Path(folder), GIVE)
    formats = _several(given, "--format")
    for word in formats or ():
        if word not in FORMATS:
            raise ConfigError(f"no format {word!r}", ask(word, FORMATS, _one_of(FORMATS)))
    out = given.get("--out")
    if out is None and formats is not None and len(formats) > 1:
        raise ConfigError(
            f"{len(formats)} formats cannot be printed one after another",
            "keep one of them, or write them into files with --out FOLDER",
        )
    spread = next((one for one in SPREADS if one == given.get("--spread", "sd")), None)
    if spread is None:
        word = given["--spread"]
        raise ConfigError(f"--spread cannot be {word!r}", ask(word, SPREADS, _one_of(SPREADS)))
    return Wanted(
        folders=tuple(Path(folder) for folder in folders),
        formats=formats or (),
        out=None if out is None else Path(out),
        metrics=_several(given, "--metrics"),
        shots=_shots(_several(given, "--shots")),
        against=given.get("--against", "floor"),
        over=_several(given, "--over") or (),
        spread=spread,
        title=given.get("--title"),
        deciles=_several(given, "--deciles"),
    )


def _apart(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Tell folders from flags with their values."""
    flags = [word for word, _ in BY_NAME["report"].words if word.startswith("--")]
    folders: list[str] = []
    given: dict[str, str] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("-"):
            name, equals, value = word.partition("=")
            if equals and f"--{name}" in flags:
                raise ConfigError(f"{word} is no folder", f"did you mean --{name} {value}?")
            folders.append(word.removeprefix("run="))
            continue
        flag, equals, value = word.partition("=")
        if flag not in flags:
            raise ConfigError(
                f"report has no flag {flag}", ask(flag, flags, "see fewrec report --help")
            )
        if not equals and (not queue or queue[0].startswith("-")):
            raise ConfigError(f"{flag} lacks its value", f"write {flag} {EXAMPLES[flag]}")
        if flag in given:
            raise ConfigError(f"{flag} is given twice", f"write {flag} {EXAMPLES[flag]} once")
        given[flag] = value if equals else queue.pop(0)
    return folders, given


def _several(given: Mapping[str, str], flag: str) -> tuple[str, ...] | None:
    if flag not in given:
        return None
    names = tuple(name.strip() for name in given[flag].split(",") if name.strip())
    if not names:
        raise ConfigError(f"{flag} lacks its value", f"write {flag} {EXAMPLES[flag]}")
    return names


def _shots(words: Sequence[str] | None) -> "tuple[Shots, ...] | None":
    if words is None:
        return None
    for word in words:
        if word != "all" and not word.isdecimal():
            raise ConfigError(
                f"--shots cannot be {word!r}", "give numbers of ratings, or all: --shots 1,5,all"
            )
    told: tuple[Shots, ...] = tuple("all" if word == "all" else int(word) for word in words)
    return tuple(dict.fromkeys(told))


def _one_of(names: Sequence[str]) -> str:
    return f"one of: {', '.join(names)}"


def show_table(table: "Table", spread: Spread) -> None:
    """Print the table boxed, the columns that fit; what is left out is said."""
    from rich.console import Console

    from fewrec_cli.report.layout import blocks

    console = Console(highlight=False, markup=False, width=shutil.get_terminal_size().columns)
    if table.title:
        console.print(table.title, style="bold")
    for block in blocks(table, spread):
        if block.title:
            console.print(f"\n{block.title}", style="bold")
        for grid in block.grids:
            if not grid.detail:
                _print(console, grid)
        for line in block.lines:
            console.print(line, style="dim")
    for note in table.notes:
        console.print(f"\n{note}")


def _print(console: "Console", grid: "Grid") -> None:
    from rich import box
    from rich.table import Table as Boxed

    kept, left_out = fitting(grid, console.width)
    boxed = Boxed(
        title=grid.title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in kept:
        boxed.add_column(grid.head[column], justify="right" if column else "left", no_wrap=True)
    for cells, kind in zip(grid.lines, grid.kinds, strict=True):
        told = [f"*{cells[n].text}" if cells[n].bold else cells[n].text for n in kept]
        style = "dim" if kind in ("floor", "oracle") else "bold" if kind == "model" else None
        boxed.add_row(*told, style=style)
    console.print(boxed, "")
    if left_out:
        console.print(f"left out for width: {', '.join(left_out)} (--metrics, --out)", style="dim")


def fitting(grid: "Grid", width: int) -> tuple[list[int], list[str]]:
    """Return the columns that fit into ``width`` characters, the first first, and the others."""
    longest = [
        max(len(text) for text in (grid.head[n], *(cells[n].text for cells in grid.lines))) + 2
        for n in range(len(grid.head))
    ]
    kept, room = [0], width - longest[0]
    for column in range(1, len(grid.head)):
        room -= longest[column]
        if room >= 0 or column == 1:
            kept.append(column)
    return kept, [name for n, name in enumerate(grid.head) if n not in kept]
