"""What of a language model is learned, counted by hand."""

import pytest

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.language import load
from fewrec_cli.text.layout import Layout, Segment
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.trunk import Trunk
from fewrec_cli.text.tune import tune
from fewrec_cli.text.weights import locate
from fewrec_cli.text.words import Tuned

pytest.importorskip("transformers")
WIDTH, LAYERS = 8, 2
LORA = {"rank": 2, "alpha": 4.0}
BLOCK = 12 * WIDTH**2 + 13 * WIDTH
"""Weights of a transformer block: 4 + 8 square products, their biases, two norms."""
COUNTS = {
    ("bert", "frozen"): 0,
    ("bert", "head"): 0,
    ("bert", "last:1"): BLOCK,
    ("bert", "last:2"): 2 * BLOCK,
    ("bert", "bias"): LAYERS * 11 * WIDTH + WIDTH,
    ("bert", "lora"): LAYERS * 2 * (2 * WIDTH * 2),
    ("bert", "adalora"): LAYERS * 2 * (2 * WIDTH * 3 + 3),
    ("gpt2", "last:1"): BLOCK + 2 * WIDTH,
    ("gpt2", "bias"): LAYERS * 11 * WIDTH + WIDTH,
    ("gpt2", "lora"): LAYERS * 2 * (WIDTH + 3 * WIDTH),
    ("gpt2", "adalora"): LAYERS * (3 * (WIDTH + 3 * WIDTH) + 3),
}


def body(family: str):
    settings = Scratch(layers=LAYERS, width=WIDTH, heads=2, vocabulary=300)
    return load(locate("scratch", family, download=False), ("some text",), settings).body


@pytest.mark.parametrize(("family", "word"), list(COUNTS), ids=[" ".join(one) for one in COUNTS])
def test_exactly_what_is_named_is_learned(family, word) -> None:
    model = body(family)
    tune(model, Tuned.parse(word), family, LORA)
    learned = sum(value.numel() for value in model.parameters() if value.requires_grad)
    assert learned == COUNTS[family, word]


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_all_is_all_and_soft_prompts_are_vectors_beside_it(family) -> None:
    model = body(family)
    tune(model, Tuned.parse("all"), family, LORA)
    assert all(value.requires_grad for value in model.parameters())
    tune(model, Tuned.parse("soft:3"), family, LORA)
    trunk = Trunk(model, family, "mean", None, Tuned.parse("soft:3").soft)
    learned = {name for name, value in trunk.named_parameters() if value.requires_grad}
    assert learned == {"soft"}
    assert trunk.soft.shape == (3, WIDTH)


@pytest.mark.parametrize("word", ["", "lor", "last", "last:0", "last:x", "soft:-1", "lora:2"])
def test_words_that_name_nothing_are_refused(word) -> None:
    with pytest.raises(ConfigError, match="nothing that can be tuned"):
        Tuned.parse(word)


def test_more_layers_than_there_are_and_empty_matrices_are_refused() -> None:
    with pytest.raises(ConfigError, match="more than the model's 2 layers"):
        tune(body("bert"), Tuned.parse("last:3"), "bert", LORA)
    with pytest.raises(ConfigError, match="rank 0"):
        tune(body("bert"), Tuned.parse("lora"), "bert", {"rank": 0, "alpha": 1.0})


def test_a_layout_is_the_segments_one_after_the_other() -> None:
    import torch

    user = Segment("user", torch.tensor([[5, 6], [7, 0]]), torch.tensor([2, 1]))
    item = Segment("item", torch.tensor([[8, 0, 0], [9, 9, 9]]), torch.tensor([1, 3]), 1)
    gap = Segment.fixed([4], answer=True)
    layout = Layout((Segment.fixed([1]), user, Segment.fixed([]), gap, item), pad=0)
    assert layout.longest == 7
    found = layout(torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1]), 8)
    assert found.ids.tolist() == [
        [1, 5, 6, 4, 9, 9, 9, 0],
        [1, 7, 4, 8, 0, 0, 0, 0],
        [1, 7, 4, 9, 9, 9, 0, 0],
    ]
    assert found.lengths.tolist() == [7, 4, 6]
    assert found.answer.tolist() == [3, 2, 2]
    assert found.kinds[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 0]
