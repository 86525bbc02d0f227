"""Texts of items and users: a template filled with the facts of each, sentence by sentence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Facts, Field
from fewrec_cli.data.base import Dataset, Note

Side = Literal["user", "item"]
PLACE = re.compile(r"\{([^{}]*)\}")
CLOSE = "。！？；"
"""Marks that no space follows."""
SENTENCE = re.compile(rf"(?<=[.!?;])\s+|\s*\n\s*|(?<=[{CLOSE}])")
STOPS, MARKS = ".。", ".!?…。！？"
"""A full stop of the template is left out after a fact that ends in one of the marks."""


@dataclass(frozen=True)
class Texts:
    """One text per item or user.

    Attributes:
        texts: ``(n,)``; empty where no fact of the template is known.
        notes: Sentences left out, texts that are empty.
    """

    texts: tuple[str, ...]
    notes: tuple[Note, ...]

    def __len__(self) -> int:
        return len(self.texts)


def item_texts(dataset: Dataset, template: str | None) -> Texts:
    """Fill a template for each item; see ``fill``.

    Args:
        dataset: Whose facts are used.
        template: e.g. ``{title}. {genres}. {plot}``; None names the reader's facts, a sentence
            each, or else its text, or else title and attributes.

    Raises:
        ConfigError: The template is none, or names facts that the data does not have.
    """
    return _texts(dataset, "item", template)


def user_texts(dataset: Dataset, template: str | None) -> Texts:
    """Fill a template for each user; see ``item_texts``."""
    return _texts(dataset, "user", template)


def item_names(dataset: Dataset, entry: str | None) -> list[str]:
    """Return what each item is called in a list, ``(n_items,)``, empty where nothing is known.

    Args:
        dataset: Whose facts are used.
        entry: Template; None: the title, or all facts where there is none.
    """
    if entry is None and "title" in facts(dataset, "item"):
        entry = "{title}"
    return [text.rstrip(".") for text in item_texts(dataset, entry).texts]


def facts(dataset: Dataset, side: Side) -> dict[str, tuple[str, ...]]:
    """Return what a template can name of each item or user, ``(n,)`` each, empty where unknown.

    The reader's own facts come first; ``text``, ``title``, ``year`` and the attributes follow where
    the reader does not name them, values of one attribute separated by commas.
    """
    found = dict(getattr(dataset, f"{side}_facts"))
    text: tuple[str, ...] | None = getattr(dataset, f"{side}_text")
    if text is not None:
        found.setdefault("text", text)
    if side == "item":
        if dataset.item_title is not None:
            found.setdefault("title", dataset.item_title)
        if dataset.item_year is not None:
            years = dataset.item_year.tolist()
            found.setdefault("year", tuple(str(year) if year else "" for year in years))
    for field in getattr(dataset, f"{side}_fields"):
        if field.kind != "numeric" and field.name not in found:
            found[field.name] = _words(field)
    return found


def fill(template: str, known: Facts, count: int, side: Side) -> Texts:
    """Fill a template for each row.

    A template is read sentence by sentence (each ends in ``. ! ? ;`` and a space, or in a line
    break). A sentence with a fact that is not known of a row is left out of that row's text; so is
    its full stop where the fact ends in a mark of its own.

    Args:
        template: Text with facts in braces.
        known: Facts by name, ``(count,)`` each.
        count: Number of rows.
        side: Whose text it is, for messages.

    Raises:
        ConfigError: A brace is open, or a fact is not known of any row.

    Example:
        >>> fill("{title}. By {director}.", {"title": ("Up", "Jaws"), "director": ("", "S.")}, 2,
        ...      "item").texts
        ('Up.', 'Jaws. By S.')
    """
    parts = [part for part in SENTENCE.split(template.strip()) if part.strip()]
    _check(template, parts, known, side)
    rows: list[list[str]] = [[] for _ in range(count)]
    notes = []
    for part in parts:
        names = PLACE.findall(part)
        columns = [known[name] for name in names]
        absent = 0
        for row, text in enumerate(rows):
            values = [column[row].strip() for column in columns]
            if all(values):
                text.append(_filled(part, values))
            else:
                absent += 1
        if absent:
            said = f"{side}s without the sentence '{part.strip()}', a fact of which is unknown"
            notes.append(Note(f"{side} texts", absent, said))
    texts = tuple(_joined(text) for text in rows)
    empty = sum(not text for text in texts)
    if empty:
        notes.append(Note(f"{side} texts", empty, f"{side}s with an empty text: nothing is known"))
    return Texts(texts, tuple(notes))


def _texts(dataset: Dataset, side: Side, template: str | None) -> Texts:
    count = dataset.n_users if side == "user" else dataset.n_items
    known = facts(dataset, side)
    if template is None:
        if not known:
            raise ConfigError(
                f"{dataset.name} tells nothing of its {side}s that a language model could read",
                f"give texts or attributes (data=table: data.{side}s=FILE), or a template "
                "without facts",
            )
        own = [*getattr(dataset, f"{side}_facts")] or [*known][: 1 if "text" in known else None]
        template = " ".join(f"{{{name}}}." for name in own)
    return fill(template, known, count, side)


def _check(template: str, parts: Sequence[str], known: Facts, side: Side) -> None:
    left = PLACE.sub("", template)
    if not parts or "{" in left or "}" in left:
        raise ConfigError(
            f"the {side} template '{template[:80]}' is "
            + ("empty" if not parts else "broken: a brace without its other half"),
            f"write facts in braces: {_shown(known)}",
        )
    for name in PLACE.findall(template):
        if name not in known:
            raise ConfigError(
                f"the {side} template names {{{name}}}, which the data does not tell",
                f"there is: {_shown(known)}" if known else f"the data tells nothing of {side}s",
            )


def _shown(known: Facts) -> str:
    return ", ".join(f"{{{name}}}" for name in known)


def _filled(part: str, values: Sequence[str]) -> str:
    """Return one sentence of the template with its facts."""
    pieces = PLACE.split(part)
    text = pieces[0]
    for value, after in zip(values, pieces[2::2], strict=True):
        text += value
        text += after[1:] if after and after[0] in STOPS and value[-1] in MARKS else after
    return text.strip()


def _joined(sentences: Sequence[str]) -> str:
    """Return sentences behind one another, with a space where the language has one."""
    text = ""
    for sentence in sentences:
        text += f" {sentence}" if text and text[-1] not in CLOSE else sentence
    return text


def _words(field: Field) -> tuple[str, ...]:
    """Return the values of each row of an attribute, separated by commas."""
    bags = np.split(field.index, field.offsets[1:-1])
    return tuple(", ".join(field.vocabulary[place] for place in bag.tolist()) for bag in bags)
