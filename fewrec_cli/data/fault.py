"""The slow path of reading: find the first faulty line of a file and say what is wrong with it."""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.data.layout import Columns, Layout, Rules
from fewrec_cli.data.scale import off_scale

WHOLE = re.compile(r"\s*[+-]?\d{1,19}\s*", re.ASCII)
SHOWN = 40
HEADER_WITHIN = 1 << 24


@dataclass(frozen=True)
class Text:
    """A file's content in UTF-8, with the name that errors give it."""

    label: str
    data: bytes
    layout: Layout


def header_of(text: Text) -> list[str]:
    """Return the names of the columns."""
    if text.layout.names is not None:
        return list(text.layout.names)
    # The first row suffices; decoding a whole file for it would take seconds.
    top = replace(text, data=text.data[:HEADER_WITHIN])
    return next(_records(top))[1]


def explain(text: Text, columns: Columns | None, rules: Rules | None, otherwise: str) -> DataError:
    """Return the error for a file that could not be read fast.

    Args:
        text: The file.
        columns: The interaction columns, or None for a side table.
        rules: Which ratings are sound, or None for a side table.
        otherwise: What to say if every row looks sound.
    """
    names = header_of(text)
    rows = _records(text)
    if text.layout.names is None:
        next(rows)
    first: tuple[int, str, str] | None = None
    count = seen = 0
    for line, fields in rows:
        seen += 1
        fault = _fault(fields, names, columns, rules)
        if fault is not None:
            count += 1
            first = first or (line, *fault)
    if not seen:
        return no_rows(text)
    if first is None:
        return DataError(f"{text.label} cannot be read: {shown(otherwise, 200)}", "check the file")
    line, problem, remedy = first
    more = f" (the first of {count:,} faulty rows)" if count > 1 else ""
    return DataError(f"{text.label} line {line}: {problem}{more}", remedy)


def no_rows(text: Text) -> DataError:
    """Return the error for a file without a row."""
    what = "has no rows" if text.layout.names else "has a header and no rows"
    return DataError(f"{text.label} {what}", "give a file with at least one row")


def _fault(
    fields: list[str], names: list[str], columns: Columns | None, rules: Rules | None
) -> tuple[str, str] | None:
    if len(fields) != len(names):
        return (
            f"{len(fields)} fields where {len(names)} are expected",
            "correct the row, or name the separator with data.separator=...",
        )
    if columns is None or rules is None:
        return None
    return row_fault(dict(zip(names, fields, strict=True)), columns, rules)


def row_fault(row: Mapping[str, str], columns: Columns, rules: Rules) -> tuple[str, str] | None:
    """Return what is wrong with one interaction and what to do about it, or None.

    Args:
        row: Every field as text, by column.
        columns: The interaction columns.
        rules: Which ratings are sound.
    """
    for side, name in (("user", columns.user), ("item", columns.item)):
        if not row[name]:
            return f"the {side} id is empty", "fill it in, or take the row out"
    problem = None
    if columns.rating is not None:
        problem = _rating_fault(row[columns.rating], rules)
    if problem is None and columns.timestamp is not None:
        problem = _timestamp_fault(row[columns.timestamp])
    return problem


@lru_cache(maxsize=256)  # a large file repeats few ratings
def _rating_fault(written: str, rules: Rules) -> tuple[str, str] | None:
    try:
        rating = math.nan if "_" in written else float(written)
    except ValueError:
        return f"rating '{shown(written)}' is not a number", "correct the row, or take it out"
    if math.isnan(rating) or (rules.scale is None and math.isinf(rating)):
        return f"rating '{shown(written)}' is not a finite number", "correct it, or take it out"
    if (
        rules.scale is None
        or rating in rules.also
        or not off_scale(np.array([rating]), rules.scale)
    ):
        return None
    scale = rules.scale
    return (
        f"rating {shown(written)} is not on the scale {scale.low:g} to {scale.high:g} "
        f"in steps of {scale.step:g}",
        "correct the row, or declare the scale with data.scale=[LOW,HIGH,STEP]",
    )


def _timestamp_fault(written: str) -> tuple[str, str] | None:
    remedy = "write whole seconds since 1970"
    if not WHOLE.fullmatch(written) or abs(int(written)) >= 2**63:
        return f"timestamp '{shown(written)}' is not a whole number of seconds", remedy
    if int(written) < 0:
        return f"timestamp {written.strip()} is negative", remedy
    return None


def _records(text: Text) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the number of its first line."""
    layout, content = text.layout, text.data.decode("utf-8", "replace")
    if not layout.quoted:
        for line, row in enumerate(content.split("\n"), start=1):
            if row.rstrip("\r"):
                yield line, row.rstrip("\r").split(layout.separator)
        return
    reader = csv.reader(
        io.StringIO(content, newline=""), delimiter=layout.separator, escapechar=layout.escape
    )
    line = 1
    with _long_fields():
        try:
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1
        except csv.Error as fault:
            raise DataError(f"{text.label} line {line}: {fault}", "correct the row") from fault


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def shown(written: str, most: int = SHOWN) -> str:
    """Return a value fit for one line."""
    written = " ".join(written.split())
    return written if len(written) <= most else f"{written[:most]}... ({len(written):,} characters)"
