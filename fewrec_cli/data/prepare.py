"""From ratings by id to an indexed data set: duplicates, catalogue, side tables, hash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.types import Facts, Field, IdArray, IntArray, Interactions, Scale
from fewrec_cli.data.base import Dataset, Note, SourceFile
from fewrec_cli.data.content import ContentHash
from fewrec_cli.data.duplicate import Duplicates, merge_duplicates
from fewrec_cli.data.rating import Coded, Ratings
from fewrec_cli.data.scale import check_positive
from fewrec_cli.data.shard import ALONE, Shard

Side = Literal["user", "item"]
Missing = Literal["error", "keep"]


@dataclass(frozen=True)
class Indexed:
    """Interactions by row of the id tables; every user and item has at least one.

    Attributes:
        rows: One per (user, item) pair.
        user_ids: Ascending, ``(n_users,)``.
        item_ids: Ascending, ``(n_items,)``.
        notes: What was merged.
    """

    rows: Interactions
    user_ids: IdArray
    item_ids: IdArray
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class SideTable:
    """An items or users file in memory.

    Attributes:
        label: How errors name the file.
        ids: Id of each line.
        columns: All other columns, as text.
    """

    label: str
    ids: Sequence[str]
    columns: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Described:
    """What is known of one side besides its ids.

    Attributes:
        fields: Attributes.
        notes: What was recognised.
        year: Year of release of each row, or None.
        text: One text per row, or None.
        title: One title per row, a part of ``text`` and not hashed again, or None.
        facts: What is known of each row in words, by name, empty where unknown; parts of ``text``,
            of ``fields`` and of ``further``, most telling first.
        further: Names of those (of items) that stand in no other part and have to be hashed.
    """

    fields: tuple[Field, ...] = ()
    notes: tuple[Note, ...] = ()
    year: IntArray | None = None
    text: tuple[str, ...] | None = None
    title: tuple[str, ...] | None = None
    facts: Facts = field(default_factory=dict)
    further: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from and what its figures mean.

    Attributes:
        name: For tables and folders.
        scale: Rating levels, or None for implicit data.
        positive: A rating of at least this (stars) counts as liked.
        sources: The files that were read.
        notes: What was found, dropped or inferred before indexing.
        shard: The processes that share the users.
        parts: What stands for the interactions in the hash of a data set in shards, where no
            process holds them all; None hashes the interactions.
    """

    name: str
    scale: Scale | None
    positive: float
    sources: tuple[SourceFile, ...]
    notes: tuple[Note, ...] = field(default=())
    shard: Shard = ALONE
    parts: tuple[str, ...] | None = None


def index(ratings: Ratings, duplicates: Duplicates, shard: Shard = ALONE) -> Indexed:
    """Merge doubled pairs and number users and items in ascending order of their ids.

    Args:
        ratings: Rows by id.
        duplicates: What several rows of one pair count.
        shard: Processes with other rows; users and items are numbered alike in all of them.

    Raises:
        DataError: One user or one item is left, or pairs are doubled under ``duplicates=error``.
    """
    user_ids, user = _number(ratings.user, shard)
    item_ids, item = _number(ratings.item, shard)
    rows = Interactions(user, item, ratings.rating, ratings.timestamp)
    for side, ids in (("user", user_ids), ("item", item_ids)):
        if len(ids) < 2:
            raise DataError(
                f"only {len(ids)} {side} in {len(rows):,} interactions",
                f"give data with at least two {side}s",
            )
    rows, notes = merge_duplicates(rows, user_ids, item_ids, duplicates)
    return Indexed(rows, user_ids, item_ids, summed(notes, shard))


def summed(notes: tuple[Note, ...], shard: Shard) -> tuple[Note, ...]:
    """Return the notes of all processes, their counts summed by what they say."""
    counts: dict[tuple[str, str], int] = {}
    for note in (note for each in shard.gather(notes) for note in each):
        place = (note.subject, note.text)
        counts[place] = counts.get(place, 0) + note.count
    return tuple(Note(subject, count, text) for (subject, text), count in counts.items())


