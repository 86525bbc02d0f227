"""``score=prompt``: the starting score is the difference of the words' own logits, calibrated."""

import pytest
import torch

from fewrec_cli.backbone.prompt import CONTENT_FREE, prompt
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.trunk import Trunk
from tests.backbone.test_cross import ITEMS, USERS, language, texts
from tests.backbone.tiny import made
from tests.planted import planted_dataset

pytest.importorskip("transformers")

TEMPLATE = {
    "bert": "user: {user} item: {item} good? {answer}.",
    "gpt2": "user: {user} item: {item} good? {answer}",
}
WORDS = ["horror", "animation children"]


def logits(model, sentence: str) -> torch.Tensor:
    """Return the logits at the mask of a sentence, or behind its end, by the whole model."""
    ids = torch.tensor([model.tokenizer(sentence)["input_ids"]])
    with torch.no_grad():
        found = model.model(input_ids=ids).logits[0]
    if model.family == "gpt2":
        return found[-1]
    return found[ids[0].tolist().index(model.tokenizer.mask_token_id)]


def difference(model, sentence: str) -> float:
    """Return logit(first word) - logit(second word), each averaged over its pieces."""
    each = logits(model, sentence)
    lead = " " if model.family == "gpt2" else ""
    ids = [model.tokenizer(lead + word, add_special_tokens=False)["input_ids"] for word in WORDS]
    return float(each[ids[0]].mean() - each[ids[1]].mean())


def sentence(model, user: str, item: str) -> str:
    filled = TEMPLATE[model.family].replace("{answer}", "[MASK]" if model.family == "bert" else "")
    return filled.replace("{user}", user).replace("{item}", item).rstrip()


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_the_head_starts_at_the_difference_of_the_words_logits(family) -> None:
    model = language(family)
    form = prompt(
        model, texts(), template=TEMPLATE[family], verbalizers=WORDS, max_tokens=64, soft=0
    )
    trunk = Trunk(model.body, family, form.read, form.over, 0)
    user, item = torch.tensor([0, 1, 1]), torch.tensor([0, 1, 3])
    with torch.no_grad():
        vectors = trunk(form.layout(user, item, form.layout.longest))
    found = vectors @ form.start.weight + form.start.bias
    for row, (one, other) in enumerate(zip(user.tolist(), item.tolist(), strict=True)):
        expected = difference(model, sentence(model, USERS[one], ITEMS[other]))
        assert float(found[row]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_prompts_without_content_score_nothing_on_average(family) -> None:
    torch.manual_seed(0)
    backbone = made(family, "prompt")
    dataset = planted_dataset()
    backbone.prepare(dataset, dataset.interactions)
    free = len(CONTENT_FREE) + (family == "bert")
    users, items = backbone.vectors.layout.ids_3, backbone.vectors.layout.ids_5
    assert len(users) == len(set(backbone.place.tolist())) + free
    assert len(items) == dataset.n_items + free
    with torch.no_grad():
        rows = torch.arange(free)
        vectors = backbone.vectors(len(users) - free + rows, len(items) - free + rows)
        scores = vectors @ backbone.head.factor + backbone.head.bias
    assert float(scores.mean()) == pytest.approx(0, abs=1e-5)
    assert float(scores.std()) > 0


@pytest.mark.parametrize(
    ("family", "words", "said"),
    [
        ("bert", {"template": "{user} {item}"}, "must name"),
        ("bert", {"template": "{item} {item} {answer}"}, "must name"),
        ("bert", {"template": "{title} {item} {answer}"}, "must name"),
        ("gpt2", {"template": "{item} {answer} says the user"}, "does not end in"),
        ("bert", {"verbalizers": ["good"]}, "has 1 words"),
        ("bert", {"verbalizers": ["heat", "Heat"]}, "the same tokens"),
        ("bert", {"verbalizers": ["heat", "日"]}, "does not know '日'"),
        ("bert", {"max_tokens": 12}, "leaves"),
        ("bert", {"max_tokens": 513}, "max_tokens=513 is not what scratch reads"),
    ],
)
def test_what_cannot_be_asked_is_told(family, words, said) -> None:
    usual = {"template": TEMPLATE[family], "verbalizers": WORDS, "max_tokens": 64, "soft": 0}
    with pytest.raises(ConfigError, match=said):
        prompt(language(family), texts(), **{**usual, **words})


def encoded(model, sentence: str) -> torch.Tensor:
    """Return the mean hidden state of a sentence, run alone."""
    ids = torch.tensor([model.tokenizer(sentence)["input_ids"]])
    with torch.no_grad():
        return model.body(input_ids=ids).last_hidden_state[0].mean(0)


def test_without_a_language_model_head_a_prompt_is_compared_with_two_sentences() -> None:
    model = language("bert")
    model.has_head = False
    form = prompt(
        model, texts(), template=TEMPLATE["bert"], verbalizers=WORDS, max_tokens=64, soft=0
    )
    trunk = Trunk(model.body, "bert", form.read, form.over, 0)
    user, item = torch.tensor([0, 1]), torch.tensor([0, 3])
    with torch.no_grad():
        vectors = trunk(form.layout(user, item, form.layout.longest))
    found = vectors @ form.start.weight + form.start.bias
    unit = [encoded(model, word) / encoded(model, word).norm() for word in WORDS]
    for row, (one, other) in enumerate(zip(user.tolist(), item.tolist(), strict=True)):
        asked = TEMPLATE["bert"].replace("{answer}", "")
        text = asked.replace("{user}", USERS[one]).replace("{item}", ITEMS[other])
        expected = encoded(model, text) @ (unit[0] - unit[1])
        assert float(found[row]) == pytest.approx(float(expected), abs=1e-5)
    same = ["heat", "Heat"]
    with pytest.raises(ConfigError, match="the same tokens"):
        prompt(model, texts(), template=TEMPLATE["bert"], verbalizers=same, max_tokens=64, soft=0)


def test_a_prompt_has_a_linear_head() -> None:
    dataset = planted_dataset()
    with pytest.raises(ConfigError, match=r"backbone.head=\[4\]"):
        made("bert", "prompt", "backbone.head=[4]").prepare(dataset, dataset.interactions)


def test_prompts_without_content_are_not_counted_among_the_cut_texts() -> None:
    form = prompt(
        language("bert"),
        texts(),
        template="{user} {item} {answer}",
        verbalizers=WORDS,
        max_tokens=15,
        soft=0,
    )
    told = {note.subject: note.text for note in form.notes}
    assert told["item texts"].startswith(f"of {len(ITEMS)} item texts cut after")
