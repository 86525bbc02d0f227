"""What ``fewrec data check`` prints: a data set's counts, attributes, and what was dropped."""

import sys
from collections.abc import Sequence

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import IntArray
from fewrec_cli.data.base import Dataset, DataSource

EDGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
BAR = 30
NO_LIMIT = 100_000
"""Columns of a file or a pipe."""


def run(cfg: DictConfig, reporter: Reporter) -> None:
    """Load the data of a composed config and print what is in it to stdout.

    Args:
        cfg: A composed config of ``train``; ``data`` is read, and ``scenario`` where there is one.
        reporter: Told how far reading is.

    Raises:
        DataError: The data cannot be read.
    """
    source: DataSource = instantiate(cfg.data)
    dataset = source.load(reporter)
    tables = (
        counts(dataset, cfg),
        *histograms(dataset),
        attributes(dataset),
        notes(dataset),
        files(dataset),
    )
    _print(f"{dataset.name}, hash {dataset.hash}", [table for table in tables if table.row_count])


def _print(heading: str, tables: Sequence[Table]) -> None:
    """Print to stdout: as wide as the terminal, or one line per row where there is none."""
    terminal = Console(highlight=False, soft_wrap=True).is_terminal
    console = Console(highlight=False, soft_wrap=True, width=None if terminal else NO_LIMIT)
    with console.capture() as captured:
        console.print(heading, markup=False)
        for table in tables:
            console.print()
            console.print(table)
    lines = captured.get().splitlines()
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines))


def counts(dataset: Dataset, cfg: DictConfig) -> Table:
    """Return users, items, interactions, density and how many users the scenario can use."""
    table = _table("counts", "", "number")
    rows = len(dataset.interactions)
    table.add_row("users", f"{dataset.n_users:,}")
    table.add_row("items", f"{dataset.n_items:,}")
    table.add_row("interactions", f"{rows:,}")
    table.add_row("density", f"{rows / (dataset.n_users * dataset.n_items):.4%}")
    if dataset.scale is None:
        table.add_row("ratings", "none (implicit data)")
    else:
        scale = dataset.scale
        table.add_row("scale", f"{scale.low:g} to {scale.high:g} in steps of {scale.step:g}")
        liked = float((dataset.interactions.rating >= dataset.positive).mean())
        table.add_row(f"rated {dataset.positive:g} or more", f"{liked:.1%}")
    needed = needed_rows(cfg)
    if needed is not None:
        enough = int((dataset.rows_per_user() >= needed).sum())
        why = reason_of(cfg)
        table.add_row(f"users with {needed} or more interactions ({why})", f"{enough:,}")
    return table


def needed_rows(cfg: DictConfig) -> int | None:
    """Return how many interactions the scenario wants of a user, or None without a scenario.

    ``scenario.min_interactions`` where it is a number, else shots + query; with ``shots=all`` one
    row of support suffices.
    """
    if "scenario" not in cfg or not {"shots", "query", "min_interactions"} <= set(cfg.scenario):
        return None
    least = cfg.scenario.min_interactions
    if least is not None:
        return int(least)
    shots = cfg.scenario.shots
    return (1 if shots in (None, "all") else int(shots)) + int(cfg.scenario.query)


def reason_of(cfg: DictConfig) -> str:
    """Return where ``needed_rows`` comes from, in the words of the config; there is a scenario."""
    if cfg.scenario.min_interactions is not None:
        return "scenario.min_interactions"
    least = " of at least 1" if cfg.scenario.shots in (None, "all") else ""
    return f"scenario.shots={cfg.scenario.shots}{least} + scenario.query={cfg.scenario.query}"


def histograms(dataset: Dataset) -> tuple[Table, ...]:
    """Return the histograms of ratings, of interactions per user, and per item."""
    tables = []
    if dataset.scale is not None:
        steps = (dataset.interactions.rating - dataset.scale.low) / dataset.scale.step
        levels = dataset.scale.levels
        # Means of doubled rows may lie between two levels; they count for the nearest one.
        found = np.bincount(np.rint(steps).astype(np.int64), minlength=len(levels))
        names = [f"{level:g}" for level in levels]
        tables.append(_histogram("ratings", "rating", names, found.tolist()))
    per_item = np.bincount(dataset.interactions.item, minlength=dataset.n_items)
    for side, per in (("user", dataset.rows_per_user()), ("item", per_item.astype(np.int64))):
        names, found_in = bins(per)
        tables.append(_histogram(f"interactions per {side}", "interactions", names, found_in))
    return tuple(tables)


def bins(per: IntArray) -> tuple[list[str], list[int]]:
    """Return names and sizes of the bins of a histogram of counts.

    Example:
        >>> bins(np.array([1, 3, 4, 60]))
        (['1', '2-4', '5-9', '10-19', '20-49', '50-99'], [1, 2, 0, 0, 0, 1])
    """
    uppers = (*(edge - 1 for edge in EDGES[1:]), None)
    names, sizes = [], []
    for lower, upper in zip(EDGES, uppers, strict=True):
        if lower > per.max():
            break
        inside = per >= lower if upper is None else (per >= lower) & (per <= upper)
        span = f"{lower}+" if upper is None else f"{lower}-{upper}"
        names.append(str(lower) if lower == upper else span)
        sizes.append(int(inside.sum()))
    return names, sizes


def attributes(dataset: Dataset) -> Table:
    """Return the attributes that backbones see."""
    table = _table("attributes", "of", "name", "kind", "values", "known", "examples")
    for side, fields in (("users", dataset.user_fields), ("items", dataset.item_fields)):
        for field in fields:
            known = float((np.diff(field.offsets) > 0).mean())
            examples = ", ".join(field.vocabulary[:4]) if field.kind != "numeric" else ""
            values = f"{len(field.vocabulary):,}" if field.kind != "numeric" else ""
            table.add_row(side, field.name, field.kind, values, f"{known:.1%}", examples)
    return table


def notes(dataset: Dataset) -> Table:
    """Return what was found, recognised, merged and dropped."""
    table = _table("what the reader did", "subject", "count", "what")
    for note in dataset.notes:
        table.add_row(note.subject, f"{note.count:,}", note.text)
    return table


def files(dataset: Dataset) -> Table:
    """Return the files that were read."""
    table = _table("files", "name", "bytes", "sha256")
    for source in dataset.sources:
        table.add_row(source.name, f"{source.size:,}", source.sha256)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in columns:
        right = name in ("number", "count", "bytes", "values", "known")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table


def _histogram(title: str, what: str, names: Sequence[str], sizes: Sequence[int]) -> Table:
    table = _table(title, what, "count", "")
    most = max(sizes)
    for name, size in zip(names, sizes, strict=True):
        table.add_row(name, f"{size:,}", "#" * round(BAR * size / most))
    return table
