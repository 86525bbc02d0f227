"""Pairs of texts that belong together: items that one user liked, or two facts of one item."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import BoolArray, IntArray, Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.text.domain_fit import Loss
from fewrec_cli.text.domain_liked import Liked
from fewrec_cli.text.domain_words import held_out
from fewrec_cli.text.encode import Pooling, pooled
from fewrec_cli.text.language import Language
from fewrec_cli.text.template import facts
from fewrec_cli.text.tokens import Tokens, tokenise

LIKED = "liked"
TEMPERATURE = 0.05
"""Of the softmax over cosines, as in SimCSE."""
MOST_HELD_OUT = 1024
"""Held-out pairs, at most, so that a check stays short."""
LEAST_PAIRS = 20


@dataclass(frozen=True)
class Pairs:
    """Pairs of texts.

    Attributes:
        left: Texts to draw the first of a pair from.
        right: Of the second.
        train: Draws the pairs of an epoch by its number.
        held_out: Pairs that are not trained on.
        what: Word for them.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    train: "Drawer"
    held_out: "Drawn"
    what: str


@dataclass(frozen=True)
class Drawn:
    """Pairs by place, ``(pairs,)`` each.

    Attributes:
        left: Place of the first text.
        right: Place of the second.
        user: Who liked both; -1 where nobody did.
        liked: Who liked what, or None.
    """

    left: IntArray
    right: IntArray
    user: IntArray
    liked: Liked | None

    def __len__(self) -> int:
        return len(self.left)

    def take(self, some: IntArray) -> "Drawn":
        """Return some of the pairs."""
        return Drawn(self.left[some], self.right[some], self.user[some], self.liked)

    def alike(self, left: IntArray, right: IntArray) -> BoolArray:
        """Return which seconds belong to which firsts, ``(pairs, pairs)``: no negatives of theirs.

        Those of their own text, those that stand beside their text in any pair, and those that the
        user of one of both pairs liked with them.

        Args:
            left: The number of each first text, ``(pairs,)``; equal texts have one number.
            right: Of each second, likewise.
        """
        beside = np.equal.outer(left, left).astype(np.int64) @ np.equal.outer(right, right)
        found: BoolArray = np.equal.outer(left, right) | (beside > 0)
        if self.liked is not None:
            found |= self.liked.likes(self.user, self.right)
            found |= self.liked.likes(self.user, self.left).T
        return found


class Drawer:
    """Draws the pairs of an epoch.

    Args:
        liked: Who liked what; None draws every one of ``fixed`` each time.
        fixed: Places of pairs that are the same place on both sides.
        seed: Of the draws.
    """

    def __init__(self, liked: Liked | None, fixed: IntArray, seed: int) -> None:
        self.liked = liked
        self.fixed = fixed
        self.seed = seed

    def __call__(self, epoch: int) -> Drawn:
        """Return the pairs of an epoch, in random order."""
        rng = generator(self.seed, "text", "pairs", epoch)
        if self.liked is not None:
            left, right, user = self.liked.draw(rng)
            return Drawn(left, right, user, self.liked)
        places = rng.permutation(self.fixed)
        return Drawn(places, places, np.full(len(places), -1), None)


def liked_pairs(dataset: Dataset, train: Interactions, texts: Sequence[str], seed: int) -> Pairs:
    """Pair items that one training user liked; a tenth of these users is held out.

    Args:
        dataset: Says from how many stars on an item is liked.
        train: The rows that pretraining may see.
        texts: One per item; items without one are in no pair.
        seed: Of who is held out, and of the draws.

    Raises:
        ConfigError: There are too few such pairs, or the rows are a share of all.
    """
    told = np.array([bool(text.strip()) for text in texts])
    rows = told[train.item]
    if not dataset.implicit:
        rows &= train.rating >= dataset.positive
    user, item = train.user[rows], train.item[rows]
    aside = np.zeros(dataset.n_users, dtype=bool)
    people = np.unique(user)
    if len(people) > 1:
        aside[people[held_out(len(people), seed, "users")[1].numpy()]] = True
    known, new = (
        Liked.of(user[which], item[which], dataset.n_users, dataset.n_items)
        for which in (~aside[user], aside[user])
    )
    if len(known.item) < LEAST_PAIRS or not len(new.item):
        raise ConfigError(
            f"backbone.pretrain=contrastive: {len(known.item):,} training rows of users who liked "
            "two or more items with a text",
            "give items texts, or take backbone.pretraining.pairs=title-plot, mlm or causal",
        )
    drawn = Drawn(*new.draw(generator(seed, "text", "pairs", "held out")), new)
    drawn = drawn.take(np.arange(min(len(drawn), MOST_HELD_OUT)))
    both = tuple(texts)
    return Pairs(both, both, Drawer(known, item[:0], seed), drawn, "pairs of held-out users")


