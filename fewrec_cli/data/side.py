"""Recognising what the columns of somebody's items or users file are."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.types import Field, FloatArray
from fewrec_cli.data.base import Note
from fewrec_cli.data.field import categorical, multi, numeric
from fewrec_cli.data.prepare import Described, SideTable

Kind = Literal["categorical", "multi", "numeric", "text", "ignore"]
OFTEN = 0.1
"""Share of the values that hold a separator before a column counts as multi-valued."""
REUSE = 2.0
"""How often a value is used on average before a column counts as multi-valued or categorical."""


def describe_side(
    table: SideTable,
    kinds: Mapping[str, Kind],
    rare: int,
    numeric_from: int,
    separators: Sequence[str],
) -> Described:
    """Turn the columns of a side table into fields and texts.

    A column of numbers is numeric if it has many different ones, else categorical; a column is
    multi-valued if its values hold a separator and their parts recur, categorical if whole values
    recur, and otherwise text.

    Args:
        table: Aligned to the ids of one side.
        kinds: Kinds that the user has set, by column.
        rare: Attribute values on fewer rows than this fold into ``other``.
        numeric_from: Different numbers from which a column of numbers is numeric.
        separators: What may stand between the values of a multi-valued column.

    Raises:
        DataError: ``kinds`` names a column or a kind that does not exist.
    """
    for name, kind in kinds.items():
        if kind not in get_args(Kind):
            raise DataError(
                f"data.kinds: {kind} is no kind of column ({name})",
                f"choose {', '.join(get_args(Kind))}",
            )
    fields: list[Field] = []
    notes: list[Note] = []
    parts: dict[str, str] = {}
    facts: dict[str, tuple[str, ...]] = {}
    for name, raw in table.columns.items():
        values = [value.strip() for value in raw]
        kind, separator = recognise(values, numeric_from, separators)
        kind = kinds.get(name, kind)
        if separator is None:
            separator = next((s for s in separators if any(s in v for v in values)), "|")
        field, note = _build(name, kind, values, separator, rare)
        notes.append(note)
        if field is not None:
            fields.append(field)
        if kind == "multi":
            parts[name] = separator
        if kind in ("categorical", "multi", "text"):
            facts[name] = tuple(values)
    text = tuple(". ".join(v for v in row if v) for row in zip(*facts.values(), strict=True))
    facts |= {name: tuple(_read(v, parts[name]) for v in facts[name]) for name in parts}
    return Described(tuple(fields), tuple(notes), None, text or None, facts=facts)


def recognise(
    values: Sequence[str], numeric_from: int, separators: Sequence[str]
) -> tuple[Kind, str | None]:
    """Return the kind of a column, and the separator where it is multi-valued.

    Example:
        >>> recognise(["War|Drama", "Drama", "War", ""], numeric_from=20, separators=["|"])
        ('multi', '|')
    """
    known = [value for value in values if value]
    if not known:
        return "ignore", None
    different = len(set(known))
    if np.isfinite(as_numbers(known)).all():
        return ("numeric" if different >= numeric_from else "categorical"), None
    for separator in separators:
        if sum(separator in value for value in known) < OFTEN * len(known):
            continue
        parts = [part.strip() for value in known for part in value.split(separator)]
        if len(parts) >= REUSE * len(set(parts)) and len(set(parts)) <= different:
            return "multi", separator
    return ("categorical" if len(known) >= REUSE * different else "text"), None


def as_numbers(values: Sequence[str]) -> FloatArray:
    """Return the values as numbers, NaN where one is none, ``(n,)``."""
    numbers = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        try:
            numbers[row] = float(value)
        except ValueError:
            numbers[row] = np.nan
    return numbers


def _read(value: str, separator: str) -> str:
    """Return the values of a multi-valued cell as they are read: ``War|Drama`` as War, Drama."""
    return ", ".join(part.strip() for part in value.split(separator) if part.strip())


def _build(
    name: str, kind: Kind, values: list[str], separator: str, rare: int
) -> tuple[Field | None, Note]:
    known = sum(bool(value) for value in values)
    if kind == "categorical":
        return categorical(name, values, rare)
    if kind == "multi":
        parts = [[part.strip() for part in value.split(separator)] for value in values]
        return multi(name, parts, rare)
    if kind == "numeric":
        return numeric(name, as_numbers(values))
    if kind == "text":
        return None, Note(name, known, "text: kept for backbones that read, no attribute")
    return None, Note(name, known, "left out: empty" if not known else "left out: as asked")
