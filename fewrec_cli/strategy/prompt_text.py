"""A support in words: what was liked and what was not, as much of it as there is room for."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from fewrec_cli.backbone.base import Backbone, Listener, Told
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.text.template import PLACE, facts, fill, item_names

LISTS = ("liked", "disliked")


@dataclass(frozen=True)
class Spoken:
    """Supports in words.

    Attributes:
        texts: ``(tasks,)``.
        rows: How many rows there were.
        left_out: How many of them had no room.
    """

    texts: tuple[str, ...]
    rows: int
    left_out: int


class SupportText:
    """Fills a template with what supports say.

    A support's first rows are told, so many as there is room for: windows give the newest first.

    Args:
        dataset: Gives titles, and facts of users.
        template: With ``{liked}``, ``{disliked}`` and facts of users.
        entry: Template of an item in a list; None: its title, or all facts where it has none.
        least: From which rating on an item is liked, standard units; None: every one is.

    Raises:
        ConfigError: The template names neither list, or what is not known.
    """

    def __init__(
        self, dataset: Dataset, template: str, entry: str | None, least: float | None
    ) -> None:
        if not set(LISTS) & set(PLACE.findall(template)):
            raise ConfigError(
                f"strategy.told='{template[:80]}' tells nothing of the support",
                "let it name {liked}, {disliked} or both",
            )
        self.names = item_names(dataset, entry)
        self.known = facts(dataset, "user")
        self.template = template
        self.least = least
        none: dict[str, tuple[str, ...]] = dict.fromkeys((*self.known, *LISTS), ())
        fill(template, none, 0, "user")

    def say(self, listener: Listener, user: Tensor, support: Rows) -> Spoken:
        """Return supports in words.

        Args:
            listener: Says how much room there is.
            user: ``(tasks,)``.
            support: Rows with weight 0 are not there.
        """
        people = user.tolist()
        rows = [
            [
                (self.names[item], self.least is None or rating >= self.least)
                for item, rating, weight in zip(*columns, strict=True)
                if weight > 0 and self.names[item]
            ]
            for columns in zip(
                support.item.tolist(),
                support.rating.tolist(),
                support.weight.tolist(),
                strict=True,
            )
        ]
        there = sum(map(len, rows))
        kept = self._at_most(listener, rows)
        texts = self._texts(people, kept)
        long = _beyond(listener, texts, kept)
        while long:
            for task in long:
                kept[task] = kept[task][:-1]
            again = self._texts([people[task] for task in long], [kept[task] for task in long])
            for task, text in zip(long, again, strict=True):
                texts[task] = text
            long = _beyond(listener, texts, kept, long)
        return Spoken(tuple(texts), there, there - sum(map(len, kept)))

    def tell(self, listener: Listener, user: Tensor, support: Rows) -> tuple[Told, Spoken]:
        """Return supports in words, and these as tokens."""
        spoken = self.say(listener, user, support)
        return listener.told(spoken.texts), spoken

    def without_content(self, words: Sequence[str]) -> list[str]:
        """Return the template filled with each of some words that say nothing."""
        every = {name: tuple(words) for name in (*self.known, *LISTS)}
        return list(fill(self.template, every, len(words), "user").texts)

    def _at_most(
        self, listener: Listener, rows: Sequence[list[tuple[str, bool]]]
    ) -> list[list[tuple[str, bool]]]:
        """Leave out rows whose names alone are beyond the room."""
        named = sorted({name for support in rows for name, _ in support})
        tokens = dict(zip(named, listener.lengths(named), strict=True))
        found = []
        for support in rows:
            taken, count = 0, 0
            for name, _ in support:
                taken += tokens[name]
                if taken > listener.room:
                    break
                count += 1
            found.append(support[:count])
        return found

    def _texts(
        self, people: Sequence[int], rows: Sequence[Sequence[tuple[str, bool]]]
    ) -> list[str]:
        known = {name: tuple(column[one] for one in people) for name, column in self.known.items()}
        lists = {
            word: tuple(
                ", ".join(name for name, liked in support if liked == yes) for support in rows
            )
            for word, yes in zip(LISTS, (True, False), strict=True)
        }
        return list(fill(self.template, known | lists, len(people), "user").texts)


def _beyond(
    listener: Listener,
    texts: Sequence[str],
    rows: Sequence[Sequence[object]],
    among: Sequence[int] | None = None,
) -> list[int]:
    """Return the tasks, among some or all, whose text is too long and has rows to leave out."""
    places = list(range(len(texts))) if among is None else among
    lengths = listener.lengths([texts[task] for task in places])
    pairs = zip(places, lengths, strict=True)
    return [task for task, length in pairs if length > listener.room and rows[task]]


def listener_of(backbone: Backbone) -> Listener:
    """Return what reads texts about users together with items.

    Raises:
        ConfigError: The backbone reads no pairs.
    """
    found = backbone.listener()
    if found is None:
        raise ConfigError(
            "strategy=prompt puts the support into words, and this backbone does not read users "
            "and items together",
            "take backbone=bert or gpt2 with backbone.score=cross or prompt",
        )
    return found
