"""Generate: the contract, cosines and profiles by hand, the fit against numpy, what a run keeps."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import OmegaConf
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.rules import broken_rules
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.base import Strategy
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, built, composed
from tests.contracts import HELD_OUT, KNOWN, StrategyContract, planted_tasks
from tests.planted import planted_dataset

pytest.importorskip("transformers")

from fewrec_cli.strategy.generate import LEAST_SLOPE, Generate, _least_squares
from fewrec_cli.strategy.generate_text import Profiles

SHRUNK = (
    "backbone.weights=scratch",
    "backbone.scratch.layers=1",
    "backbone.scratch.width=16",
    "backbone.scratch.vocabulary=400",
    "backbone.max_tokens=32",
)
GENRES = ("space war", "love song", "old crime", "wild farm")


def told() -> Dataset:
    """Return the planted data with a title per item, and the group's two words as its genre."""
    dataset = planted_dataset()
    items = range(dataset.n_items)
    return replace(
        dataset,
        item_fields=(),
        item_facts={
            "title": tuple(f"Film {item} {GENRES[item % 4]}" for item in items),
            "genre": tuple(GENRES[item % 4] for item in items),
        },
    )


def ready(
    *words: str, backbone: str = "bert", dataset: Dataset | None = None
) -> tuple[Generate, Backbone]:
    """Return a strategy and its backbone, over the planted texts."""
    dataset = dataset or told()
    form = [word for word in words if word.startswith("backbone.")]
    own: Backbone = built("backbone", f"backbone={backbone}", *SHRUNK, *form)
    others = [word for word in words if word not in form]
    made: Generate = built("strategy", "strategy=generate", *others)
    rows = dataset.interactions.take(np.flatnonzero(dataset.interactions.user < HELD_OUT[0]))
    own.prepare(dataset, rows)
    made.prepare(own, dataset, rows)
    return made.eval(), own.eval()


@pytest.mark.slow
class TestGenerate(StrategyContract):
    words = ("strategy=generate",)

    def ready(self, *, pretrained: int = 0, seed: int = 0) -> tuple[Strategy, Backbone]:
        torch.manual_seed(seed)
        strategy, backbone = ready()
        if pretrained:
            assert strategy.fit(backbone, [planted_tasks(KNOWN)]) == 1
        return strategy, backbone

    def test_an_empty_support_gives_the_unadapted_score(self) -> None:
        strategy, backbone = self.ready(pretrained=3)
        batch = planted_tasks(HELD_OUT, empty=True)
        before = strategy.unadapted(backbone, batch.user)
        expected = before.predict(backbone, batch.user, batch.query.item).score
        torch.testing.assert_close(self.scores(strategy, backbone, batch), expected)

    def test_groups_are_told_apart_by_their_words(self) -> None:
        strategy, backbone = self.ready()
        batch = planted_tasks(HELD_OUT)
        score, liked = self.scores(strategy, backbone, batch), batch.query.rating > 0.5
        assert score[liked].mean() > score[~liked].mean() + 0.2


