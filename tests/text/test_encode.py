"""Vectors equal those of one text at a time, and are computed once."""

import io
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers")

from fewrec_cli.core import progress
from fewrec_cli.core.cache import entries
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.text import encode
from fewrec_cli.text.encode import Pooling, pooled, vectors
from fewrec_cli.text.language import Language, load
from fewrec_cli.text.weights import MINILM_PACKAGE, Family, locate
from tests.text.small import FORM, QUIET, TEXTS, saved, small

MOST = 32
pytestmark = pytest.mark.usefixtures("own_cache")


def alone(language: Language, text: str, pooling: Pooling) -> Tensor:
    """Encode one text with transformers' own means."""
    tokenizer = language.tokenizer
    asked = tokenizer(text, truncation=True, max_length=MOST, return_tensors="pt")
    ids = asked["input_ids"].long()
    if not ids.numel():
        ids = torch.tensor([[tokenizer.eos_token_id]])
    with torch.no_grad():
        states = language.body(ids).last_hidden_state[0]
    return {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling]


def made(language: Language, texts: tuple[str, ...] = TEXTS, **changed: object) -> Tensor:
    """Return vectors without a word."""
    settings = {
        "pooling": "mean",
        "max_tokens": MOST,
        "normalise": False,
        "reporter": QUIET,
        "numbers": torch.float32,
    }
    return vectors(language, texts, **{**settings, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("budget", [1, 70, 4_096])
def test_vectors_are_those_of_one_text_at_a_time(
    family: Family, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(encode.BUDGET, "cpu", budget)
    language = small(family)
    for pooling in get_args(Pooling):
        if (family, pooling) == ("gpt2", "cls"):
            continue
        wanted = torch.stack([alone(language, text, pooling) for text in TEXTS])
        found = made(language, pooling=pooling, device=torch.device("cpu"))
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_normalised_vectors_have_length_one_and_come_from_the_same_entry() -> None:
    language = small("bert")
    plain, normal = made(language), made(language, normalise=True)
    torch.testing.assert_close(normal, plain / plain.norm(dim=1, keepdim=True))
    assert len(entries()) == 1


def test_each_different_text_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    whole = encode._hidden

    def counting(language: Language, ids: Tensor, lengths: Tensor) -> Tensor:
        seen.append(len(ids))
        return whole(language, ids, lengths)

    monkeypatch.setattr(encode, "_hidden", counting)
    language = small("bert")
    doubled = (*TEXTS, *reversed(TEXTS))
    found = made(language, doubled)
    assert sum(seen) == len(TEXTS)
    assert torch.equal(found, torch.cat([found[:4], found[:4].flip(0)]))
    again = made(small("bert"), TEXTS[::-1])  # in another order, by a model not yet loaded
    assert sum(seen) == len(TEXTS)
    assert torch.equal(again, found[:4].flip(0))


def test_what_settles_the_vectors_makes_another_entry() -> None:
    language = small("bert")
    made(language)
    made(language, pooling="cls")
    made(language, max_tokens=16)
    made(language, TEXTS[:2])
    made(small("bert", (*TEXTS, "more")))
    made(language, numbers=torch.bfloat16)
    assert len(entries()) == 6


def test_vectors_from_the_cache_need_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = made(small("gpt2"))

    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("fewrec_cli.text.language.scratch", fail)
    assert torch.equal(made(small("gpt2")), wanted)


def test_a_damaged_entry_is_made_anew() -> None:
    wanted = made(small("bert"))
    (entry,) = entries()
    file = entry.folder / "vectors.npy"
    np.save(file, np.zeros_like(np.load(file)))
    assert torch.equal(made(small("bert")), wanted)


def test_cut_texts_and_the_cache_are_told_and_long_work_beforehand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PROBE_S", "WORTH_SAYING_S"):
        monkeypatch.setattr(progress, name, 0.0)
    monkeypatch.setitem(encode.BUDGET, "cpu", 1)
    said = io.StringIO()
    for _ in range(2):
        made(small("bert"), max_tokens=8, what="items", reporter=Reporter(said))
    lines = said.getvalue().splitlines()
    assert lines[0].startswith("encoding 4 different items: about ")
    cut = "3 of 4 different items cut after 8 tokens"
    assert lines[1:] == [cut, "vectors of 4 different items: from the cache", cut]


def test_the_model_is_left_as_it_was() -> None:
    language = small("bert")
    language.model.train()
    before = torch.get_num_threads()
    first = made(language)
    assert language.model.training
    assert torch.get_num_threads() == before
    assert torch.equal(first, made(small("bert"), device=torch.device("cpu")))


def test_pooling_is_differentiable_and_ignores_the_filling() -> None:
    hidden = torch.arange(12.0).reshape(2, 3, 2).requires_grad_()
    lengths = torch.tensor([2, 3])
    assert pooled(hidden, lengths, "mean").tolist() == [[1, 2], [8, 9]]
    assert pooled(hidden, lengths, "cls").tolist() == [[0, 1], [6, 7]]
    assert pooled(hidden, lengths, "last").tolist() == [[2, 3], [10, 11]]
    pooled(hidden, lengths, "mean").sum().backward()
    assert hidden.grad is not None
    assert hidden.grad[0].tolist() == [[0.5, 0.5], [0.5, 0.5], [0, 0]]


def test_half_as_exact_numbers_are_near_and_taken_where_the_processor_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    language, cpu = small("bert"), torch.device("cpu")
    near = made(language, normalise=True, numbers=torch.bfloat16)
    wanted = made(language, normalise=True)
    assert not torch.equal(near, wanted)
    torch.testing.assert_close(near, wanted, atol=0.02, rtol=0)
    for known, dtype in (
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"avx512_f": True}, torch.float32),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: known)
        assert encode.fastest(cpu) == dtype
    made(language, numbers=None)
    assert sorted(entry.facts["precision"] for entry in entries()) == ["bfloat16", "float32"]


def test_what_does_not_suit_the_model_is_told() -> None:
    for family, pooling, said in (
        ("gpt2", "cls", "the first token of a gpt2 model has seen no other"),
        ("bert", "max", "backbone.pooling=max is no pooling"),
    ):
        with pytest.raises(ConfigError, match=said):
            made(small(family), pooling=pooling)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_saved_model_encodes_alike(family: Family, tmp_path: Path) -> None:
    language = small(family)
    folder = saved(language, tmp_path)
    again = load(locate(str(folder), family, download=False), (), FORM)
    torch.testing.assert_close(made(again), made(language), atol=1e-6, rtol=0)


@pytest.mark.gpu
def test_the_gpu_agrees() -> None:
    language = small("bert")
    there = made(language, device=torch.device("cuda"), numbers=torch.float32)
    torch.testing.assert_close(there, made(language, device=torch.device("cpu")), atol=1e-4, rtol=0)


@pytest.mark.slow  # loads 22.7 million weights
@pytest.mark.skipif(find_spec(MINILM_PACKAGE) is None, reason="minilm is not installed")
def test_minilm_encodes_as_transformers_does_one_text_at_a_time() -> None:
    from transformers import AutoModel, AutoTokenizer

    source = locate("minilm", "bert", download=False)
    tokenizer = AutoTokenizer.from_pretrained(source.folder)
    model = AutoModel.from_pretrained(source.folder).eval()
    texts = (
        "A shark haunts the coast.",
        "Sharks attack swimmers at a beach.",
        "The history of medieval tax law.",
        "Up (2009). " + "An old man flies his house away. " * 40,
    )
    wanted = []
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=160, return_tensors="pt")
        with torch.no_grad():
            mean = model(**ids).last_hidden_state[0].mean(0)
        wanted.append(mean / mean.norm())
    found = made(load(source, (), FORM), texts, max_tokens=160, normalise=True)
    torch.testing.assert_close(found, torch.stack(wanted), atol=1e-5, rtol=0)
    alike = found @ found.T
    assert alike[0, 1] > 0.5 > 0.2 > alike[0, 2]  # it knows what sharks are
