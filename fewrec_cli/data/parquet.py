"""Parquet files as interactions and side tables."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import FloatArray, IntArray
from fewrec_cli.data.fault import row_fault, shown
from fewrec_cli.data.files import DataFile
from fewrec_cli.data.layout import Columns, Rules
from fewrec_cli.data.rating import Coded, Ratings, broken_rows


def read_parquet_ratings(
    file: DataFile, columns: Columns, rules: Rules, reporter: Reporter
) -> Ratings:
    """Read interactions, checked row by row; rows are counted from 1 in errors."""
    table = _load(file, reporter)
    for word, name in columns.named.items():
        if table.column_names.count(name) != 1:
            raise DataError(
                f"{file.label} has no column '{name}' ({word}); "
                f"it has: {shown(', '.join(table.column_names), 200)}",
                f"name the column with {word}=NAME",
            )
    ratings = Ratings(
        Coded.from_arrow(_texts(file, table, columns.user)),
        Coded.from_arrow(_texts(file, table, columns.item)),
        np.ones(len(table)) if columns.rating is None else _floats(file, table, columns.rating),
        None if columns.timestamp is None else _seconds(file, table, columns.timestamp),
    )
    broken = np.flatnonzero(broken_rows(ratings, rules))
    if len(broken):
        row = int(broken[0])
        problem, remedy = row_fault(_written(ratings, row, columns), columns, rules) or (
            "not a sound row",
            "correct the row",
        )
        more = f" (the first of {len(broken):,} faulty rows)" if len(broken) > 1 else ""
        raise DataError(f"{file.label} row {row + 1}: {problem}{more}", remedy)
    return ratings


def _written(ratings: Ratings, row: int, columns: Columns) -> dict[str, str]:
    """Return one row as a text file would hold it."""
    fields = {
        columns.user: ratings.user.values[ratings.user.code[row]],
        columns.item: ratings.item.values[ratings.item.code[row]],
    }
    if columns.rating is not None:
        fields[columns.rating] = f"{ratings.rating[row]:g}"
    if columns.timestamp is not None and ratings.timestamp is not None:
        fields[columns.timestamp] = str(ratings.timestamp[row])
    return fields


def read_parquet_texts(file: DataFile, reporter: Reporter) -> dict[str, list[str]]:
    """Read every column as text; lists are joined by ``|``."""
    table = _load(file, reporter)
    return {name: [_text(v) for v in table.column(name).to_pylist()] for name in table.column_names}


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN is a missing value, not the text "nan"
        return ""
    if isinstance(value, (list, tuple)):
        return "|".join(str(part) for part in value)
    return str(value)


def _load(file: DataFile, reporter: Reporter) -> Any:
    data = file.read(reporter)
    try:
        table = pyarrow.parquet.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as fault:
        raise DataError(
            f"{file.label} is no whole parquet file: {str(fault).splitlines()[0][:200]}",
            "write it again, or give a CSV",
        ) from fault
    if table.num_rows == 0:
        raise DataError(f"{file.label} has no rows", "give a file with at least one row")
    return table


def _texts(file: DataFile, table: Any, name: str) -> Any:
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):  # whole numbers with gaps, as pandas writes them
        column = _cast(file, name, column, pa.int64())
    return pc.fill_null(_cast(file, name, column, pa.string()), "")


def _floats(file: DataFile, table: Any, name: str) -> FloatArray:
    column = _cast(file, name, table.column(name), pa.float64())
    return np.asarray(pc.fill_null(column, np.nan).to_numpy(), np.float64)


def _seconds(file: DataFile, table: Any, name: str) -> IntArray:
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("s"), safe=False)
    column = _cast(file, name, column, pa.int64())
    return np.asarray(pc.fill_null(column, -1).to_numpy(), np.int64)


def _cast(file: DataFile, name: str, column: Any, kind: Any) -> Any:
    try:
        return column.cast(kind)
    except pa.ArrowException as fault:
        row = _first_failure(column, kind)
        value = str(column[row].as_py())[:40]
        words = {"double": "a number", "int64": "a whole number", "string": "a plain id"}
        raise DataError(
            f"{file.label} row {row + 1}: {name} '{value}' is not {words[str(kind)]}",
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