def test_scores_are_cosines_with_liked_less_those_with_disliked() -> None:
    strategy, backbone = ready("strategy.entries=2")
    batch = planted_tasks((60, 63))
    dataset, reads = told(), backbone.reads()
    assert reads is not None

    def vector(text: str) -> np.ndarray:
        ids = torch.tensor([reads.language.tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            return np.asarray(reads.language.body(input_ids=ids).last_hidden_state[0].mean(0))

    items = np.stack([vector(text) for text in reads.texts])
    mean = items.mean(0)
    answer = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    found = answer.predict(backbone, batch.user, batch.query.item).score.numpy()
    stars = batch.support.rating * backbone.rating_sd + backbone.rating_mean
    for task in range(3):
        seen = list(zip(batch.support.item[task].tolist(), stars[task].tolist(), strict=True))
        liked = sorted([one for one in seen if one[1] > 3.5], key=lambda one: -one[1])[:2]
        disliked = reversed([one for one in seen if one[1] < 3.5])  # the last of equals first
        others = sorted(disliked, key=lambda one: one[1])[:2]
        people = []
        for named in (liked, others):
            text = ", ".join(dataset.item_facts["title"][item] for item, _ in named) + "."
            people.append(vector(text) - mean)
        for place, item in enumerate(batch.query.item[task].tolist()):
            other = items[item] - mean
            like, unlike = (
                person @ other / np.linalg.norm(person) / np.linalg.norm(other) for person in people
            )
            assert found[task, place] == pytest.approx(like - unlike, abs=1e-4)


def profiles(template: str, entries: int = 9, least: float | None = 0.5) -> Profiles:
    facts = {"age": tuple("" if user == 1 else f"{20 + user}" for user in range(80))}
    dataset = replace(told(), user_facts=facts, user_fields=())
    return Profiles(dataset, template, "{title} ({genre})", entries, least)


def support(rating: list[list[float]], weight: list[list[float]]) -> Rows:
    item = torch.tensor([[4, 9, 2, 7]]).expand(len(rating), 4)
    return Rows(item, torch.tensor(rating), torch.tensor(weight))


def test_profiles_name_best_and_worst_and_leave_out_what_is_not_known() -> None:
    rows = support(
        [[1.0, -1.0, 0.6, -2.0], [0.0, 0.1, 0.2, 0.3], [2.0, 2.0, 2.0, 2.0]],
        [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]],
    )
    who = torch.tensor([0, 1, 2])
    found = profiles("Aged {age}. Likes {liked}. Not {disliked}.", 1).texts(who, rows)
    assert found == [
        "Aged 20. Likes Film 4 space war (space war). Not Film 7 wild farm (wild farm).",
        "Not Film 4 space war (space war).",
        "Aged 22.",
    ]
    assert profiles("{liked}.", 9, None).texts(who[1:2], rows.slice(slice(1, 2)))[0].count("(") == 3
    assert profiles("{liked}.").texts(who, rows)[1:] == ["", ""]
    nobody = torch.tensor([], dtype=torch.int64)
    assert profiles("{liked}.").texts(nobody, rows.slice(slice(0, 0))) == []


def test_level_slope_and_share_are_the_least_squares_of_numpy() -> None:
    strategy, backbone = ready()
    batch = planted_tasks(KNOWN)
    strategy.fit(backbone, [batch])
    answer = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    alike = answer.alike(batch.query.item)
    level = batch.support.rating.sum(1) / (batch.support.rating.shape[1] + 2)
    columns = [torch.ones_like(alike), alike, level[:, None].expand_as(alike)]
    design = torch.stack(columns, -1).reshape(-1, 3).double().numpy()
    rating = batch.query.rating.flatten().double().numpy()
    expected = np.linalg.lstsq(design, rating, rcond=None)[0]
    np.testing.assert_allclose(strategy.found.numpy(), expected, atol=1e-3)
    assert strategy.found[1] > 0.5


def test_the_order_stays_where_the_alike_are_rated_lower() -> None:
    rng = np.random.default_rng(0)
    alike, level = rng.normal(size=(2, 200))
    numbers = torch.tensor(np.stack([np.ones(200), alike, level], 1))
    found = _least_squares(numbers, torch.tensor(0.3 - alike + 0.5 * level))
    assert found[1] == LEAST_SLOPE
    np.testing.assert_allclose(found[[0, 2]].numpy(), [0.3, 0.5], atol=0.2)


def test_examples_are_read_no_further_than_asked() -> None:
    strategy, backbone = ready("strategy.examples=30")
    read: list[int] = []

    def batches() -> Any:
        for start in range(0, 60, 20):
            read.append(start)
            yield planted_tasks((start, start + 20))

    assert strategy.fit(backbone, batches()) == 1
    assert read == [0, 20]
    none, backbone = ready("strategy.examples=0")
    assert none.fit(backbone, batches()) == 0
    assert none.found.tolist() == [0.0, 1.0, 0.0]


@pytest.mark.slow
def test_gpt2_writes_after_a_profile_and_both_are_encoded() -> None:
    strategy, backbone = ready("strategy.new_tokens=4", "strategy.describe=true", backbone="gpt2")
    batch = planted_tasks((60, 64))
    texts = strategy.profiles_of(backbone, batch.user, batch.support, seed=5)
    assert all(texts["prompt"])
    assert any(texts["written"])
    items = strategy.descriptions()["text"]
    reads = backbone.reads()
    assert reads is not None
    assert all(new.startswith(old) for new, old in zip(items, reads.texts, strict=True))
    assert list(items) != list(reads.texts)
    plain, _ = ready(backbone="gpt2")
    for one in (strategy, plain):
        answer = one.adapt(backbone, batch.user, batch.support, seed=5, training=False)
        assert torch.isfinite(answer.vector).all()
    assert not torch.allclose(answer.vector, vectors(strategy, backbone, batch))
    assert torch.equal(vectors(strategy, backbone, batch), vectors(strategy, backbone, batch))


def vectors(strategy: Generate, backbone: Backbone, batch: Any) -> Tensor:
    return strategy.adapt(backbone, batch.user, batch.support, seed=5, training=False).vector


def test_implicit_data_is_ranked_by_the_cosine() -> None:
    dataset = told()
    rows = replace(dataset.interactions, rating=np.ones(len(dataset.interactions)))
    strategy, backbone = ready(dataset=replace(dataset, interactions=rows, scale=None))
    assert strategy.fit(backbone, [planted_tasks(KNOWN, implicit=True)]) == 0
    batch = planted_tasks(HELD_OUT, implicit=True)
    answer = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    found = answer.predict(backbone, batch.user, batch.query.item).score
    level = answer.level[:, None] * strategy.found[2]
    torch.testing.assert_close(found - level, answer.alike(batch.query.item))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("strategy.new_tokens=3",), "reads and does not write"),
        (("strategy.profile='{liked} by {director}.'",), r"names \{director\}"),
        (("strategy.encoder=no/such",), "no/such is not on this machine"),
    ],
)
def test_what_cannot_be_is_told_in_two_lines(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        answered(*words)
    assert len(str(caught.value).splitlines()) == 2


def answered(*words: str) -> Any:
    strategy, backbone = ready(*words)
    batch = planted_tasks((60, 62))
    return strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)


