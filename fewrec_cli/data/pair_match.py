"""Users and items of two data sets in one numbering: apart, or the same by id or by title."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.types import IdArray, IntArray
from fewrec_cli.data.base import Dataset, Note

Users = Literal["apart", "id"]
Items = Literal["apart", "id", "title"]
SideName = Literal["user", "item"]

BRACKETS = re.compile(r"\([^()]*\)")
ARTICLES = frozenset(
    ("the", "a", "an", "la", "le", "les", "l", "il", "lo", "i", "un", "une", "das", "der", "die")
)


@dataclass(frozen=True)
class Side:
    """The users, or the items, of both data sets.

    Attributes:
        name: Which.
        ids: As ``source:ID``, ``target:ID`` or, where both have it, ``both:ID``; the source's
            first, then what only the target has, ``(n,)``.
        source: Place of each of the source's in ``ids``, ``(n_source,)``.
        target: Place of each of the target's in ``ids``, ``(n_target,)``.
        notes: How many are in both.
    """

    name: SideName
    ids: IdArray
    source: IntArray
    target: IntArray
    notes: tuple[Note, ...]


def join_ids(source: Dataset, target: Dataset, name: SideName, match: Users | Items) -> Side:
    """Number one side of both data sets.

    Args:
        source: Numbered first.
        target: Numbered after it, but for what both have.
        name: ``user`` or ``item``.
        match: What makes two of them the same.

    Raises:
        DataError: ``match`` is not known, there are no titles to compare, or nothing is the same.
    """
    kinds = get_args(Users if name == "user" else Items)
    if match not in kinds:
        raise DataError(f"data.{name}s={match} is not known", f"choose {' or '.join(kinds)}")
    parts = (source, target)
    written = [[str(one) for one in getattr(part, f"{name}_ids").tolist()] for part in parts]
    keys = [_titles(part) for part in parts] if match == "title" else written
    notes: list[Note] = []
    place: dict[str, int] = {}
    if match != "apart":
        alone = [_once(part) for part in keys]
        place = {key: row for row, key in enumerate(keys[0]) if key in alone[0] & alone[1]}
        if not place:
            raise DataError(
                f"no {name} of {target.name} is one of {source.name} by {match}",
                f"treat them as different: data.{name}s=apart",
            )
        text = f"{name}s of the target that the source has too, by {match} (of {len(keys[1]):,})"
        notes.append(Note(f"same {name}s", len(place), text))
        unclear = sum(key in set(keys[0]) and key not in place for key in keys[1])
        if unclear:
            text = f"{name}s of the target whose {match} stands for several: kept apart"
            notes.append(Note(f"unclear {name}s", unclear, text))
    found = np.array([place.get(key, -1) for key in keys[1]], np.int64)
    fresh = found < 0
    at_target = found.copy()
    at_target[fresh] = len(written[0]) + np.arange(fresh.sum())
    ids = np.empty(len(written[0]) + int(fresh.sum()), object)
    ids[: len(written[0])] = [f"source:{one}" for one in written[0]]
    for row, one in zip(at_target.tolist(), written[1], strict=True):
        ids[row] = f"target:{one}" if row >= len(written[0]) else f"both:{one}"
    return Side(name, ids, np.arange(len(written[0])), at_target, tuple(notes))


def _once(keys: list[str]) -> set[str]:
    """Return the keys that are there exactly once; an empty one is none."""
    return {key for key, count in Counter(keys).items() if key and count == 1}


def _titles(dataset: Dataset) -> list[str]:
    if dataset.item_title is None:
        raise DataError(
            f"{dataset.name} has no titles to compare", "match by id, or not: data.items=id|apart"
        )
    years = [0] * dataset.n_items if dataset.item_year is None else dataset.item_year.tolist()
    return [title_key(title, year) for title, year in zip(dataset.item_title, years, strict=True)]


def title_key(title: str, year: int) -> str:
    """Return what is compared of a title: letters and digits without articles, and the year.

    Brackets, which hold the year and other titles, are left out.

    Example:
        >>> title_key("Postino, Il (The Postman) (1994)", 1994)
        'postino 1994'
        >>> title_key("The Thing", 1982) == title_key("Thing, The (1982)", 1982)
        True
    """
    bare = unicodedata.normalize("NFKD", BRACKETS.sub(" ", title).casefold())
    words = re.findall(r"[^\W_]+", "".join(c for c in bare if not unicodedata.combining(c)))
    if len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    elif len(words) > 1 and words[-1] in ARTICLES:
        words = words[:-1]
    return f"{' '.join(words)} {year}" if words else ""
