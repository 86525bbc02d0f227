"""Amazon reviews of 2018: one category's reviews and metadata as gzipped JSON lines."""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset, DataSource, Note
from fewrec_cli.data.duplicate import Duplicates
from fewrec_cli.data.field import categorical, multi, numeric
from fewrec_cli.data.files import (
    DataFile,
    describe_places,
    first_place,
    place_found,
    source_file,
)
from fewrec_cli.data.layout import Rules
from fewrec_cli.data.prepare import Described, Missing, Origin, SideTable, align, assemble, index
from fewrec_cli.data.rating import Coded, Ratings, broken_rows
from fewrec_cli.data.scale import off_scale, parse_scale

USER, ITEM, RATING, TIME = "reviewerID", "asin", "overall", "unixReviewTime"
SCHEMA = pa.schema(
    [(USER, pa.string()), (ITEM, pa.string()), (RATING, pa.float64()), (TIME, pa.int64())]
)
PRICE = re.compile(r"\$\s*(\d[\d,]*(?:\.\d+)?)")
LONGEST_LINE = 1 << 26


class Amazon(DataSource):
    """Buyers' ratings of one category of products.

    Args:
        category: As in the files' names, e.g. ``Gift_Cards``.
        root: Folder to look in first, or None.
        core: 5 reads ``<category>_5.json.gz``, the published 5-core; None the whole category.
        scale: Lowest and highest level, and their step if not 1.
        positive: A rating of at least this (stars) counts as liked.
        duplicates: What several reviews of one product by one buyer count.
        missing: What becomes of rated products without a line of metadata.
        rare: Attribute values on fewer products than this fold into ``other``.

    Source:
        Ni, Li and McAuley, "Justifying Recommendations using Distantly-Labeled Reviews and
        Fine-Grained Aspects", EMNLP 2019.
    """

    def __init__(
        self,
        *,
        category: str,
        root: str | None,
        core: int | None,
        scale: Sequence[float],
        positive: float,
        duplicates: Duplicates,
        missing: Missing,
        rare: int,
    ) -> None:
        self.category = category
        self.root = root
        self.core = core
        self.scale = scale
        self.positive = positive
        self.duplicates = duplicates
        self.missing = missing
        self.rare = rare

    def load(self, reporter: Reporter) -> Dataset:
        """Read the reviews, and the metadata where it is there."""
        scale = parse_scale(self.scale)
        name = self.category if self.core is None else f"{self.category}_{self.core}"
        hit = first_place(self.root, lambda place: _lies_in(place, name))
        if hit is None:
            raise DataError(
                f"no {name}.json.gz in {describe_places(self.root)}",
                "fetch the category and name its folder with data.root=FOLDER",
            )
        word, reviews = hit
        notes = [Note("files", 1, f"read from {reviews.name} in {place_found(self.root, word)}")]
        ratings = _read_reviews(DataFile(reviews), Rules(scale), reporter)
        indexed = index(ratings, self.duplicates)
        sources = [source_file(reviews)]
        meta = first_place(self.root, lambda place: _lies_in(place, f"meta_{self.category}"))
        if meta is None:
            notes.append(Note("items", 0, f"no meta_{self.category}.json.gz: no attributes"))
            items = Described()
        else:
            sources.append(source_file(meta[1]))
            wanted = frozenset(str(asin) for asin in indexed.item_ids.tolist())
            table, unread = _read_products(DataFile(meta[1]), wanted, reporter)
            table, more = align(indexed.item_ids, table, "item", self.missing)
            left = Note("items", unread, "products of the metadata without a rating: left out")
            items = self._describe(table, (*more, *([left] if unread else [])))
        origin = Origin(
            f"amazon-{self.category}", scale, self.positive, tuple(sources), tuple(notes)
        )
        return assemble(indexed, Described(), items, origin)

    def _describe(self, table: SideTable, notes: tuple[Note, ...]) -> Described:
        prices = [PRICE.match(price) for price in table.columns["price"]]
        amounts = [float(p.group(1).replace(",", "")) if p else np.nan for p in prices]
        with np.errstate(divide="ignore"):
            price = np.log(np.array(amounts))
        pairs = (
            multi("category", [row.split("\n") for row in table.columns["category"]], self.rare),
            categorical("brand", table.columns["brand"], self.rare),
            numeric("log price", price),
        )
        text = tuple(
            f"{title}. {description}".strip(". ")
            for title, description in zip(
                table.columns["title"], table.columns["description"], strict=True
            )
        )
        fields = tuple(field for field, _ in pairs if field is not None)
        facts = {
            name: tuple(", ".join(cell.split("\n")) for cell in table.columns[name])
            for name in ("title", "brand", "category")
        }
        facts["description"] = tuple(" ".join(c.split("\n")) for c in table.columns["description"])
        notes = (*notes, *(note for _, note in pairs))
        return Described(fields, notes, None, text, facts=facts)


