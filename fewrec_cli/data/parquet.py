"""Parquet files as interactions and side tables; interactions are read in batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray
from fewrec_cli.data.fault import row_fault
from fewrec_cli.data.files import DataFile
from fewrec_cli.data.layout import Columns, Rules
from fewrec_cli.data.parts import Part, parquet_faults
from fewrec_cli.data.rating import CodeArray, Coded, Ratings, broken_numbers

Keep = Callable[[list[str]], BoolArray]
"""Which of some users, by id, this process keeps."""


def read_parquet_ratings(
    parts: Sequence[Part],
    columns: Columns,
    rules: Rules,
    reporter: Reporter,
    keep: Keep | None = None,
) -> Ratings:
    """Read interactions, checked row by row; rows are counted from 1 in errors.

    Besides the rows that are kept, one batch is in memory at a time.

    Args:
        parts: Files, one after another.
        columns: Names of the columns.
        rules: Which ratings are sound.
        reporter: Told how far it is.
        keep: Users whose rows are kept, None for all; the ids of all rows are listed anyway.

    Raises:
        DataError: Names part and row of the first fault.
    """
    for part in parts:
        part.require(columns.named)
    names = list(columns.named.values())
    rows = sum(part.rows for part in parts)
    kept, faults = _Kept(rows, keep), _Faults(columns, rules)
    with reporter.stage("read", rows) as advance:
        for part in parts:
            for start, arrays in part.batches(names):
                batch = _Batch.of(f"{part.label} row", start, arrays, columns)
                faults.look(batch)
                kept.add(batch)
                advance(len(batch.rating), note=part.path.name)
    faults.refuse()
    return kept.ratings(timed=columns.timestamp is not None)


@dataclass(frozen=True)
class _Batch:
    """Consecutive rows of one part; ids are Arrow dictionaries of texts.

    Attributes:
        label: How errors name the place, to be followed by the number of a row.
        start: Rows of the part before this batch.
    """

    label: str
    start: int
    user: Any
    item: Any
    rating: FloatArray
    timestamp: IntArray | None

    @classmethod
    def of(cls, label: str, start: int, arrays: dict[str, Any], columns: Columns) -> "_Batch":
        """Bring the columns of one batch into the form of ``Ratings``."""
        cast = _Cast(label, start)
        user = cast.texts(columns.user, arrays[columns.user])
        item = cast.texts(columns.item, arrays[columns.item])
        rating, timestamp = np.ones(len(user)), None
        if columns.rating is not None:
            rating = cast.floats(columns.rating, arrays[columns.rating])
        if columns.timestamp is not None:
            timestamp = cast.seconds(columns.timestamp, arrays[columns.timestamp])
        return cls(label, start, user, item, rating, timestamp)

    def written(self, row: int, columns: Columns) -> dict[str, str]:
        """Return one row as a text file would hold it."""
        fields = {columns.user: self.user[row].as_py(), columns.item: self.item[row].as_py()}
        if columns.rating is not None:
            fields[columns.rating] = f"{self.rating[row]:g}"
        if columns.timestamp is not None and self.timestamp is not None:
            fields[columns.timestamp] = str(self.timestamp[row])
        return fields


class _Faults:
    """The first faulty row, and how many there are."""

    def __init__(self, columns: Columns, rules: Rules) -> None:
        self.columns = columns
        self.rules = rules
        self.first: DataError | None = None
        self.count = 0

    def look(self, batch: _Batch) -> None:
        """Count the faulty rows of a batch."""
        mask = broken_numbers(batch.rating, batch.timestamp, self.rules)
        for ids in (batch.user, batch.item):
            empty = pc.equal(ids.dictionary, "").to_numpy(zero_copy_only=False)
            if empty.any():
                mask |= empty[ids.indices.to_numpy()]
        broken = np.flatnonzero(mask)
        self.count += len(broken)
        if not len(broken) or self.first is not None:
            return
        row = int(broken[0])
        problem, remedy = row_fault(batch.written(row, self.columns), self.columns, self.rules) or (
            "not a sound row",
            "correct the row",
        )
        self.first = DataError(f"{batch.label} {batch.start + row + 1}: {problem}", remedy)

    def refuse(self) -> None:
        """Raise the first fault, if there is one."""
        if self.first is None:
            return
        more = f" (the first of {self.count:,} faulty rows)" if self.count > 1 else ""
        raise DataError(f"{self.first.problem}{more}", self.first.remedy)


class _Kept:
    """The columns as they fill, each distinct id once.

    Memory for all rows is asked for at once, and is only taken as rows are written.
    """

    def __init__(self, rows: int, keep: Keep | None) -> None:
        self.keep = keep
        self.filled = 0
        self.ids: dict[str, Any] = {side: pa.array([], pa.string()) for side in ("user", "item")}
        self.user, self.item = np.empty(rows, np.int32), np.empty(rows, np.int32)
        self.rating, self.timestamp = np.empty(rows), np.empty(rows, np.int64)

    def add(self, batch: _Batch) -> None:
        """Append the rows that are kept, and the ids of all rows."""
        own: Any = slice(None)
        if self.keep is not None:
            own = self.keep(batch.user.dictionary.to_pylist())[batch.user.indices.to_numpy()]
        rating = batch.rating[own]
        here = slice(self.filled, self.filled + len(rating))
        self.user[here] = self._numbers("user", batch.user)[own]
        self.item[here] = self._numbers("item", batch.item)[own]
        self.rating[here] = rating
        if batch.timestamp is not None:
            self.timestamp[here] = batch.timestamp[own]
        self.filled = here.stop

    def _numbers(self, side: str, ids: Any) -> CodeArray:
        """Return the numbers of the ids; new ids get the next ones."""
        known = pc.index_in(ids.dictionary, self.ids[side])
        if known.null_count:
            new = ids.dictionary.filter(pc.is_null(known))
            self.ids[side] = pa.concat_arrays([self.ids[side], new])
            known = pc.index_in(ids.dictionary, self.ids[side])
        numbers: CodeArray = known.to_numpy()[ids.indices.to_numpy()]
        return numbers

    def ratings(self, *, timed: bool) -> Ratings:
        """Return the rows so far."""
        pa.default_memory_pool().release_unused()
        rows = slice(self.filled)
        return Ratings(
            Coded(self.ids["user"].to_pylist(), self.user[rows]),
            Coded(self.ids["item"].to_pylist(), self.item[rows]),
            self.rating[rows],
            self.timestamp[rows] if timed else None,
        )


def read_parquet_texts(file: DataFile, reporter: Reporter) -> dict[str, list[str]]:
    """Read every column as text; lists are joined by ``|``."""
    data = file.read(reporter)
    with parquet_faults(file.label):
        table = pyarrow.parquet.read_table(pa.BufferReader(data))
    if table.num_rows == 0:
        raise DataError(f"{file.label} has no rows", "give a file with at least one row")
    return {name: [_text(v) for v in table.column(name).to_pylist()] for name in table.column_names}


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN is a missing value, not the text "nan"
        return ""
    if isinstance(value, (list, tuple)):
        return "|".join(str(part) for part in value)
    return str(value)


@dataclass(frozen=True)
class _Cast:
    """Casts of Arrow arrays; a row that cannot be cast is named by ``label`` and its number."""

    label: str
    start: int

    def texts(self, name: str, column: Any) -> Any:
        """Return ids as a dictionary of texts, empty where missing; each distinct id once."""
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_floating(column.type):  # whole numbers with gaps, as pandas writes them
            column = self.to(name, column, pa.int64())
        if pa.types.is_nested(column.type):
            column = self.to(name, column, pa.string())
        coded = column.dictionary_encode(null_encoding="encode")
        texts = pc.fill_null(self.to(name, coded.dictionary, pa.string()), "")
        return pa.DictionaryArray.from_arrays(coded.indices, texts)

    def floats(self, name: str, column: Any) -> FloatArray:
        """Return numbers, NaN where missing."""
        filled = pc.fill_null(self.to(name, column, pa.float64()), np.nan)
        return np.asarray(filled.to_numpy(), np.float64)

    def seconds(self, name: str, column: Any) -> IntArray:
        """Return seconds since 1970, -1 where missing."""
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("s"), safe=False)
        filled = pc.fill_null(self.to(name, column, pa.int64()), -1)
        return np.asarray(filled.to_numpy(), np.int64)

    def to(self, name: str, column: Any, kind: Any) -> Any:
        """Cast, or name the first row that cannot be."""
        try:
            return column.cast(kind)
        except pa.ArrowException as fault:
            row = _first_failure(column, kind)
            value = str(column[row].as_py())[:40]
            words = {"double": "a number", "int64": "a whole number", "string": "a plain id"}
            raise DataError(
                f"{self.label} {self.start + row + 1}: {name} '{value}' is not {words[str(kind)]}",
                "correct the row, or name another column",
            ) from fault


def _first_failure(column: Any, kind: Any) -> int:
    """Return the first row that cannot be cast, by halving."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            column.slice(low, middle - low).cast(kind)
        except pa.ArrowException:
            high = middle
        else:
            low = middle
    return low
