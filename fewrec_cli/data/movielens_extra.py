"""Facts on films beyond MovieLens' own: age class, genres, directors, writers and cast."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import BoolArray, Field, IdArray, IntArray
from fewrec_cli.data.base import Note, SourceFile
from fewrec_cli.data.delimited import read_texts
from fewrec_cli.data.field import categorical, multi
from fewrec_cli.data.files import (
    DataFile,
    describe_places,
    first_place,
    named_file,
    place_found,
    source_file,
)
from fewrec_cli.data.layout import Layout
from fewrec_cli.data.prepare import SideTable, align

FILE = "movies_extrainfos.dat"
FOLDERS = ("ml-1m-extra", "ml-1m", "movielens/ml-1m", "movielens")
COLUMNS = (
    "item", "title", "year", "class", "released", "genres", "directors", "writers", "actors",
    "plot", "poster",
)  # fmt: skip
LAYOUT = Layout("::", "utf-8", COLUMNS, quoted=False)
LISTS = {"genres": "further genres", "directors": "directors", "writers": "writers",
         "actors": "actors"}  # fmt: skip
"""Columns of several values, separated by commas, and the attribute that each becomes."""
UNKNOWN = "N/A"
ROLE = re.compile(r"\s*\([^()]*\)")
"""What a writer wrote, e.g. ``(screenplay)``: the same name with another role is the same value."""
LEAST_AGREED = 0.5
"""Share of the films found whose year must agree; below it, the ids are those of other films."""


@dataclass(frozen=True)
class Extra:
    """Further attributes of the rated films.

    Attributes:
        fields: Each one row per rated film.
        notes: Where they come from, what was recognised, films without a line.
        source: The file read.
    """

    fields: tuple[Field, ...]
    notes: tuple[Note, ...]
    source: SourceFile


def read_extra(
    named: str, root: str | None, item_ids: IdArray, year: IntArray, rare: int, reporter: Reporter
) -> Extra:
    """Read the file that MeLU ships and join it to the rated films by id.

    Args:
        named: Path of the file, or ``auto`` to look for ``movies_extrainfos.dat`` where the data
            is looked for, there also in ``ml-1m-extra/``, ``ml-1m/`` and ``movielens/``.
        root: As ``data.root``.
        item_ids: Of the rated films, ``(n_items,)``.
        year: Of the rated films by MovieLens' titles, 0 where unknown, ``(n_items,)``.
        rare: Values on fewer films than this fold into ``other``.
        reporter: Told how far reading is.

    Raises:
        DataError: The file is nowhere, broken, or lists other films.
    """
    file, where = _find(named, root)
    columns = read_texts(file, LAYOUT, reporter)
    table, _ = align(item_ids, SideTable(file.label, columns.pop("item"), columns), "item", "keep")
    listed = np.array([bool(title) for title in table.columns["title"]])
    refuse_other_films(file.label, table, listed, year, "data.extra")
    pairs = [categorical("class", _known(table.columns["class"]), rare)]
    for column, word in LISTS.items():
        pairs.append(multi(word, list(_names(table.columns[column])), rare))
    notes = [Note("further facts", int(listed.sum()), f"films joined by id: {where}")]
    if not listed.all():
        text = f"rated films without a line in {file.path.name}: no further facts"
        notes.append(Note("further facts", int((~listed).sum()), text))
    return Extra(
        tuple(field for field, _ in pairs),
        (*notes, *(note for _, note in pairs)),
        source_file(file.path),
    )


def _find(named: str, root: str | None) -> tuple[DataFile, str]:
    """Return the file, and how a note says where it is."""
    if named != "auto":
        file = named_file(named, "data.extra")
        return file, file.path.name

    def look(place: Path) -> Path | None:
        folders = (place, *(place / name for name in FOLDERS))
        return next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)

    hit = first_place(root, look)
    if hit is None:
        raise DataError(
            f"data.extra=auto: no {FILE} in {describe_places(root)}",
            "put MeLU's file there, name it with data.extra=FILE, or leave data.extra=null",
        )
    word, path = hit
    return DataFile(path), f"read from {path.name} in {place_found(root, word)}"


def refuse_other_films(
    label: str, table: SideTable, listed: BoolArray, year: IntArray, key: str
) -> None:
    """Refuse a file whose ids are those of other films, as their years of release show.

    Args:
        label: How errors name the file.
        table: Its lines by rated film, with a column ``year``.
        listed: Which films it lists, ``(n_items,)``.
        year: Of the rated films by MovieLens' titles, 0 where unknown, ``(n_items,)``.
        key: The config's key that named it.

    Raises:
        DataError: Less than half of the years agree.
    """
    written = np.array([int(y) if y.isdigit() else 0 for y in table.columns["year"]], np.int64)
    both = listed & (written > 0) & (year > 0)
    same = int((np.abs(written - year)[both] <= 1).sum())
    if same < LEAST_AGREED * max(int(listed.sum()), 1) or not listed.any():
        raise DataError(
            f"{label} lists {int(listed.sum()):,} of {len(year):,} rated film ids, "
            f"{same:,} of them with the same year",
            "it numbers films as MovieLens 1M does: take data.version=1m or later, "
            f"or leave {key}=null",
        )


def _known(values: Sequence[str]) -> list[str]:
    return ["" if value.strip() == UNKNOWN else value.strip() for value in values]


def _names(values: Sequence[str]) -> Iterator[list[str]]:
    for value in values:
        parts = [ROLE.sub("", part).strip() for part in value.split(",")]
        yield _known(parts)
