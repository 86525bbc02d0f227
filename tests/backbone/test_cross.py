"""``score=cross`` against the tokenizer's own pairs and the model run pair by pair."""

import pytest
import torch

from fewrec_cli.backbone.cross import cross
from fewrec_cli.backbone.mlp import MLPHead
from fewrec_cli.backbone.pair_texts import PairTexts
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.language import Language, load
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.weights import locate
from tests.backbone.small import small_dataset
from tests.backbone.tiny import ready

pytest.importorskip("transformers")

USERS = ("young. student.", "old.", "")
ITEMS = ("alien. horror in space.", "heat.", "", "toy story. animation for children and others.")


def language(family: str) -> Language:
    """A model of two layers that knows these texts."""
    settings = Scratch(layers=2, width=16, heads=2, vocabulary=400)
    return load(locate("scratch", family, download=False), (*USERS, *ITEMS), settings)


def texts(users: tuple[str, ...] = USERS) -> PairTexts:
    return PairTexts(users, torch.arange(len(users)), ITEMS, ())


def every_pair(users: int) -> tuple[torch.Tensor, torch.Tensor]:
    pairs = torch.cartesian_prod(torch.arange(users), torch.arange(len(ITEMS)))
    return pairs[:, 0], pairs[:, 1]


def test_bert_s_sequences_are_its_tokenizer_s_pairs() -> None:
    model = language("bert")
    layout = cross(model, texts(), max_tokens=64, pooling="mean", soft=0).layout
    user, item = every_pair(len(USERS))
    found = layout(user, item, layout.longest)
    assert torch.equal(found.lengths, layout.lengths(user, item))
    for row, (one, other) in enumerate(zip(user.tolist(), item.tolist(), strict=True)):
        if not ITEMS[other]:  # the tokenizer takes it for no pair
            continue
        expected = model.tokenizer(USERS[one], ITEMS[other])
        length = int(found.lengths[row])
        assert found.ids[row, :length].tolist() == expected["input_ids"]
        assert found.kinds[row, :length].tolist() == expected["token_type_ids"]
        assert (found.ids[row, length:] == model.pad).all()


def test_gpt2_reads_the_user_a_line_break_the_item_and_the_end() -> None:
    model = language("gpt2")
    layout = cross(model, texts(), max_tokens=64, pooling="last", soft=0).layout
    user, item = every_pair(len(USERS))
    found = layout(user, item, layout.longest)
    for row, (one, other) in enumerate(zip(user.tolist(), item.tolist(), strict=True)):
        parts = [model.tokenizer(text)["input_ids"] for text in (USERS[one], "\n", ITEMS[other])]
        expected = [*parts[0], *parts[1], *parts[2], model.tokenizer.eos_token_id]
        assert found.ids[row, : found.lengths[row]].tolist() == expected


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_an_item_stands_alone_where_nothing_is_known_of_users(family) -> None:
    model = language(family)
    pooling = "cls" if family == "bert" else "last"
    layout = cross(model, texts(("",)), max_tokens=64, pooling=pooling, soft=0).layout
    found = layout(torch.tensor([0]), torch.tensor([1]), layout.longest)
    expected = model.tokenizer(ITEMS[1])["input_ids"]
    expected = expected if family == "bert" else [*expected, model.tokenizer.eos_token_id]
    assert found.ids[0, : found.lengths[0]].tolist() == expected
    assert not found.kinds.any()


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_vectors_are_the_model_s_own_pair_by_pair(family, pooling) -> None:
    backbone = ready(family, "cross", f"backbone.pooling={pooling}")
    vectors = backbone.vectors
    user, item = torch.arange(2).repeat(5), torch.arange(10)
    with torch.no_grad():
        found = vectors(user, item)
        sequences = vectors.layout(user, item, vectors.layout.longest)
        for row in range(10):
            length = int(sequences.lengths[row])
            words = {"input_ids": sequences.ids[row : row + 1, :length]}
            if family == "bert":
                words["token_type_ids"] = sequences.kinds[row : row + 1, :length]
            hidden = vectors.trunk.body(**words).last_hidden_state[0]
            expected = hidden.mean(0) if pooling == "mean" else hidden[-1]
            torch.testing.assert_close(found[row], expected / 4, rtol=1e-9, atol=1e-9)


def test_long_texts_lose_their_end_and_are_counted() -> None:
    model = language("bert")
    form = cross(model, texts(), max_tokens=12, pooling="mean", soft=0)
    assert form.layout.longest <= 12
    assert {note.subject: note.count for note in form.notes} == {"item texts": 2}
    with pytest.raises(ConfigError, match="max_tokens leaves 7 tokens"):
        cross(model, texts(), max_tokens=12, pooling="mean", soft=2)


def test_sequences_beyond_the_model_s_positions_are_refused() -> None:
    """Each text alone would fit, both together would not."""
    with pytest.raises(ConfigError, match="max_tokens=513 is not what scratch reads"):
        cross(language("bert"), texts(), max_tokens=513, pooling="mean", soft=0)


def test_the_first_token_of_gpt2_is_refused() -> None:
    with pytest.raises(ConfigError, match="has seen no other"):
        cross(language("gpt2"), texts(), max_tokens=64, pooling="cls", soft=0)


def test_users_without_any_fact_have_the_empty_text() -> None:
    bare = PairTexts.of(small_dataset(fields=False), "An item.", None)
    assert bare.users == ("",)
    assert bare.place.tolist() == [0] * 8
    assert bare.notes[-1].count == 8


def test_equal_texts_of_users_are_read_once() -> None:
    found = PairTexts.of(small_dataset(), None, None)
    assert len(found.users) == len(set(found.users)) == 4  # three bands, and one user without
    assert found.place[0] == found.place[3] != found.place[1]


def test_a_head_with_hidden_layers_takes_the_offset_as_a_number() -> None:
    backbone = ready("bert", "cross", "backbone.head=[5]")
    assert isinstance(backbone.head, MLPHead)
    assert backbone.head.spec.widths == (17, 5, 1)
    assert backbone(torch.arange(3), torch.arange(12).reshape(3, 4)).shape == (3, 4)
