"""Attributes of two data sets in one vocabulary, aligned by name and by value."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.types import Facts, Field, IntArray
from fewrec_cli.data.base import Note
from fewrec_cli.data.field import multi, numeric
from fewrec_cli.data.pair_match import Side

YEAR = "year"
WORD = re.compile(r"[^\W\d_]{3,}")


def joined_fields(
    source: Sequence[Field], target: Sequence[Field], side: Side, synonyms: Mapping[str, str]
) -> tuple[tuple[Field, ...], tuple[Note, ...]]:
    """Join the attributes of one side: those of equal name and kind become one.

    A row that both data sets know has the target's values, or the source's where the target knows
    none. Numbers stay in standard units of their own data set.

    Args:
        source: Attributes of the source's users (items).
        target: Attributes of the target's.
        side: Places of both in the joined numbering.
        synonyms: The target's values in the source's words.

    Raises:
        DataError: A synonym names a value that the target's attributes do not have.
    """
    _check_synonyms(source, target, side, synonyms)
    by_name = {field.name: field for field in target}
    fields: list[Field] = []
    notes: list[Note] = []
    for one in source:
        other = by_name.get(one.name)
        if other is None or (one.kind == "numeric") != (other.kind == "numeric"):
            fields.append(_spread(one, side.source, len(side.ids)))
            notes.append(Note(one.name, 0, f"{side.name} attribute of the source alone"))
            continue
        field, same = _merged(one, by_name.pop(one.name), side, synonyms)
        fields.append(field)
        notes.append(_told(one, other, field, same, side))
    taken = {field.name for field in fields}
    for other in by_name.values():
        name = f"{other.name} (target)" if other.name in taken else other.name
        fields.append(replace(_spread(other, side.target, len(side.ids)), name=name))
        notes.append(Note(name, 0, f"{side.name} attribute of the target alone"))
    return tuple(fields), tuple(notes)


def _told(one: Field, other: Field, field: Field, same: int, side: Side) -> Note:
    """Say how much two attributes of one name have in common; numbers have no values to share."""
    if field.kind == "numeric":
        known = int((np.diff(field.offsets) > 0).sum())
        text = f"{side.name} attribute of both: numbers, in standard units of each data set"
        return Note(field.name, known, text)
    text = f"{side.name} attribute of both; values that both have, of {len(one.vocabulary):,} "
    text += f"of the source and {len(other.vocabulary):,} of the target"
    return Note(field.name, same, text)


def _check_synonyms(
    source: Sequence[Field], target: Sequence[Field], side: Side, synonyms: Mapping[str, str]
) -> None:
    if side.name != "item":
        return
    sides = ((target, synonyms, "target"), (source, synonyms.values(), "source"))
    for fields, words, whose in sides:
        known = {value.casefold() for field in fields for value in field.vocabulary}
        strange = [word for word in words if word.casefold() not in known]
        if strange:
            raise DataError(
                f"data.synonyms: no item attribute of the {whose} has the value '{strange[0]}'",
                "write {TARGET VALUE: SOURCE VALUE}, each as the data spells it",
            )


def _merged(one: Field, other: Field, side: Side, synonyms: Mapping[str, str]) -> tuple[Field, int]:
    """Return one field for both, and how many of its values both have."""
    meant = {word.casefold(): value.casefold() for word, value in synonyms.items()}
    place = {value.casefold(): position for position, value in enumerate(one.vocabulary)}
    vocabulary = list(one.vocabulary)
    translated = np.empty(len(other.vocabulary), np.int64)
    for position, value in enumerate(other.vocabulary):
        key = meant.get(value.casefold(), value.casefold())
        if key not in place:
            place[key] = len(vocabulary)
            vocabulary.append(value)
        translated[position] = place[key]
    same = len(set(translated[translated < len(one.vocabulary)].tolist()))
    bags = _bags(one, side.source, len(side.ids), np.arange(len(one.vocabulary)))
    theirs = _bags(other, side.target, len(side.ids), translated)
    bags = [new or old for old, new in zip(bags, theirs, strict=True)]
    kind = one.kind if one.kind == other.kind else "multi"
    return _packed(replace(one, kind=kind, vocabulary=tuple(vocabulary)), bags), same


def _spread(field: Field, place: IntArray, size: int) -> Field:
    """Return the field for all rows; those without a place know nothing."""
    bags = _bags(field, place, size, np.arange(len(field.vocabulary)))
    return _packed(field, bags)


Bag = list[tuple[int, float]]


def _bags(field: Field, place: IntArray, size: int, value: IntArray) -> list[Bag]:
    """Return each joined row's entries as (value, weight), empty where the field has no row."""
    bags: list[Bag] = [[] for _ in range(size)]
    index, weight = value[field.index].tolist(), field.weight.tolist()
    bounds = field.offsets.tolist()
    for row, at in enumerate(place.tolist()):
        start, stop = bounds[row], bounds[row + 1]
        bags[at] = list(zip(index[start:stop], weight[start:stop], strict=True))
    return bags


