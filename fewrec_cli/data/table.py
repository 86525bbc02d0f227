"""Anyone's data: a table of interactions in CSV, TSV or Parquet, with or without attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import IdArray, IntArray, Scale
from fewrec_cli.data.base import Dataset, DataSource, Note, SourceFile
from fewrec_cli.data.delimited import guess_layout, header_names, read_ratings, read_texts
from fewrec_cli.data.duplicate import Duplicates
from fewrec_cli.data.fault import shown
from fewrec_cli.data.files import DataFile, named_file, source_file
from fewrec_cli.data.layout import Columns, Rules
from fewrec_cli.data.own import read_own
from fewrec_cli.data.parquet import read_parquet_ratings, read_parquet_texts
from fewrec_cli.data.parts import find_parts
from fewrec_cli.data.prepare import (
    Described,
    Missing,
    Origin,
    Side,
    SideTable,
    align,
    assemble,
    index,
)
from fewrec_cli.data.rating import Ratings
from fewrec_cli.data.scale import infer_positive, infer_scale, levels_of, parse_scale
from fewrec_cli.data.shard import ALONE, Shard
from fewrec_cli.data.side import Kind, as_numbers, describe_side

Sharding = Literal["none", "auto"]


class Table(DataSource):
    """Interactions, and optionally attributes, from files of the user's own.

    Args:
        interactions: File with one row per interaction, or a folder of Parquet parts.
        items: File with one row per item, its id in the column ``columns.item``; or None.
        users: File with one row per user, its id in the column ``columns.user``; or None.
        columns: Names of the columns: ``user``, ``item``, ``rating`` (None: implicit data),
            ``timestamp`` (None: no times) and ``year`` (the items file's year of release, or None).
        separator: Between fields: one or more characters, ``tab``, or None to take it from the
            header.
        encoding: Of all text files.
        scale: Lowest and highest level, and their step if not 1; None infers it from the ratings.
        positive: A rating of at least this (stars) counts as liked; None takes the upper quarter.
        duplicates: What several rows of one user and one item count.
        missing: What becomes of rated items (users) without a line in their file.
        rare: Attribute values on fewer users (items) than this fold into ``other``.
        numeric_from: Different numbers from which a column of numbers is numeric.
        value_separators: What may stand between the values of a multi-valued column.
        kinds: Kind of a column where recognition errs, e.g. ``{age: numeric}``.
        shard: ``none`` reads all rows in every process; ``auto`` the rows of its own users.
    """

    def __init__(
        self,
        *,
        interactions: str | None,
        items: str | None,
        users: str | None,
        columns: Mapping[str, str | None],
        separator: str | None,
        encoding: str,
        scale: Sequence[float] | None,
        positive: float | None,
        duplicates: Duplicates,
        missing: Missing,
        rare: int,
        numeric_from: int,
        value_separators: Sequence[str],
        kinds: Mapping[str, Kind],
        shard: Sharding,
    ) -> None:
        self.interactions = interactions
        self.items = items
        self.users = users
        self.columns = columns
        self.separator = separator
        self.encoding = encoding
        self.scale = scale
        self.positive = positive
        self.duplicates = duplicates
        self.missing = missing
        self.rare = rare
        self.numeric_from = numeric_from
        self.value_separators = value_separators
        self.kinds = kinds
        self.shard = shard
        self.sharded = shard != "none"

    def load(self, reporter: Reporter) -> Dataset:
        """Read the tables."""
        if self.interactions is None:
            raise DataError("data=table has no file of interactions", "add data.interactions=FILE")
        if self.shard not in get_args(Sharding):
            raise DataError(f"data.shard={self.shard} is no policy", "choose none or auto")
        columns = self._columns()
        if columns.rating is None and (self.scale is not None or self.positive is not None):
            raise DataError(
                "data.scale and data.positive mean nothing without ratings",
                "name the column with data.columns.rating=NAME, or leave them out",
            )
        file = named_file(self.interactions, "data.interactions", folder=True)
        users_file, items_file = (
            None if name is None else named_file(name, word)
            for name, word in ((self.users, "data.users"), (self.items, "data.items"))
        )
        shard = self.process if self.sharded else ALONE
        ratings, notes = self._ratings(file, columns, reporter)
        scale, positive, more = self._scale(ratings, columns, shard)
        indexed = index(ratings, self.duplicates, shard)
        users = self._side("user", users_file, indexed.user_ids, reporter)
        items = self._side("item", items_file, indexed.item_ids, reporter)
        self._check_kinds(users, items)
        sources = _sources(file.path, shard)
        parts = None
        if self.sharded:
            digests = [source.sha256 for source in sources]
            parts = (*digests, repr(columns), self.duplicates)
        for side in (items_file, users_file):
            sources += [] if side is None else [source_file(side.path)]
        name = f"table-{file.path.name.split('.')[0]}"
        notes = (*notes, *more)
        origin = Origin(name, scale, positive, tuple(sources), notes, shard, parts)
        return assemble(indexed, users, items, origin)

    def _columns(self) -> Columns:
        user, item = self.columns["user"], self.columns["item"]
        if user is None or item is None:
            raise DataError(
                "data.columns.user and data.columns.item must name a column",
                "write data.columns.user=NAME data.columns.item=NAME",
            )
        rating, timestamp = self.columns["rating"], self.columns["timestamp"]
        # A header may well be "0"; the command line makes that a number.
        return Columns(
            str(user),
            str(item),
            None if rating is None else str(rating),
            None if timestamp is None else str(timestamp),
        )

    def _ratings(
        self, file: DataFile, columns: Columns, reporter: Reporter
    ) -> tuple[Ratings, tuple[Note, ...]]:
        rules = Rules(None if self.scale is None else parse_scale(self.scale))
        if file.path.suffix == ".parquet" or file.path.is_dir():
            parts = find_parts(file.path)
            if self.sharded:
                return read_own(parts, columns, rules, reporter, self.process)
            return read_parquet_ratings(parts, columns, rules, reporter), ()
        if self.sharded and file.path.exists():
            raise DataError(
                f"data.shard=auto reads Parquet, and {file.label} is none",
                "write it as Parquet (a folder of parts by user is best), or take data.shard=none",
            )
        layout = guess_layout(file, self.separator, self.encoding)
        ratings = read_ratings(file, layout, columns, rules, reporter)
        unread = [n for n in header_names(file, layout) if n not in columns.named.values()]
        text = f"left unread in the file of interactions: {shown(', '.join(unread), 200)}"
        return ratings, (Note("columns", len(unread), text),) if unread else ()

    def _scale(
        self, ratings: Ratings, columns: Columns, shard: Shard
    ) -> tuple[Scale | None, float, tuple[Note, ...]]:
        rows = int(shard.total(np.array(len(ratings))))
        if columns.rating is None:
            text = "no data.columns.rating: implicit data, every row counts as liked"
            return None, 1.0, (Note("ratings", rows, text),)
        notes: tuple[Note, ...] = ()
        if self.scale is None:
            levels = np.concatenate(shard.gather(levels_of(ratings.rating)))
            scale, text = infer_scale(levels)
            notes = (Note("scale", rows, text),)
        else:
            scale = parse_scale(self.scale)
        if self.positive is not None:
            return scale, self.positive, notes
        positive = infer_positive(scale)
        count = int(shard.total(np.array((ratings.rating >= positive).sum())))
        text = f"no data.positive: ratings of {positive:g} or more count as liked"
        return scale, positive, (*notes, Note("positive", count, text))

    def _side(
        self, side: Side, file: DataFile | None, ids: IdArray, reporter: Reporter
    ) -> Described:
        if file is None:
            return Described()
        if file.path.suffix == ".parquet":
            columns = read_parquet_texts(file, reporter)
        else:
            layout = guess_layout(file, self.separator, self.encoding)
            columns = read_texts(file, layout, reporter)
        key = str(self.columns[side])
        if key not in columns:
            raise DataError(
                f"{file.label} has no column '{key}' (data.columns.{side}); "
                f"it has: {shown(', '.join(columns), 200)}",
                f"call the id column of the {side}s file {key}, as in the file of interactions",
            )
        table = SideTable(file.label, columns.pop(key), columns)
        table, notes = align(ids, table, side, self.missing)
        year = self._year(table) if side == "item" else None
        kinds = {name: kind for name, kind in self.kinds.items() if name in columns}
        found = describe_side(table, kinds, self.rare, self.numeric_from, self.value_separators)
        return replace(found, notes=(*notes, *found.notes), year=year)

    def _year(self, table: SideTable) -> IntArray | None:
        name = self.columns["year"]
        if name is None:
            return None
        if name not in table.columns:
            raise DataError(
                f"{table.label} has no column '{name}' (data.columns.year); "
                f"it has: {shown(', '.join(table.columns), 200)}",
                "name the column with data.columns.year=NAME",
            )
        years = as_numbers(table.columns[name])
        return np.where(np.isfinite(years) & (np.abs(years) < 1e4), years, 0).astype(np.int64)

    def _check_kinds(self, users: Described, items: Described) -> None:
        known = {note.subject for note in (*users.notes, *items.notes)}
        for name in self.kinds:
            if name not in known:
                raise DataError(
                    f"data.kinds: no column '{name}' in the items or users file",
                    f"choose from: {', '.join(sorted(known)) or 'none, as no such file is given'}",
                )


def _sources(path: Path, shard: Shard) -> list[SourceFile]:
    """Hash the file of interactions, or each part of a folder; processes share the work."""
    if not path.is_dir():
        return [source_file(path)]
    parts = find_parts(path)
    mine = {
        part.path.relative_to(path.parent).as_posix(): source_file(part.path)
        for part in parts[shard.rank :: shard.world]
    }
    found = {name: file for each in shard.gather(mine) for name, file in each.items()}
    return [replace(found[name], name=name) for name in sorted(found)]
