"""Splits that a paper's authors ship: which state of theirs each rating belongs to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from fewrec_cli.core.errors import DataError, ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import BoolArray, IdArray, IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.data.files import (
    READ_AGAIN,
    DataFile,
    describe_places,
    first_place,
    open_faults,
    source_file,
)
from fewrec_cli.scenario.pool import NO_ROWS

LEAST_FOUND = 0.5
"""Share of the listed ratings that the data must hold; below it, it is another data set."""


@dataclass(frozen=True)
class Listing:
    """How a split is shipped.

    Attributes:
        title: How messages speak of it.
        files: The authors' JSON files, one per state, each from user id to a list of item ids; the
            first, the training state, may be absent and then is what no other file lists.
        table: Tidy Parquet table with user_id, item_id and the column below, one row per rating.
        column: Its column of states, named as the JSON files are.
        folders: Names of folders that may hold either, within the place where data is looked for.
        folded: Item ids that the authors wrote as another item's.
    """

    title: str
    files: tuple[str, ...]
    table: str
    column: str
    folders: tuple[str, ...]
    folded: Mapping[int, int]


@dataclass(frozen=True)
class States:
    """The states found for a data set's rows.

    Attributes:
        names: As the authors call them, the training state first.
        state: Place in ``names`` of every row of the data, -1 where none lists it, ``(n,)``.
        notes: Where it was read from, what was folded, what is listed nowhere.
    """

    names: tuple[str, ...]
    state: IntArray
    notes: tuple[Note, ...]

    def rows(self, name: str) -> BoolArray:
        """Return which rows are in a state, ``(n,)``."""
        return np.asarray(self.state == self.names.index(name))


@dataclass(frozen=True)
class _Listed:
    """Listed ratings as parallel columns; ``state`` is a place among the listing's files."""

    user: IntArray
    item: IntArray
    state: IntArray
    source: Path


def find_states(dataset: Dataset, listing: Listing, folder: str | None) -> States:
    """Look up the state of every rating by user id and item id.

    Args:
        dataset: MovieLens 1M, or a part of it, with the ids of the original files.
        listing: Which split.
        folder: Where to look first, before ``FEWREC_DATA`` and ``data/``; or None.

    Raises:
        DataError: A file is broken.
        ScenarioError: The split is nowhere, or lists other ratings than the data holds.
    """
    listed = _read(listing, folder)
    rows = dataset.interactions
    user, item = (_numbers(ids, listing) for ids in (dataset.user_ids, dataset.item_ids))
    pairs = listed.user << 32 | listed.item
    order = np.argsort(pairs, kind="stable")
    state = _look_up(pairs[order], listed.state[order], user[rows.user] << 32 | item[rows.item])
    folded = np.array([listing.folded.get(one, one) for one in item.tolist()], np.int64)
    again = (state < 0) & (folded != item)[rows.item]
    other = (user[rows.user] << 32 | folded[rows.item])[again]
    state[again] = _look_up(pairs[order], listed.state[order], other)
    found = int((state >= 0).sum())
    if found < LEAST_FOUND * len(pairs):
        raise ScenarioError(
            f"{listing.title} lists {len(pairs):,} ratings, and {dataset.name} has "
            f"{found:,} of them",
            "take the data it was made of: data=movielens data.version=1m",
        )
    if not (listed.state == 0).any():  # the training state is shipped as the complement
        state[state < 0] = 0
    names = tuple(name.removesuffix(".json") for name in listing.files)
    return States(names, state, _notes(listing, listed, state, int((state[again] >= 0).sum())))


def _notes(listing: Listing, listed: _Listed, state: IntArray, folded: int) -> tuple[Note, ...]:
    digest = source_file(listed.source).sha256[:12]
    text = f"{listing.title}: read from {listed.source.name}, sha256 {digest}"
    notes = [Note("states", len(listing.files), text)]
    if folded:
        pairs = ", ".join(f"{one} as {other}" for one, other in listing.folded.items())
        notes.append(
            Note("folded items", folded, f"ratings whose item is listed as another: {pairs}")
        )
    unlisted = int((state < 0).sum())
    if unlisted:
        notes.append(Note("set aside", unlisted, f"ratings that {listing.title} does not list"))
    return tuple(notes)