def align(
    ids: IdArray, table: SideTable, side: Side, missing: Missing
) -> tuple[SideTable, tuple[Note, ...]]:
    """Bring a side table into the order of ``ids``.

    Args:
        ids: Ids with at least one interaction.
        table: The side table as read.
        side: Whose table it is, for messages.
        missing: What to do about ids without a line: an error, or keep them with empty values.

    Returns:
        One line per id, and notes on lines left out.

    Raises:
        DataError: Ids are missing under ``missing=error``.
    """
    if missing not in get_args(Missing):
        raise DataError(f"data.missing={missing} is no policy", "choose error or keep")
    place: dict[str, int] = {}
    for position, name in enumerate(table.ids):
        place.setdefault(name, position)
    written = [str(name) for name in ids.tolist()]
    lines = [place.get(name, -1) for name in written]
    absent = [name for name, line in zip(written, lines, strict=True) if line < 0]
    if absent and missing == "error":
        raise DataError(
            f"{table.label} lacks {len(absent):,} of {len(ids):,} rated {side}s, "
            f"first {side} {absent[0][:40]}",
            "add them, or keep them without attributes with data.missing=keep",
        )
    unrated = len(place) - (len(ids) - len(absent))
    counted = (
        (len(absent), f"rated {side}s without a line in the {side}s file: kept, no attributes"),
        (unrated, f"{side}s of the {side}s file without a rating: left out"),
        (len(table.ids) - len(place), f"further lines on the same {side} in its file: left out"),
    )
    notes = tuple(Note(f"{side}s", count, text) for count, text in counted if count)
    columns = {
        name: [values[line] if line >= 0 else "" for line in lines]
        for name, values in table.columns.items()
    }
    return SideTable(table.label, written, columns), notes


def assemble(indexed: Indexed, users: Described, items: Described, origin: Origin) -> Dataset:
    """Put the parts together and hash what a figure depends on.

    Raises:
        DataError: ``positive`` lies outside the scale.
    """
    if origin.scale is not None:
        check_positive(origin.positive, origin.scale)
    digest = ContentHash()
    if origin.parts is None:
        digest.interactions(indexed.rows)
    else:
        digest.texts("parts", origin.parts)
    digest.ids("user ids", indexed.user_ids).ids("item ids", indexed.item_ids)
    digest.fields("user", users.fields).fields("item", items.fields)
    digest.scale(origin.scale, origin.positive).array("item year", items.year)
    digest.texts("item text", items.text or ()).texts("user text", users.text or ())
    for name in sorted(items.further):
        digest.texts(f"fact {name}", items.facts[name])
    return Dataset(
        name=origin.name,
        interactions=indexed.rows,
        user_ids=indexed.user_ids,
        item_ids=indexed.item_ids,
        user_fields=users.fields,
        item_fields=items.fields,
        scale=origin.scale,
        positive=origin.positive,
        hash=digest.hex(),
        item_year=items.year,
        item_text=items.text,
        item_title=items.title,
        user_text=users.text,
        item_facts=items.facts,
        user_facts=users.facts,
        further_facts=items.further,
        sources=origin.sources,
        shard=origin.shard,
        notes=(*origin.notes, *indexed.notes, *users.notes, *items.notes),
    )


def _number(column: Coded, shard: Shard) -> tuple[IdArray, IntArray]:
    """Return the ids in use in any process, ascending, and each row's place among them."""
    used = np.flatnonzero(np.bincount(column.code, minlength=len(column.values)))
    mine = [column.values[place] for place in used]
    everywhere = shard.gather(mine)
    ids = ids_as_found(mine if shard.world == 1 else list(set().union(*everywhere)))
    ids = ids[np.argsort(ids, kind="stable")]
    place = np.full(len(column.values), -1, np.int64)
    place[used] = np.searchsorted(ids, np.array(mine, ids.dtype))
    return ids, place[column.code]


def ids_as_found(written: list[str]) -> IdArray:
    """Return ids as ``int64`` where all are whole numbers in plain form, else as text.

    Leading zeros and signs mean something in an id, so ``007`` stays text.

    Example:
        >>> ids_as_found(["3", "10"]).tolist(), ids_as_found(["3", "007"]).tolist()
        ([3, 10], ['3', '007'])
    """
    plain = all(
        text.isascii() and text.isdigit() and len(text) < 19 and (text[0] != "0" or text == "0")
        for text in written
    )
    if plain:
        return np.array([int(text) for text in written], np.int64)
    ids = np.empty(len(written), object)
    ids[:] = written
    return ids