def _lies_in(place: Path, name: str) -> Path | None:
    for folder in (place, place / "amazon"):
        for suffix in (".json.gz", ".json"):
            if (folder / f"{name}{suffix}").exists():
                return folder / f"{name}{suffix}"
    return None


def _read_reviews(file: DataFile, rules: Rules, reporter: Reporter) -> Ratings:
    data = file.read(reporter)
    if not data.strip():
        raise DataError(f"{file.label} is empty", "fetch it again")
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(data),
            read_options=pyarrow.json.ReadOptions(
                block_size=min(max(len(data), 1 << 20), LONGEST_LINE)
            ),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=SCHEMA, unexpected_field_behavior="ignore"
            ),
        )
    except pa.ArrowInvalid as fault:
        raise _explain(file.label, data, rules, str(fault)) from fault
    if any(table.column(name).null_count for name in SCHEMA.names):
        raise _explain(file.label, data, rules, "a field is null")
    ratings = Ratings(
        Coded.from_arrow(table.column(USER)),
        Coded.from_arrow(table.column(ITEM)),
        table.column(RATING).to_numpy(),
        table.column(TIME).to_numpy(),
    )
    if broken_rows(ratings, rules).any():
        raise _explain(file.label, data, rules, "")
    return ratings


def _explain(label: str, data: bytes, rules: Rules, otherwise: str) -> DataError:
    """Return the error for the first faulty line."""
    for line, record in _lines(label, data):
        problem = _fault(record, rules)
        if problem is not None:
            return DataError(f"{label} line {line}: {problem}", "correct the line, or take it out")
    return DataError(
        f"{label} cannot be read: {' '.join(otherwise.split())[:200]}", "fetch it again"
    )


def _fault(record: Mapping[str, Any], rules: Rules) -> str | None:
    for name in (USER, ITEM):
        if not isinstance(record.get(name), str) or not record[name]:
            return f"no {name}"
    rating, time = record.get(RATING), record.get(TIME)
    if not isinstance(rating, (int, float)):
        return f"{RATING} {str(rating)[:40]!r} is not a number"
    if rules.scale is not None and off_scale(np.array([float(rating)]), rules.scale)[0]:
        return (
            f"{RATING} {rating:g} is not on the scale {rules.scale.low:g} to {rules.scale.high:g}"
        )
    if not isinstance(time, int) or time < 0:
        return f"{TIME} {str(time)[:40]!r} is not a whole number of seconds"
    return None


def _lines(label: str, data: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, raw in enumerate(data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            record = json.loads(raw)
        except ValueError as fault:
            where = f", character {fault.colno}" if isinstance(fault, json.JSONDecodeError) else ""
            raise DataError(
                f"{label} line {line}{where}: not JSON", "correct the line, or fetch the file again"
            ) from fault
        if not isinstance(record, dict):
            raise DataError(f"{label} line {line}: not a JSON object", "fetch it again")
        yield line, record


def _read_products(
    file: DataFile, wanted: frozenset[str], reporter: Reporter
) -> tuple[SideTable, int]:
    """Read the metadata of the wanted products; also return how many others there are."""
    names = ("title", "brand", "price", "category", "description")
    columns: dict[str, list[str]] = {name: [] for name in names}
    ids: list[str] = []
    others: set[str] = set()
    for _, record in _lines(file.label, file.read(reporter)):
        asin = str(record.get(ITEM) or "")
        if asin not in wanted:
            others.add(asin)
            continue
        ids.append(asin)
        for name in names:
            columns[name].append(_text(record.get(name)))
    return SideTable(file.label, ids, columns), len(others)


def _text(value: Any) -> str:
    """Return a text, or the texts of a list on lines of their own."""
    parts = value if isinstance(value, list) else [value]
    return "\n".join(html.unescape(str(part)).strip() for part in parts if part)
