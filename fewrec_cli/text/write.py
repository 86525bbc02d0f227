"""GPT-2 goes on writing: texts in, their continuations out."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.text.encode import BUDGET, precision
from fewrec_cli.text.language import Language
from fewrec_cli.text.tokens import Tokens, batches


@torch.no_grad()
def written(
    language: Language,
    prompts: Sequence[str],
    *,
    new_tokens: int,
    temperature: float,
    most_likely: int,
    max_tokens: int,
    seed: int,
    device: torch.device | None = None,
    numbers: torch.dtype | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[str]:
    """Return what a causal model writes after each prompt.

    What is written for a prompt depends on the prompt and the seed alone, not on the others.

    Args:
        language: Of the family ``gpt2``.
        prompts: ``(n,)``; of one that is too long the end is kept, where the writing goes on.
        new_tokens: Written at most; the end of text ends it earlier.
        temperature: 0 writes the most probable token each time; above, tokens are drawn from the
            softmax of logits / temperature.
        most_likely: Only so many of the most probable tokens are drawn from.
        max_tokens: Of prompt and continuation together.
        seed: Of the draws.
        device: Where to compute; None takes the GPU where there is one.
        numbers: What is computed in; None takes bfloat16 on GPUs that have it, else float32.
        advance: Told how many more prompts are done.

    Returns:
        Continuations without the prompts, stripped, ``(n,)``.

    Raises:
        ConfigError: The model is not causal, or leaves no room for what is to be written.
    """
    _check(language, new_tokens, max_tokens)
    if not prompts:
        return []
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokens = _last(language, prompts, max_tokens - new_tokens)
    found = [""] * len(prompts)
    model = language.model.to(device)
    try:
        longest = tokens.lengths + new_tokens
        for rows in batches(longest, BUDGET.get(device.type, BUDGET["cpu"])):
            ids, lengths = tokens.batch(rows)
            chances = None
            if temperature > 0:
                chances = _chances([prompts[row] for row in rows.tolist()], new_tokens, seed)
            new = _go_on(
                language,
                model,
                ids,
                lengths,
                chances,
                temperature,
                most_likely,
                new_tokens,
                device,
                numbers or precision(device),
            )
            for row, own in zip(rows.tolist(), new.tolist(), strict=True):
                found[row] = _decoded(language, own)
            if advance is not None:
                advance(len(rows))
    finally:
        language.model.to("cpu")
    return found


def _check(language: Language, new_tokens: int, max_tokens: int) -> None:
    if language.family != "gpt2":
        raise ConfigError(
            f"{language.source.word} is a bert model, which reads and does not write",
            "take backbone=gpt2, or strategy.new_tokens=0: profiles from the template alone",
        )
    if not 0 < new_tokens < min(max_tokens, language.positions):
        raise ConfigError(
            f"strategy.new_tokens={new_tokens} leaves no room for a prompt in {max_tokens} tokens",
            "lower strategy.new_tokens, or raise backbone.max_tokens",
        )


def _last(language: Language, prompts: Sequence[str], room: int) -> Tokens:
    """Return the last tokens of each prompt; the empty one is the end of text."""
    whole = language.tokenizer(list(prompts), add_special_tokens=False, verbose=False)["input_ids"]
    end = int(language.tokenizer.eos_token_id)
    rows = [row[-room:] or [end] for row in whole]
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    ids = torch.full((len(rows), int(lengths.max()) if rows else 1), end)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return Tokens(ids, lengths, end, room, sum(len(row) > room for row in whole))


def _go_on(
    language: Language,
    model: Any,
    ids: Tensor,
    lengths: Tensor,
    chances: Tensor | None,
    temperature: float,
    most_likely: int,
    new_tokens: int,
    device: torch.device,
    numbers: torch.dtype,
) -> Tensor:
    """Return the new tokens of prompts, ``(prompts, new_tokens)``; the end of text fills up.

    Prompts are moved to the right, so that all end at one place; what fills the left is masked.
    """
    end, width = int(language.tokenizer.eos_token_id), ids.shape[1]
    shift = (torch.arange(width) - (width - lengths)[:, None]).clamp(min=0)
    there = torch.arange(width) >= (width - lengths)[:, None]
    shown = ids.gather(1, shift).to(device)
    mask = torch.cat([there.long(), torch.ones(len(ids), new_tokens).long()], 1).to(device)
    place = (mask.cumsum(1) - 1).clamp(min=0)
    new = torch.full((len(ids), new_tokens), end)
    live = torch.ones(len(ids), dtype=torch.bool)
    past = None
    for step in range(new_tokens):
        stop = width + step
        with torch.autocast(device.type, numbers, enabled=numbers != torch.float32):
            out = model.base_model(
                input_ids=shown,
                attention_mask=mask[:, :stop],
                position_ids=place[:, stop - shown.shape[1] : stop],
                past_key_values=past,
                use_cache=True,
            )
            logits = model.lm_head(out.last_hidden_state[:, -1])
        past = out.past_key_values
        chance = None if chances is None else chances[:, step]
        token = chosen(logits.float().cpu(), chance, temperature, most_likely)
        new[:, step] = torch.where(live, token, end)
        live &= token != end
        if not live.any():
            break
        shown = new[:, step : step + 1].to(device)
    return new


def chosen(logits: Tensor, chance: Tensor | None, temperature: float, most_likely: int) -> Tensor:
    """Return one token per row: the most probable, or the one whose share covers ``chance``.

    Args:
        logits: ``(rows, tokens)``.
        chance: Uniform numbers in [0, 1), ``(rows,)``, or None.
        temperature: Logits are divided by it.
        most_likely: How many of the most probable tokens may be drawn.

    Example:
        >>> logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(4, 3)
        >>> chosen(logits, torch.tensor([0.0, 0.49, 0.51, 0.9]), 1.0, 3).tolist()
        [0, 0, 1, 2]
    """
    if chance is None:
        return logits.argmax(1)
    best, token = logits.topk(min(most_likely, logits.shape[1]), dim=1)
    share = torch.softmax(best / temperature, 1).cumsum(1)
    place = (share <= chance[:, None]).sum(1).clamp(max=share.shape[1] - 1)
    return token.gather(1, place[:, None])[:, 0]


def _chances(prompts: Sequence[str], count: int, seed: int) -> Tensor:
    """Return the uniform numbers of each prompt, ``(prompts, count)`` float32."""
    rows = []
    for prompt in prompts:
        word = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
        rows.append(np.random.default_rng(derive_seed(seed, "write", word)).random(count))
    return torch.from_numpy(np.array(rows)).float()


def _decoded(language: Language, tokens: Sequence[int]) -> str:
    text: str = language.tokenizer.decode(tokens, skip_special_tokens=True)
    return " ".join(text.split())