def fact_pairs(dataset: Dataset, words: str, seed: int) -> Pairs:
    """Pair two facts of each item; a tenth of the items is held out.

    Args:
        dataset: Whose facts.
        words: ``A-B``.
        seed: Of what is held out, and of the order.

    Raises:
        ConfigError: There are no such facts, or too few items have both.
    """
    names, known = words.split("-"), facts(dataset, "item")
    if len(names) != 2 or any(name not in known for name in names):
        raise ConfigError(
            f"backbone.pretraining.pairs={words} names no two facts of the items",
            f"take {LIKED}, or two of these joined by -, as title-plot: {', '.join(known)}",
        )
    left, right = (known[name] for name in names)
    both = np.array([bool(a.strip() and b.strip()) for a, b in zip(left, right, strict=True)])
    places = np.flatnonzero(both)
    if len(places) < LEAST_PAIRS:
        raise ConfigError(
            f"backbone.pretraining.pairs={words}: {len(places):,} of {len(both):,} items have both",
            "give texts for more items, or take other facts",
        )
    train, aside = (part.numpy() for part in held_out(len(places), seed, "items"))
    fixed = places[aside][:MOST_HELD_OUT]
    drawn = Drawn(fixed, fixed, np.full(len(fixed), -1), None)
    return Pairs(left, right, Drawer(None, places[train], seed), drawn, "pairs of held-out items")


class Contrast:
    """Tell the second text of a pair from those of the batch's other pairs, and the first likewise.

    Args:
        language: Whose tokenizer is used.
        pairs: Training and held-out pairs.
        batch: Pairs of a step, at least 2.
        max_tokens: Where longer texts are cut.
        pooling: What becomes of a text's hidden states.
    """

    def __init__(
        self, language: Language, pairs: Pairs, batch: int, max_tokens: int, pooling: Pooling
    ) -> None:
        self.what = pairs.what
        self.pairs = pairs
        self.batch = batch
        self.pooling: Pooling = pooling
        self.masks = language.family == "bert"
        self.left = tokenise(language, pairs.left, max_tokens)
        same = pairs.right is pairs.left
        self.right = self.left if same else tokenise(language, pairs.right, max_tokens)
        numbers: dict[str, int] = {}
        self.left_text, self.right_text = (
            np.array([numbers.setdefault(text, len(numbers)) for text in side])
            for side in (pairs.left, pairs.right)
        )
        self.held_out = self._batches(pairs.held_out)

    def epoch(self, number: int) -> list[Drawn]:
        """Draw the pairs of an epoch, in batches."""
        return self._batches(self.pairs.train(number))

    def loss(self, model: Any, batch: Drawn, seed: int, device: torch.device) -> Loss:
        """Return the cross-entropy of each pair among the batch's, mean of both directions."""
        left = self._vectors(model, self.left, batch.left, device)
        right = self._vectors(model, self.right, batch.right, device)
        texts = self.left_text[batch.left], self.right_text[batch.right]
        alike = torch.from_numpy(batch.alike(*texts)).to(device)
        alike.fill_diagonal_(fill_value=False)
        logits = (left @ right.T / TEMPERATURE).masked_fill(alike, -torch.inf)
        own = torch.arange(len(batch), device=device)
        there = cross_entropy(logits, own, reduction="sum")
        back = cross_entropy(logits.T, own, reduction="sum")
        return Loss((there + back) / 2, len(batch))

    def _vectors(self, model: Any, tokens: Tokens, places: IntArray, device: Any) -> Tensor:
        """Return the vectors of texts, each of length 1, ``(texts, width)`` float32."""
        ids, lengths = (part.to(device) for part in tokens.batch(torch.from_numpy(places)))
        mask = None
        if self.masks:
            mask = (torch.arange(ids.shape[1], device=device) < lengths[:, None]).long()
        hidden = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
        return normalize(pooled(hidden.float(), lengths, self.pooling), dim=1)

    def _batches(self, drawn: Drawn) -> list[Drawn]:
        """Cut pairs into batches; a pair that is left alone joins the last one."""
        count = max((len(drawn) + self.batch - 2) // self.batch, 1)
        ends = [min(number * self.batch, len(drawn)) for number in range(count)]
        return [
            drawn.take(np.arange(start, end))
            for start, end in zip(ends, [*ends[1:], len(drawn)], strict=True)
        ]
