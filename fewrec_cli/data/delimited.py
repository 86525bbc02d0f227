"""Delimited text into columns: fast while the file is sound, exact about a faulty line."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.fault import HEADER_WITHIN, Text, explain, header_of, no_rows, shown
from fewrec_cli.data.files import DataFile
from fewrec_cli.data.layout import Columns, Layout, Rules
from fewrec_cli.data.rating import Coded, Ratings, broken_rows

LONGEST_ROW = 1 << 26
LONGEST_LINE = 1_000_000
BOM = b"\xef\xbb\xbf"
SEPARATORS = ("\t", ",", ";", "|", "::")
STAND_IN = "\x1f"
"""What a separator of several characters is replaced by before parsing: no title holds it."""


def read_ratings(
    file: DataFile, layout: Layout, columns: Columns, rules: Rules, reporter: Reporter
) -> Ratings:
    """Read interactions, checked row by row.

    Args:
        file: The file.
        layout: How its rows are written.
        columns: Which columns to read.
        rules: Which ratings are sound.
        reporter: Told how far reading is.

    Raises:
        DataError: Names file and line of the first faulty row, and how many there are.
    """
    text = load_text(file, layout, reporter)
    _require_columns(text, columns.named)
    identifier, number, whole = pa.dictionary(pa.int32(), pa.string()), pa.float64(), pa.int64()
    types = {columns.user: identifier, columns.item: identifier}
    types |= {columns.rating: number} if columns.rating else {}
    types |= {columns.timestamp: whole} if columns.timestamp else {}
    try:
        table = _parse(text, types)
    except pa.ArrowInvalid as fault:
        raise explain(text, columns, rules, str(fault)) from fault
    if table.num_rows == 0:
        raise no_rows(text)
    ratings = Ratings(
        Coded.from_arrow(table.column(columns.user)),
        Coded.from_arrow(table.column(columns.item)),
        np.ones(table.num_rows) if columns.rating is None else _numbers(table, columns.rating),
        None if columns.timestamp is None else _numbers(table, columns.timestamp),
    )
    if broken_rows(ratings, rules).any():
        raise explain(text, columns, rules, "")
    return ratings


def read_texts(file: DataFile, layout: Layout, reporter: Reporter) -> dict[str, list[str]]:
    """Read every column of a side table as text, empty where missing.

    Raises:
        DataError: Names file and line of the first row with a wrong number of fields.
    """
    text = load_text(file, layout, reporter)
    names = header_of(text)
    try:
        table = _parse(text, dict.fromkeys(names, pa.string()))
    except pa.ArrowInvalid as fault:
        raise explain(text, None, None, str(fault)) from fault
    if table.num_rows == 0:
        raise no_rows(text)
    return {name: table.column(name).to_pylist() for name in names}


def load_text(file: DataFile, layout: Layout, reporter: Reporter) -> Text:
    """Read a file and bring it to UTF-8.

    Raises:
        DataError: It is empty, or not in the encoding that the layout says.
    """
    data = file.read(reporter)
    try:
        known = layout.encoding.lower().replace("_", "-")
        if known in ("utf-8", "utf8"):
            data = data.removeprefix(BOM)
        if not (data.isascii() and "".encode(known) == b""):
            data = data.decode(layout.encoding).encode("utf-8")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise DataError(
            f"{file.label} line {line}: byte 0x{data[fault.start]:02x} is not {layout.encoding}",
            "name the file's encoding with data.encoding=..., often latin-1, cp1252 or utf-16",
        ) from fault
    except LookupError as fault:
        raise DataError(
            f"data.encoding={layout.encoding} is no encoding", "try utf-8, latin-1 or utf-16"
        ) from fault
    if not data.strip():
        raise DataError(f"{file.label} is empty", "fetch or write it again")
    _refuse_long_lines(file.label, data)
    return Text(file.label, data, layout)


def _refuse_long_lines(label: str, data: bytes) -> None:
    """Refuse a line of a million characters: a lost line break or quote, never an id or a title."""
    if len(data) < LONGEST_LINE:
        return
    breaks = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
    edges = np.concatenate([[-1], breaks, [len(data)]])
    lengths = np.diff(edges) - 1
    if lengths.max() < LONGEST_LINE:
        return
    line = int(np.argmax(lengths >= LONGEST_LINE))
    raise DataError(
        f"{label} line {line + 1} has {lengths[line]:,} characters, a field of it far too long",
        f"mend that line; at most {LONGEST_LINE - 1:,} characters are read, line breaks and "
        "quotes may be missing",
    )


def guess_layout(file: DataFile, separator: str | None, encoding: str) -> Layout:
    """Return the layout of a file with a header; None takes the separator from that header."""
    if separator is None:
        top = (file.peek(HEADER_WITHIN).splitlines() or [b""])[0].decode("latin-1")
        counts = {mark: top.count(mark) for mark in SEPARATORS}
        separator = max(counts, key=lambda mark: counts[mark])
    elif separator == "tab":
        separator = "\t"
    if not separator or separator[0] in '\r\n"':
        raise DataError(f"data.separator={separator!r} cannot separate", "give e.g. ',' or tab")
    return Layout(separator, encoding, quoted=len(separator) == 1)


def header_names(file: DataFile, layout: Layout) -> list[str]:
    """Return the names of a file's columns."""
    data = file.peek(HEADER_WITHIN).decode(layout.encoding, "replace").encode("utf-8", "replace")
    data = data.removeprefix(BOM)
    return header_of(Text(file.label, data, layout))


def _parse(text: Text, types: Mapping[str, Any]) -> Any:
    layout, data = text.layout, text.data
    separator = layout.separator
    if len(separator.encode()) > 1:
        data, separator = data.replace(separator.encode(), STAND_IN.encode()), STAND_IN
    return pyarrow.csv.read_csv(
        pa.BufferReader(data),
        read_options=pyarrow.csv.ReadOptions(
            # The longest row must fit a block; large files go through in larger pieces.
            block_size=min(max(len(data), 1 << 20), LONGEST_ROW),
            column_names=layout.names,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=separator,
            quote_char='"' if layout.quoted else False,
            double_quote=layout.quoted,
            escape_char=layout.escape or False,
            newlines_in_values=layout.quoted and b'"' in data,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[],
            strings_can_be_null=False,
        ),
    )


def _numbers(table: Any, name: str) -> Any:
    return table.column(name).to_numpy()


def _require_columns(text: Text, wanted: Mapping[str, str]) -> None:
    there = header_of(text)
    for word, name in wanted.items():
        if there.count(name) != 1:
            many = f"{there.count(name)} columns" if name in there else "no column"
            raise DataError(
                f"{text.label} has {many} '{name}' ({word}); it has: "
                f"{shown(', '.join(there), 200)}",
                f"name the column with {word}=NAME, or the separator with data.separator=...",
            )
