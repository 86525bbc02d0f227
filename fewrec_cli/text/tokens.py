"""Texts as tables of token ids, and batches of texts of about the same length."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.data.base import Note
from fewrec_cli.text.language import Language

LEAST = 4
"""Tokens below which no text says anything."""


@dataclass(frozen=True)
class Tokens:
    """A table of token ids.

    Attributes:
        ids: Row by text, filled up with ``pad`` to the longest, ``(n, longest)`` int64.
        lengths: Tokens of each text, ``(n,)`` int64, at least 1 with special tokens.
        pad: The token that fills up.
        max_tokens: Where longer texts were cut.
        cut: How many were.
    """

    ids: Tensor
    lengths: Tensor
    pad: int
    max_tokens: int
    cut: int

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def mask(self) -> Tensor:
        """Where a token stands and no filling, ``(n, longest)`` bool."""
        return torch.arange(self.ids.shape[1]) < self.lengths[:, None]

    def notes(self, what: str, *, free: int = 0) -> tuple[Note, ...]:
        """Say how many texts were cut, if any.

        Args:
            what: Whose texts they are, e.g. ``item``.
            free: Short ones at the end that are nobody's, as those without content.
        """
        if not self.cut:
            return ()
        text = f"of {len(self) - free:,} {what} texts cut after {self.max_tokens} tokens"
        return (Note(f"{what} texts", self.cut, text),)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return ids and lengths of some rows, filled up to the longest of these only.

        Args:
            rows: Places of the texts, ``(rows,)`` int64.

        Returns:
            ``(rows, longest of these)`` and ``(rows,)``, int64.
        """
        lengths = self.lengths[rows]
        return self.ids[rows, : max(int(lengths.max()), 1)], lengths


def tokenise(
    language: Language, texts: Sequence[str], max_tokens: int, *, special: bool = True
) -> Tokens:
    """Turn texts into token ids.

    A text that is too long loses its end; the tokens that close a text stay.

    Args:
        language: Whose tokenizer is used.
        texts: ``(n,)``; the empty text becomes its special tokens (GPT-2: the end of text).
        max_tokens: Most tokens of a text, special ones included.
        special: Whether the family's own tokens stand around each text (BERT: ``[CLS] … [SEP]``,
            GPT-2: none); without them an empty text has length 0.

    Raises:
        ConfigError: ``max_tokens`` is too few, or more than the model reads.
    """
    check_max_tokens(language, max_tokens)
    tokenizer = language.tokenizer
    rows: list[list[int]] = []
    if texts:
        encoded = tokenizer(list(texts), add_special_tokens=special, verbose=False)
        rows = encoded["input_ids"]
    long = [place for place, row in enumerate(rows) if len(row) > max_tokens]
    if long:
        shorter = tokenizer(
            [texts[place] for place in long],
            add_special_tokens=special,
            truncation=True,
            max_length=max_tokens,
        )["input_ids"]
        for place, row in zip(long, shorter, strict=True):
            rows[place] = row
    if special:
        rows = [row or [int(tokenizer.eos_token_id)] for row in rows]
    lengths = np.array([len(row) for row in rows], np.int64)
    pad = language.pad
    ids = np.full((len(rows), int(lengths.max(initial=1))), pad, np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
    return Tokens(torch.from_numpy(ids), torch.from_numpy(lengths), pad, max_tokens, len(long))


def check_max_tokens(language: Language, max_tokens: int) -> None:
    """Refuse a length that the model cannot read.

    Raises:
        ConfigError: As said.
    """
    if not LEAST <= max_tokens <= language.positions:
        raise ConfigError(
            f"backbone.max_tokens={max_tokens} is not what {language.source.word} reads",
            f"give {LEAST} to {language.positions} tokens",
        )


def batches(lengths: Tensor, budget: int) -> list[Tensor]:
    """Cut texts into batches of about equal length, the longest first.

    Args:
        lengths: Tokens of each text, ``(n,)``.
        budget: Most tokens of a batch, filling included; a longer text stands alone.

    Returns:
        Places of the texts of each batch, int64; every text once.
    """
    order = torch.argsort(lengths, descending=True, stable=True)
    found, start = [], 0
    while start < len(order):
        width = max(int(lengths[order[start]]), 1)
        end = start + max(budget // width, 1)
        found.append(order[start:end])
        start = end
    return found