def test_a_backbone_that_reads_no_text_is_refused() -> None:
    own: Backbone = built("backbone", "backbone=mf")
    own.prepare(told(), told().interactions)
    made: Strategy = built("strategy", "strategy=generate")
    with pytest.raises(ConfigError, match="none that reads each item once") as caught:
        made.prepare(own, told(), told().interactions)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("words", [("backbone=mf",), ("backbone=bert", "backbone.score=cross")])
def test_such_a_command_is_refused_before_any_work(words: tuple[str, ...]) -> None:
    cfg = composed("strategy=generate", *words)
    faults = list(broken_rules(lambda word: OmegaConf.select(cfg, word, default=...)))
    assert [fault for fault, _ in faults if "strategy=generate" in fault]
    fine = composed("strategy=generate", "backbone=gpt2")
    assert not list(broken_rules(lambda word: OmegaConf.select(fine, word, default=...)))


def test_a_number_out_of_range_is_named() -> None:
    with pytest.raises(InstantiationException, match=r"strategy\.entries=0 is too few"):
        built("strategy", "strategy=generate", "strategy.entries=0")


@pytest.mark.slow  # a whole run
def test_a_run_keeps_the_profiles_that_answered(tmp_path: Path) -> None:
    from fewrec_cli.experiment.pipeline import train

    words = ("backbone=gpt2", "strategy=generate", "strategy.new_tokens=3", "data=synthetic")
    more = ("strategy.temperature=1.0", "strategy.describe=true", "strategy.examples=8")
    cfg = composed(*SHRUNK_RUN, *SHRUNK_DATA, *SHRUNK, *words, *more)
    with Reporter(quiet=True) as reporter:
        train(cfg, tmp_path, reporter)
    kept = pd.read_parquet(tmp_path / "profiles.parquet")
    episodes = pd.read_parquet(tmp_path / "episodes.parquet").query("role == 'support'")
    tasks = pd.read_parquet(tmp_path / "tasks.parquet").query("row == 'generate' and shots == '2'")
    assert len(kept) == len(tasks)
    assert kept["written"].str.len().gt(0).any()
    for line in kept.itertuples():
        own = episodes[(episodes.draw == line.draw) & (episodes.task == line.task)]
        assert set(own.user_id) == {line.user_id}
        liked = own[(own.position < 2) & (own.rating >= 4)]
        named = [f"Item {item} (" in line.prompt for item in liked.item_id]
        assert all(named)
        assert bool(line.prompt) == bool(len(liked))
    described = pd.read_parquet(tmp_path / "descriptions.parquet")
    assert described["text"].str.startswith("Item").all()


@pytest.mark.slow
def test_texts_about_users_that_are_read_in_part_are_counted() -> None:
    tasks, counted, long = planted_tasks(HELD_OUT), {}, 0
    for tokens in (16, 200):
        strategy, backbone = ready("strategy.against=null", f"backbone.max_tokens={tokens}")
        line = strategy.remarks(backbone, [tasks])[1]
        assert "; a profile: " in line
        assert not line.endswith("| ")  # nothing was written behind it
        counted[tokens] = int(line.partition(" texts about users cut after ")[0].split()[-1])
        tokenizer = strategy.reader.language.tokenizer
        texts = strategy.profiles.texts(tasks.user, tasks.support)
        long = long or sum(len(tokenizer(text)["input_ids"]) > 16 for text in texts)
    assert counted == {16: long, 200: 0}
    assert long


@pytest.mark.slow
def test_writing_tells_how_far_it_is() -> None:
    strategy, _ = ready("strategy.new_tokens=4", backbone="gpt2")
    done: list[int] = []
    strategy.reader.written(["Film one", "", "Film two", "Film one"], 0, done.append)
    assert sum(done) == 2