def _packed(field: Field, bags: list[Bag]) -> Field:
    lengths = [len(bag) for bag in bags]
    return Field(
        field.name,
        field.kind,
        field.vocabulary,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array([value for bag in bags for value, _ in bag], np.int64),
        np.array([weight for bag in bags for _, weight in bag], np.float64),
    )


def joined_years(one: IntArray | None, other: IntArray | None, side: Side) -> IntArray | None:
    """Return the years of release, 0 where unknown, or None where neither data set has any."""
    if one is None and other is None:
        return None
    years = np.zeros(len(side.ids), np.int64)
    for part, place in ((one, side.source), (other, side.target)):
        if part is not None:
            years[place] = np.where(part > 0, part, years[place])
    return years


def same_unit(
    fields: tuple[Field, ...], years: IntArray | None
) -> tuple[tuple[Field, ...], tuple[Note, ...]]:
    """Standardise a numeric ``year`` over both data sets at once, from the years themselves.

    Each has standardised its own, so that equal numbers would mean different years.
    """
    if years is None:
        return fields, ()
    found: list[Field] = []
    notes: tuple[Note, ...] = ()
    for field in fields:
        if field.name != YEAR or field.kind != "numeric":
            found.append(field)
            continue
        common, note = numeric(YEAR, np.where(years > 0, years, np.nan))
        found += [] if common is None else [common]
        notes = (replace(note, text=f"then in one unit for both: {note.text}"),)
    return tuple(found), notes


def joined_texts(
    one: Sequence[str] | None, other: Sequence[str] | None, side: Side
) -> tuple[str, ...] | None:
    """Return one text per row, empty where unknown, or None where neither data set has any."""
    if one is None and other is None:
        return None
    texts = [""] * len(side.ids)
    for part, place in ((one, side.source), (other, side.target)):
        for at, text in zip(place.tolist(), part or (), strict=False):
            texts[at] = text or texts[at]
    return tuple(texts)


def joined_facts(one: Facts, other: Facts, side: Side) -> Facts:
    """Return the facts of both data sets by name, empty where one does not tell them."""
    names = dict.fromkeys([*other, *one])
    joined = {name: joined_texts(one.get(name), other.get(name), side) for name in names}
    return {name: texts for name, texts in joined.items() if texts is not None}


def shared_words(text: Sequence[str] | None, side: Side, least: int) -> tuple[Field, Note]:
    """Return a multi-valued attribute of the words that stand on items of both data sets.

    Args:
        text: One text per item.
        side: Which items are whose.
        least: Items of the source, and items of the target, that a word must stand on.

    Raises:
        DataError: There are no texts, or no word is in both.
    """
    if text is None:
        raise DataError("data.words: neither data set has texts", "leave data.words=null")
    words = [list(dict.fromkeys(_words(one))) for one in text]
    counts = [
        Counter(word for row in place.tolist() for word in words[row])
        for place in (side.source, side.target)
    ]
    kept = {word for word, count in counts[0].items() if min(count, counts[1][word]) >= least}
    if not kept:
        raise DataError(
            f"data.words={least}: no word stands on as many items of the source and of the target",
            "lower it, or leave data.words=null",
        )
    field, _ = multi("words", [[word for word in row if word in kept] for row in words], 1)
    some = int((np.diff(field.offsets) > 0).sum())
    note = f"items with some of the {len(kept):,} words that stand on {least} or more items of each"
    return field, Note("words", some, note)


def _words(text: str) -> list[str]:
    bare = unicodedata.normalize("NFKD", text.casefold())
    return WORD.findall("".join(c for c in bare if not unicodedata.combining(c)))
