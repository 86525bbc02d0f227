"""Prompt: supports in words by hand, the fit against scikit-learn, what is learned and what not."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sklearn.linear_model import LogisticRegression

from fewrec_cli.backbone.pairs import PairVectors
from fewrec_cli.backbone.reader import Reader
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.rules import broken_rules
from fewrec_cli.experiment.world import plain
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.none import Unadapted
from fewrec_cli.strategy.prompt import CONTENT_FREE, Prompt
from fewrec_cli.strategy.prompt_fit import PENALTIES, Examples, chosen_penalty, fitted
from fewrec_cli.strategy.words import ASIDE
from tests.backbone.tiny import made as tiny
from tests.composed import built, composed
from tests.contracts import HELD_OUT, KNOWN, constructor_keys, planted_tasks
from tests.planted import planted_dataset

pytest.importorskip("transformers")

TOLD = "liked: {liked}. disliked: {disliked}."


@cache
def titled(*, implicit: bool = False) -> Dataset:
    """Return the planted data with a title of each item, which names its group."""
    made = planted_dataset()
    groups = made.item_fields[0].index
    titles = tuple(f"g{group} number {item}" for item, group in enumerate(groups))
    made = replace(made, item_facts={"title": titles})
    if implicit:
        ones = replace(made.interactions, rating=np.ones(len(made.interactions)))
        made = replace(made, interactions=ones, scale=None, positive=1.0)
    return made


@cache
def defaults() -> dict[str, Any]:
    found: dict[str, Any] = plain(composed("strategy=prompt").strategy)
    return {k: v for k, v in found.items() if k not in (*ASIDE, "adapter", "_target_")}


def ready(
    *words: str, family: str = "bert", score: str = "cross", implicit: bool = False, **given: Any
) -> tuple[Prompt, Reader]:
    """Return the strategy on a tiny language model of random weights, in evaluation mode."""
    torch.manual_seed(0)
    dataset = titled(implicit=implicit)
    known = dataset.interactions.take(np.flatnonzero(dataset.interactions.user < HELD_OUT[0]))
    backbone = tiny(family, score, *words)
    backbone.prepare(dataset, known)
    strategy = Prompt(adapter=Unadapted(), **(defaults() | {"told": TOLD} | given))
    strategy.prepare(backbone, dataset, known)
    return strategy.eval(), backbone.eval()


def scores(strategy: Prompt, backbone: Reader, batch: TaskBatch) -> torch.Tensor:
    adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    return adapted.predict(backbone, batch.user, batch.query.item).score.detach()


def support(items: list[int], stars: list[float], backbone: Reader) -> Rows:
    rating = (torch.tensor([stars]) - backbone.rating_mean) / backbone.rating_sd
    return Rows(torch.tensor([items]), rating, torch.ones(1, len(items)))


def test_constructor_takes_keywords_without_defaults() -> None:
    constructor_keys(Prompt)


def test_a_support_is_told_in_its_order_by_what_was_liked() -> None:
    strategy, backbone = ready("backbone.max_tokens=64")
    rows = support([5, 2, 7, 1], [4, 3, 5, 1], backbone)
    spoken = strategy.texts.say(backbone.listener(), torch.tensor([0]), rows)
    expected = "liked: g1 number 5, g3 number 7. disliked: g2 number 2, g1 number 1."
    assert spoken.texts == (expected,)
    assert (spoken.rows, spoken.left_out) == (4, 0)


def test_padding_and_empty_lists_are_not_told() -> None:
    strategy, backbone = ready("backbone.max_tokens=64")
    rows = support([5, 2], [4, 3], backbone)
    rows = rows.reweighted(torch.tensor([[1.0, 0.0]]))
    listener, user = backbone.listener(), torch.tensor([0])
    assert strategy.texts.say(listener, user, rows).texts == ("liked: g1 number 5.",)
    none = rows.reweighted(torch.zeros(1, 2))
    assert strategy.texts.say(listener, user, none).texts == ("",)


def test_facts_of_the_user_stand_beside_the_support() -> None:
    strategy, backbone = ready("backbone.max_tokens=64", told="a {band} user. liked: {liked}.")
    dataset = titled()
    rows = support([5], [5], backbone)
    spoken = strategy.texts.say(backbone.listener(), torch.tensor([3]), rows)
    band = dataset.user_fields[0]
    word = band.vocabulary[band.index[3]]
    assert spoken.texts == (f"a {word} user. liked: g1 number 5.",)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_the_first_rows_stay_where_there_is_no_room_for_all(family: str) -> None:
    strategy, backbone = ready("backbone.max_tokens=56", family=family)
    listener, user = backbone.listener(), torch.tensor([0, 1])
    items = list(range(30))
    rows = support(items, [4.0, 2.0] * 15, backbone)
    two = Rows(*(torch.cat([one, one]) for one in (rows.item, rows.rating, rows.weight)))
    short = two.reweighted(torch.tensor([[1.0] * 30, [1.0] + [0.0] * 29]))
    spoken = strategy.texts.say(listener, user, short)
    kept = 31 - spoken.left_out - 1
    assert spoken.rows == 31
    assert 1 <= kept < 30
    assert spoken.texts[1] == "liked: g0 number 0."
    first = support(items[:kept], [4.0, 2.0, *[4.0, 2.0] * 15][:kept], backbone)
    assert strategy.texts.say(listener, user[:1], first).texts[0] == spoken.texts[0]
    more = support(items[: kept + 1], ([4.0, 2.0] * 15)[: kept + 1], backbone)
    whole = strategy.texts._texts(
        [0],
        [
            [
                (strategy.texts.names[i], bool(r > strategy.least))
                for i, r in zip(more.item[0].tolist(), more.rating[0], strict=True)
            ]
        ],
    )
    assert listener.lengths(whole)[0] > listener.room >= listener.lengths(spoken.texts[:1])[0]
    assert listener.told(spoken.texts).cut == 0


@pytest.mark.parametrize(
    ("family", "score"),
    [("bert", "cross"), ("gpt2", "cross"), ("bert", "prompt"), ("gpt2", "prompt")],
)
def test_features_are_those_of_a_user_of_whom_the_data_tells_the_same(
    family: str, score: str
) -> None:
    _, backbone = ready(family=family, score=score)
    listener = backbone.listener()
    item = torch.tensor([[3, 5, 7], [1, 5, 3]])
    told = listener.told(["young.", "old."])
    found = listener.features(told, item)
    dataset = titled()
    band = dataset.user_fields[0]
    people = torch.tensor(
        [
            int(np.flatnonzero(band.index == band.vocabulary.index(word))[0])
            for word in ("young", "old")
        ]
    )
    torch.testing.assert_close(found, backbone.encode(people, item), rtol=1e-4, atol=1e-5)


def test_users_of_whom_the_same_is_told_share_what_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, backbone = ready()
    listener = backbone.listener()
    texts, item = ["old.", "young.", "old.", "old."], torch.tensor([[3, 5], [3, 3], [5, 3], [7, 5]])
    alone = [
        listener.read(listener.told([text]), row[None])
        for text, row in zip(texts, item, strict=True)
    ]
    read: list[int] = []
    one = PairVectors._read
    monkeypatch.setattr(
        PairVectors,
        "_read",
        lambda self, user, *rest: read.append(len(user)) or one(self, user, *rest),
    )
    found = listener.read(listener.told(texts), item)
    assert sum(read) == 4  # old with 3, 5 and 7, young with 3
    torch.testing.assert_close(found, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_items_are_cut_at_half_the_room_and_counted() -> None:
    _, backbone = ready(
        "backbone.max_tokens=20", "backbone.template='{title}. {title}. {title}. {title}.'"
    )
    listener = backbone.listener()
    assert listener.cut_items > 0
    assert listener.room >= (20 - 3) // 2
    told = listener.told(["liked " * 50])
    assert told.cut == 1
    found = listener.features(told, torch.tensor([[0, 1]]))
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_before_anything_is_learned_prompts_without_content_are_a_toss_up(family: str) -> None:
    strategy, backbone = ready(family=family, score="prompt", zero_shot=True)
    listener = backbone.listener()
    free = listener.free
    assert free is not None
    texts = [f"liked: {CONTENT_FREE}. disliked: {CONTENT_FREE}."] * len(free)
    vectors = listener.read(listener.told(texts), free[:, None])
    score = (vectors[:, 0] @ backbone.head.factor + backbone.head.bias).detach() + strategy.found[
        -1
    ]
    assert float(score.mean()) == pytest.approx(0, abs=1e-5)
    assert not strategy.phases
    assert strategy.fit(backbone, [planted_tasks(KNOWN)]) == 0
    batch = planted_tasks(HELD_OUT)
    assert scores(strategy, backbone, batch).std() > 0


def test_the_support_moves_the_score() -> None:
    strategy, backbone = ready(score="prompt", zero_shot=True)
    batch = planted_tasks(HELD_OUT)
    other = replace(batch, support=replace(batch.support, rating=-batch.support.rating))
    before, after = scores(strategy, backbone, batch), scores(strategy, backbone, other)
    assert (before - after).abs().min() > 0
    empty = strategy.unadapted(backbone, batch.user).predict(backbone, batch.user, batch.query.item)
    none = planted_tasks(HELD_OUT, empty=True)
    torch.testing.assert_close(scores(strategy, backbone, none), empty.score)


def test_a_task_does_not_depend_on_its_neighbours() -> None:
    strategy, backbone = ready()
    strategy.fit(backbone, [planted_tasks(KNOWN)])
    whole = scores(strategy, backbone, planted_tasks(HELD_OUT))
    alone = scores(strategy, backbone, planted_tasks((HELD_OUT[0] + 3, HELD_OUT[0] + 4)))
    torch.testing.assert_close(whole[3:4], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_frozen_model_s_head_is_fitted_to_the_examples_and_told_by_levels() -> None:
    strategy, backbone = ready(penalty=1.0)
    assert not strategy.phases
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    batch = planted_tasks(KNOWN)
    assert strategy.fit(backbone, [batch]) > 1
    for name, value in backbone.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    found = adapted.predict(backbone, batch.user, batch.query.item)
    assert found.levels is not None
    torch.testing.assert_close(found.levels.sum(-1), torch.ones(found.score.shape))
    chance = torch.sigmoid(strategy.logit(backbone, adapted.told, batch.query.item))
    torch.testing.assert_close(found.levels[..., 3:].sum(-1), chance)  # 4 and 5 stars are liked
    start, _ = ready(zero_shot=True)
    losses = []
    for one in (start, strategy):
        adapted = one.adapt(backbone, batch.user, batch.support, seed=0, training=False)
        found = one.query_losses(backbone, adapted, batch.user, batch.query).detach()
        losses.append(float(found.mean()))
    assert losses[1] < losses[0]


def examples(rows: int = 60, columns: int = 3, seed: int = 0) -> Examples:
    drawn = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, columns, generator=drawn) * torch.tensor([1.0, 3.0, 0.2]) + 2
    start = torch.randn(rows, generator=drawn)
    chance = torch.sigmoid(features[:, 0] - 2 + start)
    liked = torch.rand(rows, generator=drawn) < chance
    return Examples(features, start, liked, torch.ones(rows), torch.arange(rows) // 2)


def test_the_fit_is_the_minimum_of_the_penalised_loss_around_the_start() -> None:
    rows, penalty = examples(), 2.0
    found, steps = fitted(rows, penalty)
    assert steps > 1
    features = rows.features.double()
    spread = (features - features.mean(0)).square().sum(1).mean()

    def loss(at: torch.Tensor) -> torch.Tensor:
        score = rows.start + features @ at[:-1] + at[-1]
        error = torch.nn.functional.softplus(torch.where(rows.liked, -score, score)).sum()
        return error + 0.5 * penalty * spread * at[:-1].square().sum()

    at = found.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at)
    assert float(gradient.abs().max()) < 1e-3
    plain = replace(rows, start=torch.zeros(len(rows.liked)))
    other = LogisticRegression(C=1 / (penalty * float(spread)), tol=1e-12, max_iter=10_000)
    other.fit(rows.features.numpy(), rows.liked.numpy())
    np.testing.assert_allclose(fitted(plain, penalty)[0][:-1], other.coef_[0], rtol=1e-3)


def test_few_labels_move_a_head_only_where_they_say_so_plainly() -> None:
    rows = replace(examples(200), start=torch.zeros(200))
    drawn = torch.Generator().manual_seed(9)
    noise = replace(rows, liked=torch.rand(200, generator=drawn) < 0.5)
    assert chosen_penalty(noise) == PENALTIES[-1]
    assert chosen_penalty(rows) < PENALTIES[-1]
    alone = replace(rows, user=torch.zeros(200, dtype=torch.int64))
    assert chosen_penalty(alone) == PENALTIES[-1]


def test_the_penalty_is_the_largest_within_a_standard_error_of_the_best() -> None:
    rows = examples(60, seed=3)
    fold = (rows.user % 5).numpy()
    losses = []
    for penalty in PENALTIES:
        each = np.zeros(60)
        for out in range(5):
            found, _ = fitted(rows.some(torch.from_numpy(fold != out)), penalty)
            score = rows.start.double() + rows.features.double() @ found[:-1] + found[-1]
            chance = torch.sigmoid(score).numpy()
            right = np.where(rows.liked.numpy(), chance, 1 - chance)
            each[fold == out] = -np.log(right)[fold == out]
        losses.append(each)
    best = min(losses, key=np.sum)
    good = [
        penalty
        for penalty, each in zip(PENALTIES, losses, strict=True)
        if (each - best).mean() <= (each - best).std(ddof=1) / 60**0.5
    ]
    assert chosen_penalty(rows) == max(good)


@pytest.mark.parametrize(
    "words", [{"family": "bert"}, {"family": "gpt2"}, {"family": "bert", "implicit": True}]
)
@pytest.mark.slow
def test_a_model_that_learns_gets_a_gradient_from_every_step(words: dict[str, Any]) -> None:
    strategy, backbone = ready("backbone.tuned=lora", "backbone.bias_l2=0", **words)
    assert strategy.phases == (strategy,)
    batch = planted_tasks((0, 6), implicit="implicit" in words)
    learned = [p for p in backbone.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=0.02)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = strategy.loss(backbone.train(), batch)
        loss.backward()
        losses.append(float(loss.detach()))
        optimizer.step()
    assert losses[-1] < losses[0]
    grown = {name for name, p in backbone.named_parameters() if p.grad is not None and p.grad.any()}
    assert any("lora_B" in name for name in grown)
    assert "head.factor" in grown


def test_levels_of_a_model_that_learns_are_counted_and_its_head_left_alone() -> None:
    strategy, backbone = ready("backbone.tuned=last:1")
    head = backbone.head.factor.clone()
    assert strategy.fit(backbone, [planted_tasks(KNOWN)]) == 0
    assert torch.equal(backbone.head.factor, head)
    rating = planted_dataset().interactions
    stars = rating.rating.reshape(80, -1)[slice(*KNOWN), -10:]
    count = np.array([(stars == level).sum() for level in range(1, 6)]) + 1
    other = count[:3] / count[:3].sum()
    np.testing.assert_allclose(strategy.shares[0, :3], other, rtol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "told"), [("backbone=mf", TOLD), ("", "a user."), ("", "likes {nothing} {liked}")]
)
def test_what_cannot_be_read_is_refused_in_two_lines(backbone: str, told: str) -> None:
    dataset = titled()
    made = built("backbone", backbone) if backbone else tiny("bert", "cross")
    made.prepare(dataset, dataset.interactions)
    strategy = Prompt(adapter=Unadapted(), **(defaults() | {"told": told}))
    with pytest.raises(ConfigError) as caught:
        strategy.prepare(made, dataset, dataset.interactions)
    assert len(str(caught.value).split("\n")) == 2


def test_prompts_without_a_place_for_users_are_refused() -> None:
    with pytest.raises(ConfigError, match="no place"):
        ready("backbone.prompt='{item} {answer}'", score="prompt")


@pytest.mark.parametrize("words", [("backbone=mf",), ("backbone=bert",)])
def test_such_a_command_is_refused_before_any_work(words: tuple[str, ...]) -> None:
    cfg = composed("strategy=prompt", *words)
    faults = list(broken_rules(lambda word: OmegaConf.select(cfg, word, default=...)))
    assert [fault for fault, _ in faults if "strategy=prompt" in fault]
    fine = composed("strategy=prompt", "backbone=gpt2", "backbone.score=prompt")
    assert not list(broken_rules(lambda word: OmegaConf.select(fine, word, default=...)))


@pytest.mark.gpu
def test_cpu_and_gpu_agree() -> None:
    strategy, backbone = ready("backbone.tuned=lora")
    batch = planted_tasks(HELD_OUT)
    expected = scores(strategy, backbone, batch)
    found = scores(strategy.cuda(), backbone.cuda(), batch.to("cuda")).cpu()
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)  # bfloat16 there
