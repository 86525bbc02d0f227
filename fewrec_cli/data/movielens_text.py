"""Facts on films in words, for language models: plot, director, cast, or any column of a file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import Facts, IdArray, IntArray
from fewrec_cli.data.base import Note, SourceFile
from fewrec_cli.data.delimited import guess_layout, read_texts
from fewrec_cli.data.fault import shown
from fewrec_cli.data.files import (
    DataFile,
    describe_places,
    first_place,
    named_file,
    place_found,
    source_file,
)
from fewrec_cli.data.movielens_extra import FILE as MELU_FILE
from fewrec_cli.data.movielens_extra import FOLDERS, LAYOUT, refuse_other_films
from fewrec_cli.data.parquet import read_parquet_texts
from fewrec_cli.data.prepare import SideTable, align

FILE = "movie_text.parquet"
IDS = ("item_id", "movieId", "item")
"""What the column of the film ids may be called."""
VERSION = "dataset"
"""Column of a file on several versions, e.g. ``ml-1m``."""
KEPT = {
    FILE: {"director": "director", "actors": "actors", "plot": "plot", "writer": "writer"},
    MELU_FILE: {"directors": "director", "actors": "actors", "plot": "plot", "writers": "writer"},
}
"""Columns that become facts, and their words; of any other file all columns do."""
UNKNOWN = "N/A"
ROLE = re.compile(r"\s*\([^()]*\)")
"""What a writer wrote, e.g. ``(screenplay)``."""


@dataclass(frozen=True)
class FilmTexts:
    """Facts on the rated films.

    Attributes:
        facts: By word, one text per rated film, empty where unknown.
        notes: Where they come from, and what is unknown of how many films.
        source: The file read.
    """

    facts: Facts
    notes: tuple[Note, ...]
    source: SourceFile


def read_film_texts(
    named: str, root: str | None, version: str, item_ids: IdArray, year: IntArray,
    reporter: Reporter,
) -> FilmTexts:  # fmt: skip
    """Read a file of texts and join it to the rated films by id.

    Args:
        named: Path of a Parquet file or of a text file with a header, one line per film; or
            ``auto`` to look for ``movie_text.parquet`` and then for MeLU's
            ``movies_extrainfos.dat`` where the data is looked for.
        root: As ``data.root``.
        version: Of MovieLens: a file with a column ``dataset`` may hold several.
        item_ids: Of the rated films, ``(n_items,)``.
        year: Of the rated films by MovieLens' titles, 0 where unknown, ``(n_items,)``.
        reporter: Told how far reading is.

    Raises:
        DataError: The file is nowhere, broken, holds no text, or lists other films.
    """
    file, where = _find(named, root)
    columns = _read(file, reporter)
    ids = next((name for name in IDS if name in columns), None)
    if ids is None:
        raise DataError(
            f"{file.label} has no column of film ids; it has: {shown(', '.join(columns), 200)}",
            f"call that column {IDS[0]}",
        )
    columns = _of_version(file, columns, f"ml-{version}")
    places = columns.pop(ids)
    table, _ = align(item_ids, SideTable(file.label, places, columns), "item", "keep")
    listed = np.isin(np.array(table.ids, object), np.array(places, object))
    if file.path.name == MELU_FILE:
        refuse_other_films(file.label, table, listed, year, "data.text")
    if not listed.any():
        raise DataError(
            f"{file.label} lists none of the {len(item_ids):,} rated films",
            "name a file with MovieLens' own film ids, or leave data.text=null",
        )
    if not columns:
        raise DataError(
            f"{file.label} has no column besides the ids", "add columns of text, e.g. plot"
        )
    kept = KEPT.get(file.path.name) or {name: name for name in columns}
    facts = {word: _clean(word, table.columns[name]) for name, word in kept.items()}
    notes = [Note("texts", int(listed.sum()), f"films joined by id: {where}")]
    if not listed.all():
        notes.append(Note("texts", int((~listed).sum()), f"rated films not in {file.path.name}"))
    for word, texts in facts.items():
        unknown = sum(not text for text in texts)
        notes += [Note("texts", unknown, f"films with unknown {word}")] if unknown else []
    return FilmTexts(facts, tuple(notes), source_file(file.path))


def _find(named: str, root: str | None) -> tuple[DataFile, str]:
    """Return the file, and how a note says where it is."""
    if named != "auto":
        file = named_file(named, "data.text")
        return file, file.path.name

    def look(place: Path) -> Path | None:
        folders = (place, *(place / name for name in FOLDERS))
        paths = (folder / name for name in KEPT for folder in folders)
        return next((path for path in paths if path.is_file()), None)

    hit = first_place(root, look)
    if hit is None:
        raise DataError(
            f"data.text=auto: no {' and no '.join(KEPT)} in {describe_places(root)}",
            "put one of them there, name any file of texts with data.text=FILE, "
            "or leave data.text=null",
        )
    word, path = hit
    return DataFile(path), f"read from {path.name} in {place_found(root, word)}"


def _read(file: DataFile, reporter: Reporter) -> dict[str, list[str]]:
    if file.path.suffix == ".parquet":
        return read_parquet_texts(file, reporter)
    if file.path.name == MELU_FILE:
        return read_texts(file, LAYOUT, reporter)
    return read_texts(file, guess_layout(file, None, "utf-8"), reporter)


def _of_version(
    file: DataFile, columns: Mapping[str, list[str]], version: str
) -> dict[str, list[str]]:
    """Return the lines of one version of a file on several."""
    if VERSION not in columns or file.path.name == MELU_FILE:
        return dict(columns)
    found = list(dict.fromkeys(columns[VERSION]))
    if version not in found:
        raise DataError(
            f"{file.label} has no line with {VERSION} {version}; "
            f"it has: {shown(', '.join(found), 200)}",
            "take another data.version, or leave data.text=null",
        )
    lines = [place for place, name in enumerate(columns[VERSION]) if name == version]
    return {
        name: [values[line] for line in lines]
        for name, values in columns.items()
        if name != VERSION
    }


def _clean(word: str, values: Sequence[str]) -> tuple[str, ...]:
    """Return texts without surrounding space; of writers each name once, without its role."""
    texts = ["" if value.strip() == UNKNOWN else value.strip() for value in values]
    if word != "writer":
        return tuple(texts)
    names = [[ROLE.sub("", part).strip() for part in text.split(",")] for text in texts]
    return tuple(", ".join(dict.fromkeys(name for name in row if name)) for row in names)
