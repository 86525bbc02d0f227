"""Small models of random weights: alike in every process, and of the form that was asked for."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.scratch import BERT_WORDS, Scratch, scratch
from fewrec_cli.text.weights import Family
from tests.text.small import FORM, TEXTS

ROOT = Path(__file__).parents[2]
AGAIN = """
import sys
from tests.text.test_scratch import fingerprint
print(fingerprint(sys.argv[1]))
"""


def fingerprint(family: Family) -> str:
    """Return the hash of all pieces, their numbers and the weights."""
    model, tokenizer = scratch(TEXTS, family, FORM)
    digest = hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    for name, weight in model.state_dict().items():
        digest.update(name.encode() + weight.numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_the_form_is_the_one_asked_for(family: Family) -> None:
    before = torch.random.get_rng_state()
    model, tokenizer = scratch(TEXTS, family, FORM)
    assert torch.equal(torch.random.get_rng_state(), before)
    config = model.config
    assert (config.num_hidden_layers, config.num_attention_heads, config.hidden_size) == (2, 2, 16)
    assert config.vocab_size == len(tokenizer) <= 400
    assert not model.training
    other, _ = scratch(TEXTS, family, Scratch(2, 16, 2, 400, seed=1, positions=32))
    same, _ = scratch(TEXTS, family, FORM)
    pairs = zip(model.parameters(), same.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(a, b) and (a.ndim < 2 or not torch.equal(a, c)) for a, b, c in pairs)


def test_bert_reads_words_in_pieces_without_case() -> None:
    _, tokenizer = scratch(TEXTS, "bert", FORM)
    assert [tokenizer.convert_ids_to_tokens(place) for place in range(5)] == list(BERT_WORDS)
    ids = tokenizer("JAWS a Thief")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "jaws", "a", "thief", "[SEP]"]
    pair = tokenizer("a", "thief")
    assert pair["token_type_ids"] == [0, 0, 0, 1, 1]
    assert tokenizer.convert_ids_to_tokens(tokenizer("\u4e2d")["input_ids"])[1] == "[UNK]"


def test_gpt2_reads_any_bytes_and_returns_them() -> None:
    _, tokenizer = scratch(TEXTS, "gpt2", FORM)
    text = "Jaws \u2014 \u4e2d\u6587, \U0001f988!"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.slow  # two processes that import transformers
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_another_process_makes_the_same_pieces_and_weights(family: Family) -> None:
    line = [sys.executable, "-c", AGAIN, family]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=120, cwd=ROOT)
    assert done.stdout.strip() == fingerprint(family)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0, 16, 2, 400), "backbone.scratch.layers=0 is too few"),
        ((1, 16, 3, 400), "width=16 is no multiple of backbone.scratch.heads=3"),
        ((1, 16, 2, 200), "backbone.scratch.vocabulary=200 has no room"),
    ],
)
def test_what_cannot_be_is_told(values: tuple[int, int, int, int], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        scratch(TEXTS, "gpt2", Scratch(*values))
    assert said in caught.value.problem


def test_no_text_is_told() -> None:
    with pytest.raises(ConfigError, match="no text to train its tokenizer on"):
        scratch(["", " "], "bert", FORM)
