"""Domain pretraining against losses written out by hand, on models of a few numbers."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fewrec_cli.core.cache import entries, remove
from fewrec_cli.core.errors import ConfigError, RunError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import Interactions, Scale
from fewrec_cli.data.base import Dataset

pytest.importorskip("transformers")

from fewrec_cli.text.domain import Pretraining, adapted_language
from fewrec_cli.text.domain_liked import Liked
from fewrec_cli.text.domain_pairs import (
    TEMPERATURE,
    Contrast,
    Drawer,
    Drawn,
    Pairs,
    fact_pairs,
    liked_pairs,
)
from fewrec_cli.text.domain_words import IGNORED, Causal, Masked, with_mask_head
from fewrec_cli.text.language import Language, load
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.weights import Family, Source

GROUPS, EACH, USERS = 4, 8, 40
FORM = Scratch(layers=1, width=16, heads=2, vocabulary=400)
WORDS = [f"{a}{b}" for a in ("bo", "ka", "mi", "tu", "re") for b in ("lan", "sor", "vex", "dim")]
TINY: dict[str, Any] = {
    "epochs": 4,
    "lr": 3e-3,
    "batch": 8,
    "pairs": "liked",
    "max_tokens": 24,
    "pooling": "mean",
}
CPU = torch.device("cpu")


@cache
def texts() -> tuple[str, ...]:
    """Return 32 texts; each group of items has five words of its own."""
    rng = np.random.default_rng(0)
    return tuple(
        f"{WORDS[group * 5 + rng.integers(5)]} {WORDS[group * 5 + rng.integers(5)]} number {item}."
        for group in range(GROUPS)
        for item in range(EACH)
    )


@cache
def dataset() -> Dataset:
    """Return users who give 5 stars to most items of their own group, and 1 star to some others."""
    rng = np.random.default_rng(1)
    rows = []
    for user in range(USERS):
        own = user % GROUPS * EACH + rng.permutation(EACH)[:5]
        others = rng.integers(0, GROUPS * EACH, 6)
        rows += [(user, item, 5.0) for item in own]
        rows += [(user, item, 1.0) for item in set(others.tolist()) - set(own.tolist())]
    user, item, rating = (np.array(column) for column in zip(*rows, strict=True))
    return Dataset(
        name="groups",
        interactions=Interactions(user, item, rating),
        user_ids=np.arange(USERS),
        item_ids=np.arange(GROUPS * EACH),
        user_fields=(),
        item_fields=(),
        scale=Scale(1.0, 5.0),
        positive=4.0,
        hash="groups",
        item_facts={
            "title": tuple(text.split()[0] for text in texts()),
            "plot": tuple(text.split()[1] if item % 4 else "" for item, text in enumerate(texts())),
        },
    )


@cache
def language(family: Family) -> Language:
    """Return a scratch model of one layer; tests leave it as it is."""
    return load(Source("scratch", family, None, "scratch"), texts(), FORM)


def pretrained(
    family: Family, task: Any, reporter: Reporter | None = None, **words: Any
) -> Language:
    """Pretrain a scratch model."""
    settings = Pretraining(task, **{**TINY, **words})
    return adapted_language(
        language(family),
        texts(),
        dataset(),
        dataset().interactions,
        settings,
        seed=3,
        reporter=reporter or Reporter(quiet=True),
        device=CPU,
    )


class Heard(Reporter):
    """A reporter that keeps what is said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def state(model: Any) -> dict[str, Tensor]:
    return dict(model.state_dict())


def test_a_sixth_or_so_of_the_tokens_is_foretold_and_shown_as_bert_shows_them() -> None:
    aim = Masked(language("bert"), texts(), 8, 24, 0)
    ids = torch.randint(5, 300, (400, 60), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, -1] = 2, 3
    there = torch.ones_like(ids, dtype=torch.bool)
    there[:, 50:] = False
    shown, label = aim.masked(ids, there, 7)
    foretold = label != IGNORED
    assert not (foretold & ~there).any()
    assert not foretold[:, 0].any()
    assert foretold.any(1).all()
    assert torch.equal(label[foretold], ids[foretold])
    assert torch.equal(shown[~foretold], ids[~foretold])
    count = int(foretold.sum())
    assert abs(count / (400 * 49) - 0.15) < 0.01
    as_mask = (shown[foretold] == aim.mask).double().mean().item()
    as_it_is = (shown[foretold] == ids[foretold]).double().mean().item()
    assert abs(as_mask - 0.8) < 4 * math.sqrt(0.8 * 0.2 / count)
    assert abs(as_it_is - 0.1) < 4 * math.sqrt(0.1 * 0.9 / count)
    assert not torch.isin(shown[foretold & (shown != aim.mask)], aim.special).any()
    again, other = aim.masked(ids, there, 7), aim.masked(ids, there, 8)
    assert torch.equal(again[0], shown)
    assert not torch.equal(other[0], shown)


