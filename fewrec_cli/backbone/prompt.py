"""``score=prompt``: a sentence with a gap; how much likelier one word fills it than another."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fewrec_cli.backbone.form import Form, HeadStart
from fewrec_cli.backbone.pair_texts import PairTexts, PairTokens
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.encode import pooled
from fewrec_cli.text.language import Language
from fewrec_cli.text.layout import Layout, Segment
from fewrec_cli.text.tokens import check_max_tokens, tokenise
from fewrec_cli.text.trunk import Read
from fewrec_cli.text.words import check_verbalizers, prompt_pieces

CONTENT_FREE = ("N/A", "")
"""What stands for user and item in prompts without content; BERT's mask is one more."""


def prompt(
    language: Language,
    texts: PairTexts,
    *,
    template: str,
    verbalizers: Sequence[str],
    max_tokens: int,
    soft: int,
) -> Form:
    """Lay out the prompt, and let the head start as the difference of two words' logits.

    The vector that is read is the one whose product with a word's output embedding is its logit,
    so that the score starts as logit(first verbalizer) - logit(second), and everything that adapts
    a linear head adapts this one.

    A model without a language-model head, such as a sentence encoder, fills no gap: there the mean
    of all hidden states is read, with nothing where the answer would be, and the score starts as
    its product with the unit vector of the first verbalizer less that with the second's: how much
    nearer the prompt lies to one sentence than to the other.

    Args:
        language: With its language-model head.
        texts: Of users and items.
        template: With ``{item}`` and ``{answer}``, and ``{user}`` if wanted, each once; GPT-2
            continues it, so that ``{answer}`` ends it.
        verbalizers: What a liked and a disliked item are called; the output embeddings of a word
            of several pieces are averaged. Without a head: sentences.
        max_tokens: Of a whole sequence.
        soft: Places of learned vectors at the start.

    Raises:
        ConfigError: The template, a verbalizer or ``max_tokens`` is not usable.

    Source:
        Schick, Schütze, "Exploiting Cloze Questions for Few Shot Text Classification", EACL 2021;
        prompts without content: Zhao et al., "Calibrate Before Use", ICML 2021; sentences for
        labels: Yin et al., "Benchmarking Zero-shot Text Classification", EMNLP 2019.
    """
    check_max_tokens(language, max_tokens)
    parts = _parts(template, language)
    tokenizer = language.tokenizer
    edges: dict[str, list[int]] = {"first": [], "end": []}
    if language.family == "bert":
        edges = {"first": [tokenizer.cls_token_id], "end": [tokenizer.sep_token_id]}
    lead = " " if language.family == "gpt2" else ""
    users, items = ([_led(text, lead) for text in found] for found in _with_free(texts, language))
    fixed = {part.text: _ids(language, part.text) for part in parts if not part.name}
    masked = language.family == "bert" and language.has_head
    answer = [tokenizer.mask_token_id] if masked else []
    taken = sum(len(fixed[part.text]) for part in parts if not part.name)
    taken += sum(map(len, edges.values())) + len(answer) + soft
    room = max_tokens - taken
    tokens = PairTokens.of(language, users, items, room)
    segments = [Segment.fixed(edges["first"]), Segment.fixed([language.pad] * soft)]
    for part in parts:
        if part.name == "user":
            segments.append(Segment("user", tokens.users.ids, tokens.users.lengths))
        elif part.name == "item":
            segments.append(Segment("item", tokens.items.ids, tokens.items.lengths))
        elif part.name == "answer":
            segments += [Segment.fixed(answer, answer=True)] if answer else []
        else:
            segments.append(Segment.fixed(fixed[part.text]))
    segments.append(Segment.fixed(edges["end"]))
    head = _head(language, verbalizers, lead) if language.has_head else None
    weight, bias, over = head or (_apart(language, verbalizers), 0.0, None)
    free = len(users) - len(texts.users)
    start = HeadStart(
        weight,
        bias,
        torch.arange(len(texts.users), len(texts.users) + free),
        torch.arange(len(texts.items), len(texts.items) + free),
    )
    layout = Layout(segments, language.pad)
    read: Read = "mean" if head is None else "answer"
    return Form(layout, read, over, start, tokens.notes(free=free), tuple(segments), room)


class Part(NamedTuple):
    """A stretch of a template: a place by its name, or a text."""

    name: str
    text: str


def _parts(template: str, language: Language) -> list[Part]:
    """Cut a template at its places; the space before a place goes to what fills it.

    Raises:
        ConfigError: A place is missing, twice there, or unknown.
    """
    pieces = prompt_pieces(template, language.family)
    found = []
    for place, piece in enumerate(pieces):
        if place % 2:
            found.append(Part(piece, ""))
        elif piece.strip():
            found.append(Part("", piece.rstrip(" ") if language.family == "gpt2" else piece))
    return found


def _with_free(texts: PairTexts, language: Language) -> tuple[list[str], list[str]]:
    """Return the texts of users and items, and behind them those of prompts without content."""
    free = list(CONTENT_FREE)
    if language.family == "bert":
        free.append(str(language.tokenizer.mask_token))
    return [*texts.users, *free], [*texts.items, *free]


def _led(text: str, lead: str) -> str:
    return lead + text if text else text


def _ids(language: Language, text: str) -> list[int]:
    found: list[int] = language.tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def _head(
    language: Language, verbalizers: Sequence[str], lead: str
) -> tuple[Tensor, float, Any | None]:
    """Return the difference of two words' output embeddings and biases, and what comes before."""
    model = language.model
    if language.family == "bert":
        output, over = model.cls.predictions.decoder, model.cls.predictions.transform
    else:
        output, over = model.lm_head, None
    check_verbalizers(verbalizers)
    rows = [_pieces(language, lead + word, word) for word in verbalizers]
    if rows[0] == rows[1]:
        raise ConfigError(
            f"backbone.verbalizers '{verbalizers[0]}' and '{verbalizers[1]}' are the same tokens",
            "give two words that the tokenizer tells apart",
        )
    with torch.no_grad():
        liked, other = (output.weight[row].mean(0) for row in rows)
        bias = 0.0
        if output.bias is not None:
            bias = float(output.bias[rows[0]].mean() - output.bias[rows[1]].mean())
    return (liked - other).clone(), bias, over


def _apart(language: Language, verbalizers: Sequence[str]) -> Tensor:
    """Return the difference of two sentences' unit vectors, ``(width,)``."""
    check_verbalizers(verbalizers)
    tokens = tokenise(language, verbalizers, language.positions)
    with torch.no_grad():
        hidden = language.body(input_ids=tokens.ids, attention_mask=tokens.mask.long())
    liked, other = normalize(pooled(hidden.last_hidden_state, tokens.lengths, "mean"), dim=1)
    if torch.equal(liked, other):
        raise ConfigError(
            f"backbone.verbalizers '{verbalizers[0]}' and '{verbalizers[1]}' are the same tokens",
            "give two sentences that the tokenizer tells apart",
        )
    apart: Tensor = liked - other
    return apart


def _pieces(language: Language, text: str, word: str) -> list[int]:
    found = _ids(language, text)
    unknown = language.tokenizer.unk_token_id if language.family == "bert" else None
    if not found or unknown in found:
        raise ConfigError(
            f"backbone.verbalizers: the tokenizer does not know '{word}'",
            "give a word of its vocabulary",
        )
    return found
