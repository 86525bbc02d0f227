"""Language modelling on the items' texts: masked tokens (BERT) or the next one (GPT-2)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fewrec_cli.core.seeding import derive_seed, generator
from fewrec_cli.text.domain_fit import Loss
from fewrec_cli.text.language import Language
from fewrec_cli.text.tokens import tokenise

MASKED_SHARE = 0.15
"""Share of the tokens that are foretold."""
AS_MASK, AS_OTHER = 0.8, 0.1
"""Of these: replaced by the mask, by any token; the rest is left as it stands."""
HELD_OUT_SHARE = 0.1
SORTED_BATCHES = 16
"""Within so many batches texts are sorted by length, so that little is filled up."""
IGNORED = -100


def held_out(count: int, seed: int, what: str) -> tuple[Tensor, Tensor]:
    """Return the places of texts to train on and of a tenth that is held out, at least one each."""
    order = torch.from_numpy(generator(seed, "text", "held out", what).permutation(count))
    aside = max(round(count * HELD_OUT_SHARE), 1)
    return order[aside:].sort().values, order[:aside].sort().values


def shuffled(places: Tensor, lengths: Tensor, batch: int, seed: int, epoch: int) -> list[Tensor]:
    """Cut texts into batches of about equal length, in random order.

    Args:
        places: Which texts, ``(n,)``.
        lengths: Tokens of all texts.
        batch: Texts of a batch.
        seed: Of the order.
        epoch: Its number; each has an order of its own.
    """
    draw = torch.Generator().manual_seed(derive_seed(seed, "text", "order", epoch))
    order = places[torch.randperm(len(places), generator=draw)]
    found: list[Tensor] = []
    for window in torch.split(order, batch * SORTED_BATCHES):
        by_length = torch.argsort(lengths[window], stable=True)
        found += torch.split(window[by_length], batch)
    return [found[place] for place in torch.randperm(len(found), generator=draw).tolist()]


class _Words:
    """Texts as tokens, a tenth of them held out."""

    what = "texts"

    def __init__(
        self, language: Language, texts: Sequence[str], batch: int, max_tokens: int, seed: int
    ) -> None:
        self.batch = batch
        self.seed = seed
        self.tokens = tokenise(language, texts, max_tokens)
        self.train, aside = held_out(len(texts), seed, "texts")
        order = torch.argsort(self.tokens.lengths[aside], stable=True)
        self.held_out: Sequence[Tensor] = torch.split(aside[order], batch)

    def epoch(self, number: int) -> list[Tensor]:
        """Return batches of texts of about the same length."""
        return shuffled(self.train, self.tokens.lengths, self.batch, self.seed, number)


class Masked(_Words):
    """Foretell masked tokens: 15% of each text's, of which 80% are masked and 10% are others.

    Departures from Devlin et al.: masks are drawn anew in every epoch; a text of which none is
    drawn has one of its tokens foretold, as titles are short.
    """

    def __init__(
        self, language: Language, texts: Sequence[str], batch: int, max_tokens: int, seed: int
    ) -> None:
        super().__init__(language, texts, batch, max_tokens, seed)
        tokenizer = language.tokenizer
        self.special = torch.tensor(sorted(set(tokenizer.all_special_ids)))
        self.mask = int(tokenizer.mask_token_id)
        ordinary = sorted(set(range(len(tokenizer))) - set(self.special.tolist()))
        self.ordinary = torch.tensor(ordinary)

    def loss(self, model: Any, places: Tensor, seed: int, device: torch.device) -> Loss:
        """Return the cross-entropy of the masked tokens; logits are made for these alone."""
        ids, lengths = self.tokens.batch(places)
        there = torch.arange(ids.shape[1]) < lengths[:, None]
        shown, label = self.masked(ids, there, seed)
        chosen = (label != IGNORED).to(device)
        hidden = model.base_model(
            input_ids=shown.to(device), attention_mask=there.long().to(device)
        ).last_hidden_state
        logits = model.cls(hidden[chosen])
        total = cross_entropy(logits.float(), label.to(device)[chosen], reduction="sum")
        return Loss(total, int(chosen.sum()))

    def masked(self, ids: Tensor, there: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Draw what is foretold.

        Args:
            ids: ``(texts, tokens)``.
            there: Where no filling stands, likewise.
            seed: Of the draw.

        Returns:
            What the model is shown, and the true token where it is foretold, elsewhere IGNORED.
        """
        draw = torch.Generator().manual_seed(seed)
        open_ = there & ~torch.isin(ids, self.special)
        chance = torch.rand(ids.shape, generator=draw).masked_fill(~open_, 2.0)
        least = chance == chance.min(1, keepdim=True).values
        foretold = open_ & ((chance < MASKED_SHARE) | least)
        label = ids.masked_fill(~foretold, IGNORED)
        way = torch.rand(ids.shape, generator=draw)
        other = self.ordinary[torch.randint(len(self.ordinary), ids.shape, generator=draw)]
        shown = torch.where(foretold & (way < AS_MASK), self.mask, ids)
        swapped = foretold & (way >= AS_MASK) & (way < AS_MASK + AS_OTHER)
        return torch.where(swapped, other, shown), label


class Causal(_Words):
    """Foretell each token from those before it, and where a text ends.

    An end of text stands before each, so that the first token is foretold, too.
    """

    def __init__(
        self, language: Language, texts: Sequence[str], batch: int, max_tokens: int, seed: int
    ) -> None:
        room = min(max_tokens, language.positions - 2)
        super().__init__(language, texts, batch, room, seed)
        end = int(language.tokenizer.eos_token_id)
        ids = self.tokens.ids.masked_fill(~self.tokens.mask, end)
        edge = ids.new_full((len(ids), 1), end)
        self.ids = torch.cat([edge, ids, edge], 1)

    def loss(self, model: Any, places: Tensor, seed: int, device: torch.device) -> Loss:
        """Return the cross-entropy of all tokens and of the end."""
        lengths = self.tokens.lengths[places]
        ids = self.ids[places, : int(lengths.max()) + 2].to(device)
        foretold = torch.arange(ids.shape[1] - 1, device=device) <= lengths[:, None].to(device)
        hidden = model.base_model(input_ids=ids[:, :-1]).last_hidden_state
        logits = model.lm_head(hidden[foretold])
        total = cross_entropy(logits.float(), ids[:, 1:][foretold], reduction="sum")
        return Loss(total, int(foretold.sum()))


def with_mask_head(model: Any, seed: int) -> Any:
    """Return a BERT with a mask head of random weights around the body of ``model``.

    The head's output weights are those of the token embeddings, as in every BERT.
    """
    from transformers import BertForMaskedLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "text", "mask head"))
        found = BertForMaskedLM(model.config)
    body = {name: value for name, value in model.state_dict().items() if "pooler" not in name}
    found.bert.load_state_dict(body)
    found.tie_weights()
    return found.eval()
