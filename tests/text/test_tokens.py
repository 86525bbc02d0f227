"""Tables of token ids: cut where they are too long, counted, batched by length."""

import pytest
import torch

pytest.importorskip("transformers")

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.tokens import batches, tokenise
from fewrec_cli.text.weights import Family
from tests.text.small import TEXTS, small


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_rows_are_those_of_one_text_at_a_time(family: Family) -> None:
    language = small(family)
    tokens = tokenise(language, TEXTS, 12)
    tokenizer = language.tokenizer
    cut = 0
    for row, text in enumerate(TEXTS):
        ids = tokenizer(text)["input_ids"] or [tokenizer.eos_token_id]
        if len(ids) > 12:
            ids, cut = [*ids[:11], ids[-1]] if family == "bert" else ids[:12], cut + 1
        length = int(tokens.lengths[row])
        assert tokens.ids[row, :length].tolist() == ids
        assert (tokens.ids[row, length:] == language.pad).all()
        assert tokens.mask[row].sum() == length
    assert tokens.cut == cut > 0
    (note,) = tokens.notes("item")
    assert (note.count, note.text) == (cut, f"of {len(TEXTS)} item texts cut after 12 tokens")


def test_without_special_tokens_an_empty_text_is_empty() -> None:
    language = small("bert")
    tokens = tokenise(language, ["a thief", ""], 12, special=False)
    assert tokens.lengths.tolist() == [2, 0]
    assert language.tokenizer.convert_ids_to_tokens(tokens.ids[0].tolist()) == ["a", "thief"]
    assert tokens.notes("item") == ()


def test_no_texts_make_an_empty_table() -> None:
    tokens = tokenise(small("bert"), [], 12)
    assert (len(tokens), tokens.ids.shape[0]) == (0, 0)


def test_a_batch_is_filled_up_to_its_own_longest() -> None:
    tokens = tokenise(small("bert"), TEXTS, 32)
    ids, lengths = tokens.batch(torch.tensor([3, 2]))
    assert lengths.tolist() == tokens.lengths[[3, 2]].tolist()
    assert ids.shape == (2, max(lengths.tolist()))
    assert ids.shape[1] < tokens.ids.shape[1]


@pytest.mark.parametrize("most", [3, 33])
def test_a_length_that_the_model_cannot_read_is_told(most: int) -> None:
    with pytest.raises(ConfigError) as caught:
        tokenise(small("bert"), TEXTS, most)
    assert caught.value.problem == f"backbone.max_tokens={most} is not what scratch reads"
    assert caught.value.remedy == "give 4 to 32 tokens"


def test_batches_hold_every_text_once_within_the_budget() -> None:
    lengths = torch.tensor([3, 9, 1, 4, 4, 20, 2])
    found = batches(lengths, 10)
    assert [rows.tolist() for rows in found] == [[5], [1], [3, 4], [0, 6, 2]]
    assert [rows.tolist() for rows in batches(lengths, 1)] == [[5], [1], [3], [4], [0], [6], [2]]