def test_a_text_of_one_token_has_it_foretold() -> None:
    aim = Masked(language("bert"), texts(), 8, 24, 0)
    ids = torch.tensor([[2, 9, 3, 0], [2, 9, 11, 3]])
    for seed in range(20):
        _, label = aim.masked(ids, ids != 0, seed)
        assert label[0].tolist() == [IGNORED, 9, IGNORED, IGNORED]


def test_masked_loss_is_transformers_own() -> None:
    aim = Masked(language("bert"), texts(), 8, 24, 0)
    places, model = torch.arange(7), language("bert").model
    found = aim.loss(model, places, 5, CPU)
    ids, lengths = aim.tokens.batch(places)
    there = torch.arange(ids.shape[1]) < lengths[:, None]
    shown, label = aim.masked(ids, there, 5)
    own = model(input_ids=shown, attention_mask=there.long(), labels=label).loss
    torch.testing.assert_close(found.total / found.count, own)


def test_causal_loss_is_the_sum_over_texts_read_one_at_a_time() -> None:
    own = language("gpt2")
    aim = Causal(own, texts(), 8, 24, 0)
    places = torch.tensor([0, 9, 31, 4])
    found = aim.loss(own.model, places, 0, CPU)
    end, total, count = own.tokenizer.eos_token_id, 0.0, 0
    for place in places.tolist():
        ids = torch.tensor([[end, *own.tokenizer(texts()[place])["input_ids"], end]])
        total += own.model(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    assert found.count == count
    assert found.total.item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_contrastive_loss_is_the_hand_s(family: Family) -> None:
    own, data = language(family), dataset()
    aim = Contrast(own, liked_pairs(data, data.interactions, texts(), 0), 8, 24, "mean")
    batch = aim.epoch(1)[0]
    found = aim.loss(own.model, batch, 0, CPU)
    rows = data.interactions
    likes = {(u, i) for u, i, r in zip(rows.user, rows.item, rows.rating, strict=True) if r >= 4}

    def vector(place: int) -> np.ndarray:
        ids = torch.tensor([own.tokenizer(texts()[place])["input_ids"]])
        hidden = own.body(input_ids=ids).last_hidden_state[0].mean(0).detach().numpy()
        return np.asarray(hidden / np.linalg.norm(hidden))

    left = [vector(int(place)) for place in batch.left]
    right = [vector(int(place)) for place in batch.right]
    n = len(batch)
    may = np.eye(n, dtype=bool)
    for a in range(n):
        for b in range(n):
            together = (int(batch.user[a]), int(batch.right[b])) in likes
            together |= (int(batch.user[b]), int(batch.left[a])) in likes
            may[a, b] |= not together
    total = 0.0
    for a in range(n):
        ahead = [left[a] @ right[b] / TEMPERATURE for b in range(n) if may[a, b]]
        back = [left[b] @ right[a] / TEMPERATURE for b in range(n) if may[b, a]]
        one = left[a] @ right[a] / TEMPERATURE
        total += np.log(np.sum(np.exp(ahead))) + np.log(np.sum(np.exp(back))) - 2 * one
    assert not may.all()
    assert found.total.item() == pytest.approx(total / 2, rel=1e-4)


def test_pairs_were_liked_by_one_training_user_and_each_item_leads_once() -> None:
    data = dataset()
    train = data.interactions.take(np.flatnonzero(data.interactions.user % 3 > 0))
    pairs = liked_pairs(data, train, texts(), 0)
    likes = {(u, i) for u, i, r in zip(train.user, train.item, train.rating, strict=True) if r >= 4}
    aside = set(pairs.held_out.user.tolist())
    assert aside
    for drawn in (pairs.train(1), pairs.train(2), pairs.held_out):
        assert len(set(drawn.left.tolist())) == len(drawn)
        for left, right, user in zip(drawn.left, drawn.right, drawn.user, strict=True):
            assert left != right
            assert {(user, left), (user, right)} <= likes
    assert not aside & set(pairs.train(1).user.tolist())
    assert not np.array_equal(pairs.train(1).left, pairs.train(2).left)
    np.testing.assert_array_equal(pairs.train(1).right, pairs.train(1).right)


def test_partners_of_an_item_are_drawn_alike() -> None:
    """User 0 liked items 0, 1 and 2; user 1 liked item 3 alone, which is in no pair."""
    liked = Liked.of(np.array([0, 1, 0, 0]), np.array([2, 3, 0, 1]), 2, 4)
    rng, seen = np.random.default_rng(0), np.zeros((4, 4), int)
    for _ in range(600):
        left, right, user = liked.draw(rng)
        assert sorted(left.tolist()) == [0, 1, 2]
        assert set(user.tolist()) == {0}
        seen[left, right] += 1
    pairs = seen[:3, :3]
    assert (np.diag(pairs) == 0).all()
    assert (abs(pairs[~np.eye(3, dtype=bool)] - 300) < 5 * math.sqrt(150)).all()


def test_facts_are_paired_where_both_are_known() -> None:
    pairs = fact_pairs(dataset(), "title-plot", 0)
    trained, aside = (set(drawn.left.tolist()) for drawn in (pairs.train(1), pairs.held_out))
    assert not trained & aside
    assert trained | aside == {item for item in range(GROUPS * EACH) if item % 4}
    np.testing.assert_array_equal(pairs.train(1).left, pairs.train(1).right)


def test_items_of_one_text_are_no_negatives_of_one_another() -> None:
    """Of (a, x), (b, x), (a, y), (c, z) and (d, c): a goes with x and y, b with x, c is itself."""
    words = (("a", "b", "a", "c", "d"), ("x", "x", "y", "z", "c"))
    places = np.arange(5)
    every = Drawn(places, places, np.full(5, -1), None)
    pairs = Pairs(*words, Drawer(None, places, 0), every, "pairs")
    own = language("bert")
    aim = Contrast(own, pairs, 5, 24, "mean")
    left, right = (
        aim._vectors(own.model, tokens, places, CPU).detach() for tokens in (aim.left, aim.right)
    )
    may = torch.ones(5, 5, dtype=torch.bool)
    for one, other in ((0, 1), (1, 0), (0, 2), (2, 0), (2, 1), (3, 4)):
        may[one, other] = False
    logits = (left @ right.T / TEMPERATURE).masked_fill(~may, -torch.inf)
    want = 2 * logits.diagonal().sum() - logits.logsumexp(1).sum() - logits.logsumexp(0).sum()
    found = aim.loss(own.model, every, 0, CPU)
    torch.testing.assert_close(found.total, -want / 2)


def test_no_pair_is_left_alone_or_lost() -> None:
    pairs = fact_pairs(dataset(), "title-plot", 0)
    aim = Contrast(language("bert"), pairs, 7, 24, "mean")
    many = Drawn(np.arange(22), np.arange(22), np.full(22, -1), None)
    for count in range(1, 22):
        parts = aim._batches(many.take(np.arange(count)))
        assert np.concatenate([part.left for part in parts]).tolist() == list(range(count))
        assert all(len(part) > 1 for part in parts) or count == 1


@pytest.mark.parametrize(
    ("family", "task"), [("bert", "mlm"), ("gpt2", "causal"), ("bert", "contrastive")]
)
@pytest.mark.slow
def test_pretraining_lowers_the_held_out_loss_once_and_alike(family: Family, task: str) -> None:
    before = {name: value.clone() for name, value in state(language(family).model).items()}
    said = Heard()
    found = pretrained(family, task, said)
    (line,) = (one for one in said.lines if "held-out" in one)
    first, last = (float(word) for word in line.replace(",", "").split() if word.count(".") == 1)
    assert last < 0.98 * first
    assert found.hash != language(family).hash
    for name, value in state(language(family).model).items():
        assert torch.equal(value, before[name])
    again = Heard()
    assert pretrained(family, task, again).hash == found.hash
    told = f"scratch, {task}, {len(texts()):,} texts: pretrained weights from the cache"
    assert again.lines == [told]
    assert len(entries()) == 1
    after = {name: value.clone() for name, value in state(found.model).items()}
    assert any(not torch.equal(after[name], before[name]) for name in before)
    remove(entries())
    assert pretrained(family, task).hash == found.hash


def test_liked_pairs_of_users_held_out_come_closer() -> None:
    """Items of one group share words with no other: the model has to learn who likes which."""

    def contrast(one: Language) -> float:
        with torch.inference_mode():
            encoded = one.tokenizer(list(texts()), padding=True, return_tensors="pt")
            hidden = one.body(
                input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
            ).last_hidden_state
        mask = encoded["attention_mask"][:, :, None]
        vector = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
        group = torch.arange(GROUPS * EACH) // EACH
        same = (group[:, None] == group) & ~torch.eye(len(group), dtype=torch.bool)
        alike = vector @ vector.T
        return float(alike[same].mean() - alike[group[:, None] != group].mean())

    after = pretrained("bert", "contrastive", epochs=8)
    assert contrast(after) > contrast(language("bert")) + 0.2


def test_what_determines_the_weights_makes_another_entry() -> None:
    made = {pretrained("bert", "mlm", epochs=1).hash}
    made |= {
        pretrained("bert", "mlm", **{"epochs": 1, name: value}).hash
        for name, value in (("lr", 1e-3), ("batch", 4))
    }
    assert len(made) == len(entries()) == 3


def test_weights_stay_where_no_epoch_is_better() -> None:
    said = Heard()
    found = pretrained("bert", "mlm", said, epochs=1, lr=30.0)
    assert "whose weights stay" in said.lines[-1]
    for name, value in state(language("bert").model).items():
        assert torch.equal(value, state(found.model)[name])


def test_a_loss_that_is_not_finite_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Causal.loss

    def broken(self: Causal, model: Any, *rest: Any) -> Any:
        found = real(self, model, *rest)
        return replace(found, total=found.total * math.nan) if model.training else found

    monkeypatch.setattr(Causal, "loss", broken)
    with pytest.raises(RunError, match=r"nan at step 1 of .*\n.*pretraining\.lr"):
        pretrained("gpt2", "causal")
    assert not entries()


def test_an_encoder_without_mask_head_gets_one_and_keeps_its_body() -> None:
    from transformers import BertModel

    own = language("bert")
    torch.manual_seed(0)
    bare = BertModel(own.model.config).eval()
    made, again = with_mask_head(bare, 1), with_mask_head(bare, 1)
    ids = torch.tensor([[2, 9, 11, 3]])
    torch.testing.assert_close(
        made.bert(input_ids=ids).last_hidden_state, bare(input_ids=ids).last_hidden_state
    )
    decoder = made.get_output_embeddings().weight
    assert decoder.data_ptr() == made.get_input_embeddings().weight.data_ptr()
    assert all(
        torch.equal(a, b) for a, b in zip(made.parameters(), again.parameters(), strict=True)
    )


def test_nothing_is_done_for_none_or_no_epoch() -> None:
    assert pretrained("bert", "none") is language("bert")
    assert pretrained("bert", "mlm", epochs=0) is language("bert")


@pytest.mark.parametrize(
    ("family", "words", "said"),
    [
        ("gpt2", {"task": "mlm"}, "mlm is for bert models, and scratch is a gpt2"),
        ("bert", {"task": "causal"}, "causal is for gpt2 models"),
        ("bert", {"task": "words"}, "pretrain=words is no pretraining"),
        ("bert", {"task": "mlm", "lr": 0.0}, r"lr=0\.0 cannot be"),
        ("bert", {"task": "contrastive", "batch": 1}, "batch=1 cannot be"),
        ("bert", {"task": "contrastive", "pairs": "title-cast"}, r"title-cast names no two facts"),
        ("bert", {"task": "contrastive", "pairs": "plot"}, r"plot names no two facts"),
    ],
)
def test_what_cannot_be_is_told_in_two_lines(
    family: Family, words: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        pretrained(family, words.pop("task"), **words)
    assert len(str(caught.value).splitlines()) == 2
    assert not entries()


def test_too_few_texts_or_pairs_are_told() -> None:
    none = tuple("" for _ in texts())
    for task, said in (("mlm", "0 of 32 items have a text"), ("contrastive", "0 training rows")):
        with pytest.raises(ConfigError, match=said):
            adapted_language(
                language("bert"),
                none,
                dataset(),
                dataset().interactions,
                Pretraining(task, **TINY),
                seed=0,
                reporter=Reporter(quiet=True),
                device=CPU,
            )


@pytest.mark.slow
def test_processes_pretrain_alike(tmp_path: Path) -> None:
    code = (
        "from tests.text.test_domain import pretrained as made\n"
        "print(made('bert', 'mlm', epochs=1).hash, made('gpt2', 'causal', epochs=1).hash)"
    )
    told = set()
    for number in range(2):
        own = {**os.environ, "FEWREC_CACHE": str(tmp_path / str(number))}
        words = [sys.executable, "-c", code]
        root = Path(__file__).parents[2]
        done = subprocess.run(words, check=True, capture_output=True, text=True, env=own, cwd=root)
        told.add(done.stdout)
    assert len(told) == 1
