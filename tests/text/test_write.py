"""What GPT-2 writes against a loop that reads every text anew, without cache or filling."""

from functools import cache

import numpy as np
import pytest
import torch

from fewrec_cli.core.errors import ConfigError

pytest.importorskip("transformers")

from fewrec_cli.text.language import Language, load
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.weights import Family, Source
from fewrec_cli.text.write import chosen, written

TEXTS = ("A red fox. It runs.", "The old bear sleeps all winter.", "Fish", "A red bear runs far.")
CPU = torch.device("cpu")


@cache
def language(family: Family) -> Language:
    form = Scratch(layers=2, width=16, heads=2, vocabulary=290, positions=40)
    found = load(Source("scratch", family, None, "scratch"), TEXTS, form)
    with torch.no_grad():  # weights as small as those of a new model foretell all tokens alike
        for weight in found.model.parameters():
            weight.mul_(4.0)
    return found


def by_hand(prompt: str, new_tokens: int, room: int) -> str:
    """Take the most probable token each time."""
    own = language("gpt2")
    end = own.tokenizer.eos_token_id
    ids = own.tokenizer(prompt)["input_ids"][-room:] or [end]
    start = len(ids)
    while len(ids) < start + new_tokens:
        token = int(own.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        if token == end:
            break
        ids.append(token)
    return " ".join(own.tokenizer.decode(ids[start:]).split())


def write(*prompts: str, temperature: float = 0.0, seed: int = 0, **words: int) -> list[str]:
    settings = {"new_tokens": 6, "most_likely": 50, "max_tokens": 40, **words}
    return written(
        language("gpt2"), prompts, temperature=temperature, seed=seed, device=CPU, **settings
    )


def test_greedy_writing_is_that_of_one_text_at_a_time() -> None:
    prompts = ("A red", "The old bear sleeps", "", "Fish runs all winter. It", "A red")
    found = write(*prompts)
    assert found == [by_hand(prompt, 6, 34) for prompt in prompts]
    assert len(set(found)) > 2


def test_the_end_of_a_long_prompt_is_gone_on_with() -> None:
    long = " ".join(TEXTS * 2)
    assert write(long, new_tokens=5, max_tokens=12) == [by_hand(long, 5, 7)]


def test_writing_stops_at_the_end_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    own = language("gpt2")
    first = own.tokenizer(write("Fish", new_tokens=1)[0])["input_ids"]
    third = chosen

    def ending(logits: torch.Tensor, *rest: object) -> torch.Tensor:
        token = third(logits, *rest)  # type: ignore[arg-type]
        return torch.where(token == token, own.tokenizer.eos_token_id, token)

    assert first
    monkeypatch.setattr("fewrec_cli.text.write.chosen", ending)
    assert write("Fish", "A red fox") == ["", ""]


def test_what_is_drawn_depends_on_prompt_and_seed_alone() -> None:
    together = write("A red", "Fish", "The old bear", temperature=1.0)
    assert write("Fish", temperature=1.0) == together[1:2]
    assert write("The old bear", "A red", temperature=1.0) == [together[2], together[0]]
    others = [write("A red", temperature=1.0, seed=seed)[0] for seed in range(5)]
    assert len(set(others)) > 2
    assert write("A red", temperature=5.0, most_likely=1) == write("A red")


def test_tokens_are_drawn_in_their_shares() -> None:
    logits = torch.tensor([0.1, 0.6, 0.3]).log()
    chance = torch.linspace(0, 1, 10_001)[:-1]
    count = torch.bincount(chosen(logits.expand(10_000, 3), chance, 1.0, 3))
    np.testing.assert_allclose(count / 10_000, [0.1, 0.6, 0.3], atol=1e-3)
    count = torch.bincount(chosen(logits.expand(10_000, 3), chance, 1.0, 2), minlength=3)
    np.testing.assert_allclose(count / 10_000, [0, 2 / 3, 1 / 3], atol=1e-3)
    sharp = torch.bincount(chosen(logits.expand(10_000, 3), chance, 0.5, 3))
    np.testing.assert_allclose(sharp / 10_000, np.square([1, 6, 3]) / 46, atol=1e-3)


def test_no_prompt_gives_nothing() -> None:
    assert write() == []


def test_what_cannot_write_is_told_in_two_lines() -> None:
    with pytest.raises(ConfigError, match="bert model, which reads and does not write") as caught:
        written(
            language("bert"),
            ["a"],
            new_tokens=2,
            temperature=0,
            most_likely=1,
            max_tokens=20,
            seed=0,
        )
    assert len(str(caught.value).splitlines()) == 2
    with pytest.raises(ConfigError, match=r"new_tokens=40 leaves no room"):
        write("a", new_tokens=40)