def _look_up(ascending: IntArray, state: IntArray, wanted: IntArray) -> IntArray:
    place = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return np.where(ascending[place] == wanted, state[place], -1)


def _numbers(ids: IdArray, listing: Listing) -> IntArray:
    if ids.dtype != np.int64:
        raise ScenarioError(
            f"{listing.title} lists whole numbers, and the data has ids such as '{ids[0]}'",
            "take the data it was made of: data=movielens data.version=1m",
        )
    return np.asarray(ids, np.int64)


def _read(listing: Listing, folder: str | None) -> _Listed:
    if folder is not None and not Path(folder).expanduser().is_dir():
        raise ScenarioError(
            f"scenario.files={folder} is no folder",
            f"name the folder that holds {listing.table} or {listing.files[1]}",
        )
    hit = first_place(folder, lambda place: _look(listing, place))
    if hit is None:
        raise ScenarioError(
            f"{listing.title} not found: neither {listing.table} nor {listing.files[1]} and its "
            f"like in {describe_places(folder)}",
            "put the authors' files there, or name their folder with scenario.files=FOLDER",
        )
    _, files = hit
    table = files.get(listing.table)
    listed = _read_json(files, listing) if table is None else _read_table(table, listing)
    if not len(listed.user):
        raise DataError(f"{listed.source} lists no rating of {listing.title}", READ_AGAIN)
    return listed


def _look(listing: Listing, place: Path) -> dict[str, DataFile] | None:
    """Return the table, or the JSON files (the first may be absent), of the first folder."""
    for folder in (place, *(place / name for name in listing.folders)):
        there = {
            name: DataFile(folder / name)
            for name in (listing.table, *listing.files)
            if (folder / name).is_file()
        }
        if listing.table in there or set(listing.files[1:]) <= set(there):
            return there
    return None


def _read_table(file: DataFile, listing: Listing) -> _Listed:
    columns = ["user_id", "item_id", listing.column]
    try:
        with open_faults(file.label):
            table = pyarrow.parquet.read_table(file.path, columns=columns)
        state = pc.fill_null(table.column(listing.column).cast(pa.string()), "")
        ids = [table.column(name).cast(pa.int64()) for name in columns[:2]]
    except (pa.ArrowException, KeyError) as fault:
        raise DataError(
            f"{file.label} cannot be read: {str(fault).splitlines()[0][:200]}",
            f"give a Parquet file with the columns {', '.join(columns)}",
        ) from fault
    absent = sum(column.null_count for column in ids)
    if absent:
        raise DataError(f"{file.label} has {absent:,} empty {' or '.join(columns[:2])}", READ_AGAIN)
    user, item = (column.to_numpy() for column in ids)
    words = pa.array([name.removesuffix(".json") for name in listing.files])
    place = pc.fill_null(pc.index_in(state, value_set=words), -1).to_numpy().astype(np.int64)
    known = place >= 0
    return _Listed(user[known], item[known], place[known], file.path)


def _read_json(files: Mapping[str, DataFile], listing: Listing) -> _Listed:
    parts = []
    for name, file in files.items():
        try:
            content = json.loads(file.read(Reporter(quiet=True)))
            items = [np.array(own, dtype=np.int64) for own in content.values()]
            counts = np.array([len(own) for own in items], dtype=np.int64)
            user = np.repeat(np.array(list(content), dtype=np.int64), counts)
        except (ValueError, TypeError, AttributeError) as fault:
            raise DataError(
                f"{file.label} is not a JSON object from user id to a list of item ids: {fault}",
                READ_AGAIN,
            ) from fault
        state = np.full(len(user), listing.files.index(name), np.int64)
        parts.append((user, np.concatenate([*items, NO_ROWS]), state))
    user, item, state = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Listed(user, item, state, files[listing.files[1]].path)
