"""Two data sets as one: what was learned of the source's users and items serves the target's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray, Interactions, Scale
from fewrec_cli.data.base import Dataset, DataSource, Note
from fewrec_cli.data.content import ContentHash
from fewrec_cli.data.pair_field import (
    joined_facts,
    joined_fields,
    joined_texts,
    joined_years,
    same_unit,
    shared_words,
)
from fewrec_cli.data.pair_match import Items, Side, Users, join_ids
from fewrec_cli.data.pair_part import within
from fewrec_cli.data.prepare import Described, Indexed, Origin, assemble

ROLES = ("source", "target")


class Pair(DataSource):
    """The rows of a source and of a target, with one numbering of users, items and attributes.

    Ratings of the source are mapped linearly onto the target's scale. Attributes are one where
    their names are equal, and their values where they are equal but for case or by ``synonyms``;
    what only one side knows is missing on the other. ``Dataset.domain`` tells the rows apart.

    Args:
        source: What is learned from.
        target: What is moved to; its scale and its ``positive`` are those of the pair.
        users: Which users are the same in both; ``apart`` treats all as strangers.
        items: Which items are the same in both; ``title`` compares titles and years.
        source_years: First and last year of release of the items that are kept, or None.
        target_years: The same of the target.
        synonyms: Values of the target's attributes in the source's words.
        words: Items of each side that a word must stand on to become an attribute, or None.
    """

    def __init__(
        self,
        *,
        source: DataSource,
        target: DataSource,
        users: Users,
        items: Items,
        source_years: Sequence[int] | None,
        target_years: Sequence[int] | None,
        synonyms: Mapping[str, str],
        words: int | None,
    ) -> None:
        self.source = source
        self.target = target
        self.users = users
        self.items = items
        self.source_years = source_years
        self.target_years = target_years
        self.synonyms = synonyms
        self.words = words

    def load(self, reporter: Reporter) -> Dataset:
        """Read both and join them."""
        if self.words is not None and self.words < 1:
            raise DataError(f"data.words={self.words} is no number of items", "give 1 or more")
        source = self._read("source", self.source, self.source_years, reporter)
        target = self._read("target", self.target, self.target_years, reporter)
        if source.implicit != target.implicit:
            rated, bare = (target, source) if source.implicit else (source, target)
            raise DataError(
                f"{rated.name} has ratings and {bare.name} has none",
                "pair two data sets with ratings, or two without",
            )
        user = join_ids(source, target, "user", self.users)
        item = join_ids(source, target, "item", self.items)
        rating, mapped = _on_scale(source, target.scale)
        rows, domain, doubled = _joined_rows(source, target, rating, user, item)
        indexed = Indexed(rows, user.ids, item.ids, (*user.notes, *item.notes, *mapped, *doubled))
        described = self._users(source, target, user), self._items(source, target, item)
        notes = tuple(
            Note(note.subject, note.count, f"{role}: {note.text}")
            for role, part in zip(ROLES, (source, target), strict=True)
            for note in part.notes
        )
        sources = tuple(dict.fromkeys((*source.sources, *target.sources)))
        name = f"{source.name}-to-{target.name}"
        origin = Origin(name, target.scale, target.positive, sources, notes)
        whole = assemble(indexed, *described, origin)
        digest = ContentHash().texts("pair", [whole.hash]).array("domain", domain)
        return replace(whole, domain=domain, hash=digest.hex())

    def _read(
        self,
        role: str,
        reader: DataSource,
        years: Sequence[int] | None,
        reporter: Reporter,
    ) -> Dataset:
        """Read one side; its keys stand under ``data.source`` or ``data.target`` in messages."""
        if reader.sharded:
            raise DataError(
                f"data.{role}.shard=auto: a pair is not read in shards",
                f"take data.{role}.shard=none",
            )
        try:
            dataset = reader.load(reporter)
        except DataError as fault:
            problem, remedy = (
                _placed(text, reader, role) for text in (fault.problem, fault.remedy)
            )
            raise DataError(f"{role}: {problem}", remedy) from fault
        return dataset if years is None else within(dataset, years, f"data.{role}_years")

    def _users(self, source: Dataset, target: Dataset, side: Side) -> Described:
        fields, notes = joined_fields(source.user_fields, target.user_fields, side, {})
        text = joined_texts(source.user_text, target.user_text, side)
        facts = joined_facts(source.user_facts, target.user_facts, side)
        return Described(fields, notes, None, text, facts=facts)

    def _items(self, source: Dataset, target: Dataset, side: Side) -> Described:
        parts = source.item_fields, target.item_fields
        fields, notes = joined_fields(*parts, side, self.synonyms)
        year = joined_years(source.item_year, target.item_year, side)
        fields, again = same_unit(fields, year)
        text = joined_texts(source.item_text, target.item_text, side)
        title = joined_texts(source.item_title, target.item_title, side)
        notes = (*notes, *again)
        if self.words is not None:
            shared, note = shared_words(text, side, self.words)
            fields, notes = (*fields, shared), (*notes, note)
        facts = joined_facts(source.item_facts, target.item_facts, side)
        further = source.further_facts | target.further_facts
        return Described(fields, notes, year, text, title, facts, further)


def _placed(text: str, reader: DataSource, role: str) -> str:
    """Write a reader's keys as they stand in a pair: ``data.root`` as ``data.source.root``."""
    keys = "|".join(map(re.escape, vars(reader)))
    return re.sub(rf"(?<![\w./])data\.(?=(?:{keys})\b)", f"data.{role}.", text)


def _on_scale(source: Dataset, scale: Scale | None) -> tuple[FloatArray, tuple[Note, ...]]:
    """Map the source's ratings linearly onto the target's scale, ends onto ends."""
    rating, own = source.interactions.rating, source.scale
    if own is None or scale is None or (own.low, own.high) == (scale.low, scale.high):
        return rating, ()
    stretch = (scale.high - scale.low) / (own.high - own.low)
    text = f"ratings of {source.name} mapped linearly from {own.low:g}-{own.high:g} onto "
    text += f"{scale.low:g}-{scale.high:g}"
    mapped = np.clip(scale.low + stretch * (rating - own.low), scale.low, scale.high)
    return mapped, (Note("scale", len(rating), text),)


def _joined_rows(
    source: Dataset, target: Dataset, rating: FloatArray, user: Side, item: Side
) -> tuple[Interactions, IntArray, tuple[Note, ...]]:
    """Return the source's rows, then the target's, and the domain of each, ``(n,)``.

    Where both have a row of the same user and item, the source's is left out and counted.
    """
    one, other = source.interactions, target.interactions
    when = None
    if one.timestamp is not None and other.timestamp is not None:
        when = np.concatenate([one.timestamp, other.timestamp])
    rows = Interactions(
        np.concatenate([user.source[one.user], user.target[other.user]]),
        np.concatenate([item.source[one.item], item.target[other.item]]),
        np.concatenate([rating, other.rating]),
        when,
    )
    domain = np.repeat(np.arange(2), [len(one), len(other)])
    pair = rows.user * len(item.ids) + rows.item
    doubled: BoolArray = (domain == 0) & np.isin(pair, pair[domain == 1])
    if not doubled.any():
        return rows, domain, ()
    kept = np.flatnonzero(~doubled)
    text = "rows of the source whose user and item have one in the target too: left out"
    return rows.take(kept), domain[kept], (Note("duplicates", int(doubled.sum()), text),)
