"""What a language model reads of users and items, and their tokens within one length."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.text.language import Language
from fewrec_cli.text.template import facts, item_texts, user_texts
from fewrec_cli.text.tokens import LEAST, Tokens, tokenise


@dataclass(frozen=True)
class PairTexts:
    """The texts of a data set, each different user text once.

    Attributes:
        users: Different texts, ``(texts,)``.
        place: Text of each user, ``(n_users,)``.
        items: ``(n_items,)``.
        notes: What was left out or is not known.
    """

    users: tuple[str, ...]
    place: Tensor
    items: tuple[str, ...]
    notes: tuple[Note, ...]

    @classmethod
    def of(cls, dataset: Dataset, template: str | None, user_template: str | None) -> "PairTexts":
        """Fill the templates; users of whom nothing is known have the empty text.

        Args:
            dataset: Whose facts are used.
            template: Of the items; None names all facts.
            user_template: Of the users, likewise.
        """
        items = item_texts(dataset, template)
        if user_template is None and not facts(dataset, "user"):
            note = Note("user texts", dataset.n_users, "users of whom the data tells nothing")
            place = torch.zeros(dataset.n_users, dtype=torch.int64)
            return cls(("",), place, items.texts, (*items.notes, note))
        users = user_texts(dataset, user_template)
        different = tuple(sorted(set(users.texts)))
        row = {text: number for number, text in enumerate(different)}
        return cls(
            different,
            torch.tensor([row[text] for text in users.texts], dtype=torch.int64),
            items.texts,
            (*items.notes, *users.notes),
        )


@dataclass(frozen=True)
class PairTokens:
    """Tokens of the texts, such that every pair fits.

    Attributes:
        users: Without special tokens, ``(texts, longest)``.
        items: Likewise, ``(n_items, longest)``.
    """

    users: Tokens
    items: Tokens

    @classmethod
    def of(
        cls, language: Language, users: Sequence[str], items: Sequence[str], room: int
    ) -> "PairTokens":
        """Cut what is too long: a user's text at half the room, an item's at what is left.

        Args:
            language: Whose tokenizer is used.
            users: Different texts.
            items: ``(n_items,)``.
            room: Tokens of a user's and an item's text together.

        Raises:
            ConfigError: There is no room for two texts.
        """
        if room < 2 * LEAST:
            raise ConfigError(
                f"backbone.max_tokens leaves {max(room, 0)} tokens for a user's and an item's text",
                "raise backbone.max_tokens, or shorten backbone.prompt or soft:N",
            )
        person = tokenise(language, users, room // 2, special=False)
        left = room - int(person.lengths.max())
        return cls(person, tokenise(language, items, left, special=False))

    def notes(self, *, free: int = 0) -> tuple[Note, ...]:
        """Say how many texts were cut, if any; the last ``free`` of each are nobody's."""
        return (
            *self.users.notes("different user", free=free),
            *self.items.notes("item", free=free),
        )
