"""Attributes of users and items: from columns of text or numbers to bags over a vocabulary."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fewrec_cli.core.types import Field, FloatArray
from fewrec_cli.data.base import Note

OTHER = "other"
"""The vocabulary entry that rare values fold into."""


def categorical(name: str, values: Sequence[str], rare: int) -> tuple[Field, Note]:
    """Return a field with at most one value per row.

    Args:
        name: The attribute's word.
        values: One value per row, empty where missing.
        rare: Values on fewer rows than this fold into ``other``; 1 keeps all.

    Example:
        >>> field, note = categorical("gender", ["F", "M", "", "F"], rare=1)
        >>> field.vocabulary, field.offsets.tolist()
        (('F', 'M'), [0, 1, 2, 2, 3])
    """
    field, folded = _bags(name, "categorical", [(v,) if v else () for v in values], rare)
    return field, _note(field, folded)


def multi(name: str, values: Sequence[Sequence[str]], rare: int) -> tuple[Field, Note]:
    """Return a field with any number of values per row, each weighted 1/n.

    A value named twice in a row counts once.

    Example:
        >>> field, note = multi("genres", [["War", "Drama"], [], ["Drama"]], rare=1)
        >>> field.vocabulary, field.index.tolist(), field.weight.tolist()
        (('Drama', 'War'), [0, 1, 0], [0.5, 0.5, 1.0])
    """
    field, folded = _bags(name, "multi", [tuple(v for v in row if v) for row in values], rare)
    return field, _note(field, folded)


def numeric(name: str, numbers: FloatArray) -> tuple[Field | None, Note]:
    """Return a field whose weight is the standardised number (mean 0, sd 1 over known rows).

    Args:
        name: The attribute's word.
        numbers: NaN where missing, ``(n_rows,)``.

    Returns:
        The field, or None where all known numbers are equal and it could tell nothing.
    """
    known = np.isfinite(numbers)
    count = int(known.sum())
    mean = float(numbers[known].mean()) if count else 0.0
    spread = float(numbers[known].std()) if count else 0.0
    if not spread > 0 or not np.isfinite(spread):
        return None, Note(name, count, "left out: known numbers, all equal or too large")
    offsets = np.concatenate([[0], np.cumsum(known)]).astype(np.int64)
    weight = (numbers[known] - mean) / spread
    field = Field(name, "numeric", (name,), offsets, np.zeros(count, np.int64), weight)
    missing = f"; missing: {len(known) - count:,}" if count < len(known) else ""
    return field, Note(name, count, f"numeric, mean {mean:.6g}, sd {spread:.6g}{missing}")


@dataclass(frozen=True)
class Folded:
    """How many rare values went into ``other``, and on how many rows."""

    values: int
    rows: int


def _bags(
    name: str, kind: Literal["categorical", "multi"], rows: Sequence[tuple[str, ...]], rare: int
) -> tuple[Field, Folded]:
    rows = [tuple(dict.fromkeys(row)) for row in rows]
    seen = Counter(value for row in rows for value in row)
    folded = {value for value, count in seen.items() if count < rare}
    kept = sorted(set(seen) - folded)
    if folded and OTHER not in kept:
        kept.append(OTHER)
    place = {value: position for position, value in enumerate(kept)}
    place |= dict.fromkeys(folded, place.get(OTHER, 0))
    bags = [sorted({place[value] for value in row}) for row in rows]
    lengths = np.array([len(bag) for bag in bags], np.int64)
    field = Field(
        name,
        kind,
        tuple(kept),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array([entry for bag in bags for entry in bag], np.int64),
        np.repeat(1.0 / np.maximum(lengths, 1), lengths),
    )
    return field, Folded(len(folded), sum(not folded.isdisjoint(row) for row in rows))


def _note(field: Field, folded: Folded) -> Note:
    known = int((np.diff(field.offsets) > 0).sum())
    kind = "multi-valued" if field.kind == "multi" else field.kind
    text = f"{kind}, {len(field.vocabulary):,} values"
    if known < len(field):
        text += f"; missing: {len(field) - known:,}"
    if folded.values:
        text += f"; folded into '{OTHER}': {folded.values:,} rare (rows: {folded.rows:,})"
    return Note(field.name, known, text)
