"""How a text of a user and one of an item become one sequence of tokens, pair by pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Source = Literal["user", "item", "fixed"]


@dataclass(frozen=True)
class Segment:
    """A stretch of the sequence.

    Attributes:
        source: Whose table it is taken from; ``fixed`` is the same in every sequence.
        ids: Token ids, filled up, ``(rows, longest)``; ``fixed`` has one row.
        lengths: Tokens of each row, ``(rows,)``.
        kind: BERT's token type of the segment, 0 or 1.
        answer: Whether the answer is read at its first token.
    """

    source: Source
    ids: Tensor
    lengths: Tensor
    kind: int = 0
    answer: bool = False

    @classmethod
    def fixed(cls, ids: Sequence[int], *, kind: int = 0, answer: bool = False) -> "Segment":
        """Return a segment that is the same in every sequence; may be empty."""
        row = list(ids) or [0]
        return cls("fixed", torch.tensor([row]), torch.tensor([len(ids)]), kind, answer)


@dataclass(frozen=True)
class Sequences:
    """Token sequences of pairs.

    Attributes:
        ids: Filled up at their end, ``(pairs, tokens)``.
        lengths: ``(pairs,)``, at least 1.
        kinds: BERT's token types, ``(pairs, tokens)``.
        answer: Where the answer is read, ``(pairs,)``: the last token if no segment says.
    """

    ids: Tensor
    lengths: Tensor
    kinds: Tensor
    answer: Tensor


class Layout(nn.Module):
    """The segments in their order, their tables as buffers; works under ``torch.func`` too.

    Buffers are made anew from data and tokenizer by whoever prepares it, and not saved.

    Args:
        segments: At least one is never empty.
        pad: Token that fills up.
    """

    def __init__(self, segments: Sequence[Segment], pad: int) -> None:
        super().__init__()
        self.sources = tuple(one.source for one in segments)
        self.kinds = tuple(one.kind for one in segments)
        self.answers = tuple(one.answer for one in segments)
        self.pad = pad
        self.longest = sum(int(one.lengths.max()) for one in segments)
        """Tokens of the longest sequence there can be."""
        for place, one in enumerate(segments):
            self.register_buffer(f"ids_{place}", one.ids, persistent=False)
            self.register_buffer(f"lengths_{place}", one.lengths, persistent=False)

    def lengths(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the tokens of each pair, ``(pairs,)``; arguments as of ``forward``."""
        total = torch.zeros_like(item)
        for place, source in enumerate(self.sources):
            total = total + self._lengths(place, source, user, item)
        return total

    def forward(self, user: Tensor, item: Tensor, width: int) -> Sequences:
        """Return the sequences of pairs.

        Args:
            user: Rows of the users' table, ``(pairs,)``.
            item: Rows of the items' table, ``(pairs,)``.
            width: Tokens that sequences are filled up to: no less than the longest of them.
        """
        column = torch.arange(width, device=item.device)
        start = torch.zeros_like(item)
        ids = torch.full_like(item[:, None].expand(-1, width), self.pad)
        kinds, answer = torch.zeros_like(ids), None
        for place, source in enumerate(self.sources):
            table: Tensor = getattr(self, f"ids_{place}")
            own = table.index_select(0, _rows(source, user, item))
            length = self._lengths(place, source, user, item)
            at = column - start[:, None]
            inside = (at >= 0) & (at < length[:, None])
            ids = torch.where(inside, own.gather(1, at.clamp(0, own.shape[1] - 1)), ids)
            kinds = torch.where(inside, self.kinds[place], kinds)
            answer = start if self.answers[place] else answer
            start = start + length
        return Sequences(ids, start, kinds, start - 1 if answer is None else answer)

    def _lengths(self, place: int, source: Source, user: Tensor, item: Tensor) -> Tensor:
        lengths: Tensor = getattr(self, f"lengths_{place}")
        return lengths.index_select(0, _rows(source, user, item))


def _rows(source: Source, user: Tensor, item: Tensor) -> Tensor:
    if source == "fixed":
        return torch.zeros_like(item)
    return user if source == "user" else item
