"""What a language model reads of users told of in texts of the moment, e.g. by their support."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from fewrec_cli.backbone.form import Form
from fewrec_cli.backbone.kept import kept
from fewrec_cli.backbone.pairs import PairVectors
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.language import Language
from fewrec_cli.text.layout import Layout, Segment
from fewrec_cli.text.tokens import LEAST, tokenise


@dataclass(frozen=True)
class Told:
    """Texts about users, as tokens.

    Attributes:
        ids: Filled up, ``(texts, longest)``.
        lengths: ``(texts,)``.
        cut: How many texts were cut at the listener's room.
    """

    ids: Tensor
    lengths: Tensor
    cut: int

    def to(self, device: torch.device) -> Self:
        """Return the same texts on ``device``."""
        return replace(self, ids=self.ids.to(device), lengths=self.lengths.to(device))

    def take(self, texts: Tensor) -> Self:
        """Return some of the texts, by their index ``(n,)``."""
        return replace(self, ids=self.ids[texts], lengths=self.lengths[texts])


class Listener:
    """Reads items together with what is told of users, in place of what the data tells of them.

    Items' texts are cut at half the room of both, so that there always is some for the other half.
    Made anew whenever it is needed: it belongs to the weights of the moment.

    Args:
        language: Whose tokenizer is used.
        form: How pairs are laid out.
        vectors: Reads pairs.
        offset: What is known of items beside their texts, ``(n,)`` to ``(n,)``.

    Raises:
        ConfigError: The form has no place for a user's text, or none is left.
    """

    def __init__(
        self,
        language: Language,
        form: Form,
        vectors: PairVectors,
        offset: Callable[[Tensor], Tensor],
    ) -> None:
        if not any(one.source == "user" for one in form.telling):
            raise ConfigError(
                "backbone.prompt has no place for what is told of a user",
                "let it name {user}, e.g. '{user} Item: {item} Does the user like it? {answer}.'",
            )
        self.language = language
        self.form = form
        self.vectors = vectors
        self.offset = offset
        longest = max(int(one.lengths.max()) for one in form.telling if one.source == "item")
        self.most = min(longest, form.room // 2)
        self.room = form.room - self.most
        """Tokens of a text about a user, at most."""
        if self.room < LEAST:
            raise ConfigError(
                f"backbone.max_tokens leaves {max(self.room, 0)} tokens for what is told of a user",
                "raise backbone.max_tokens, or shorten backbone.prompt",
            )

    @property
    def learns(self) -> bool:
        """Whether any weight of the language model is learned."""
        return self.vectors.learns

    @property
    def free(self) -> Tensor | None:
        """Rows of the items without content, where the head has a start, ``(prompts,)``."""
        return None if self.form.start is None else self.form.start.item

    @property
    def cut_items(self) -> int:
        """How many items' texts are cut to leave room for what is told."""
        item = next(one for one in self.form.telling if one.source == "item")
        return int((item.lengths > self.most).sum())

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, none of them cut."""
        if not texts:
            return []
        led = [self._led(text) for text in texts]
        found = self.language.tokenizer(led, add_special_tokens=False, verbose=False)
        return [len(row) for row in found["input_ids"]]

    def told(self, texts: Sequence[str]) -> Told:
        """Return texts as tokens; those beyond the room lose their end."""
        led = [self._led(text) for text in texts]
        found = tokenise(self.language, led, self.room, special=False)
        return Told(found.ids, found.lengths, found.cut)

    def features(self, told: Told, item: Tensor) -> Tensor:
        """Return what the head scores, as ``Backbone.encode`` does of the data's own users.

        Args:
            told: One text of each task.
            item: Candidates, ``(tasks, n)``.

        Returns:
            The vector of each pair and the item's offset, ``(tasks, n, width + 1)``.
        """
        vectors = self.read(told, item)
        offset = self.offset(item.reshape(-1)).view(*item.shape, 1)
        return torch.cat([vectors, offset], -1)

    def read(self, told: Told, item: Tensor) -> Tensor:
        """Return the vectors of pairs, ``(tasks, n, width)``; arguments as of ``features``.

        Users of whom the same is told share what is read.
        """
        device = item.device
        told, text = _different(told.to(device))
        segments = [self._segment(one, told, device) for one in self.form.telling]
        layout = Layout(segments, self.language.pad)
        vectors = PairVectors(
            layout, self.vectors.trunk, self.vectors.n_items, self.vectors.checkpointing
        ).to(device)
        user = text[:, None].expand(item.shape).reshape(-1)
        found = kept(vectors, user, item.reshape(-1))
        return found.view(*item.shape, found.shape[1])

    def _segment(self, one: Segment, told: Told, device: torch.device) -> Segment:
        if one.source == "user":
            return replace(one, ids=told.ids, lengths=told.lengths)
        ids, lengths = one.ids, one.lengths
        if one.source == "item":
            ids, lengths = ids[:, : max(self.most, 1)], lengths.clamp(max=self.most)
        return replace(one, ids=ids.to(device), lengths=lengths.to(device))

    def _led(self, text: str) -> str:
        spaced = self.language.family == "gpt2" and self.form.read == "answer"
        return f" {text}" if text and spaced else text


def _different(told: Told) -> tuple[Told, Tensor]:
    """Return each text once, and the place of each text among them."""
    rows = torch.cat([told.lengths[:, None], told.ids], 1)
    found, place = torch.unique(rows, dim=0, return_inverse=True)
    return replace(told, ids=found[:, 1:], lengths=found[:, 0]), place
